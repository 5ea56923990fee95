package main

// commandExamples are the examples in the help of commands, by the command's name: command lines without "lyandev", with what they
// do behind "#". A command whose Description has examples needs none here.
var commandExamples = map[string]string{
	"diff": `diff                        # what up would change, and why; exits with 1 if anything
diff --profile ha web       # of one service, in another profile
diff -o json                # for programs`,
	"up": `up                          # start all, follow the logs; Ctrl-C stops
up -d --wait                # in the background; return when all is ready
up --profile big web        # only web and what it needs, in another profile`,
	"down": `down                        # stop and remove the containers; volumes stay
down --volumes              # delete the data too
down web                    # only one service, until the next up`,
	"create": `create                      # make all containers, start none
create web`,
	"stop": `stop                        # all services, in reverse order
stop web worker`,
	"start": `start                       # what was stopped
start web`,
	"restart": `restart                     # all services, one after the other
restart web --timeout 5`,
	"run": `run --rm web sh             # a shell in a new container of web
run --rm -e DEBUG=1 web python manage.py migrate`,
	"trigger": `trigger report              # a CronJob's run, now
trigger migrate             # a Job, once more`,
	"scale": `scale web=3
scale web=0 worker=2 --wait`,
	"profile": `profile ls                  # the profiles of the file
profile use big             # switch the running stack`,
	"profile ls":   `profile ls --json`,
	"profile show": `profile show big`,
	"profile diff": `profile diff small big`,
	"profile use": `profile use big
profile use big --dry-run   # only the plan`,
	"wait": `wait migrate                # until it has ended; its exit code
wait migrate seed && lyandev up -d web`,
	"status": `status                      # every service, healthy or not
status --json`,
	"why": `why                         # the first cause that keeps the stack from ready
why web                     # what web waits for, or why it fails`,
	"ps": `ps                          # all pods
ps -a web                   # also those that have ended
ps -q web                   # IDs of containers, for docker`,
	"logs": `logs -f                     # follow all services
logs web --tail 50
logs web --previous         # of the container before its restart`,
	"events": `events web                  # what happened to web and its pods
events -f`,
	"describe": `describe web
describe db-0`,
	"endpoints": `endpoints                   # addresses and host ports
endpoints --watch`,
	"port": `port web 80                 # where port 80 of web is published
port --protocol udp dns 53`,
	"stats": `stats                       # CPU and memory of each pod, until Ctrl-C
stats --no-stream web`,
	"stats loop": `stats loop                  # how long edits took to be live`,
	"trace": `trace                       # where the time of the last action went
trace up --save up.json     # for https://ui.perfetto.dev`,
	"top": `top                         # processes of all containers
top web`,
	"images": `images
images -q web`,
	"volumes": `volumes
volumes -q db`,
	"config": `config                      # the stack as it will run
config -q                   # only check the file
config --support --here     # what of this file is not applied`,
	"ls": `ls                          # all instances on this machine
ls -q --all`,
	"exec": `exec web sh                 # a shell
exec db-0 psql -U postgres
exec -T web cat /etc/hosts > hosts`,
	"attach": `attach web
attach web --detach-keys ctrl-x`,
	"cp": `cp web:/etc/nginx/nginx.conf .
cp dump.sql db-0:/tmp/`,
	"port-forward": `port-forward db             # its ports, on free ports here, with a URL
port-forward db 5433:5432`,
	"kill": `kill web
kill -s SIGHUP web`,
	"pause": `pause db                    # what do clients do when db hangs?
unpause db`,
	"unpause": `unpause db
unpause                     # all services`,
	"rm": `rm --stop worker            # until the next up
rm`,
	"build": `build                       # what has changed
build --no-cache web`,
	"pull": `pull
pull db --policy missing`,
	"test": `test                        # the tests of the file, in a new copy of the stack
test --profile small,big
test --service web -- pytest -q -k login`,
	"drill": `drill redis-failover
drill partition web --for 5s`,
	"snapshot": `snapshot save before        # the data of all services
snapshot restore before`,
	"snapshot save":    `snapshot save before db`,
	"snapshot ls":      `snapshot ls`,
	"snapshot restore": `snapshot restore before`,
	"snapshot rm":      `snapshot rm before`,
	"mariadb": `mariadb status
mariadb promote`,
	"mariadb status":     `mariadb status --json`,
	"mariadb promote":    `mariadb promote db-slave-0`,
	"mariadb switchback": `mariadb switchback`,
	"redis": `redis status
redis failover`,
	"redis status":   `redis status --json`,
	"redis failover": `redis failover`,
	"autostart": `autostart enable
autostart status`,
	"autostart enable":  `autostart enable --print`,
	"autostart disable": `autostart disable`,
	"autostart status":  `autostart status`,
	"version": `version
version --short`,
	"help": `help up                     # a command
help x-lyandev.probes       # a key of the file
help networking             # a topic`,
}
