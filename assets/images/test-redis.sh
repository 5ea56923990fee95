# shellcheck shell=bash disable=SC2154,SC2317,SC2016 # sourced by test.sh, which has the functions and variables
# Redis' part of test.sh: three servers at .50-.52, three sentinels at .60-.62.

redis_nodes=3
sentinel_list() { echo "$subnet.60:26379,$subnet.61:26379,$subnet.62:26379"; }

create_server() { # INDEX DOCKER-ARGS...
  local i=$1
  shift
  create "r$i" $((50 + i)) --user 1001:1001 -v "$prefix-r$i:/data" -e LYANDEV_SENTINELS="$(sentinel_list)" \
    -e LYANDEV_REDIS_MASTER_ADDR="$subnet.50:6379" -e POD_IP="$subnet.5$i" -e LYANDEV_CLUSTER=itest "$@" lyandev/redis:dev
}
create_sentinel() { # INDEX
  create "n$1" $((60 + $1)) --user 1001:1001 -v "$prefix-n$1:/data" -e REDIS_MODE=sentinel -e POD_IP="$subnet.6$1" \
    -e LYANDEV_REDIS_MASTER_ADDR="$subnet.50:6379" -e LYANDEV_SENTINELS="$(sentinel_list)" lyandev/redis:dev
}
cli() { # NAME ARGS...
  local name=$1
  shift
  docker exec "$prefix-$name" redis-cli --raw "$@"
}
role_of() { cli "$1" ROLE | head -n 1; }
has_role() { is "$(role_of "$1")" "$2"; }
link_up() { cli "$1" INFO replication | grep -q master_link_status:up; }
quorum_ok() { cli n0 -p 26379 SENTINEL CKQUORUM mymaster | grep -q 'OK 3 usable'; }
master_is() { is "$(cli "$1" -p 26379 SENTINEL GET-MASTER-ADDR-BY-NAME mymaster | head -n 1)" "$2"; }
in_file() { docker run --rm --label "$label" -v "$prefix-$1:/v" --entrypoint cat lyandev/redis:dev "/v/$2"; }

stack_from_nothing() {
  local i from
  for ((i = 0; i < redis_nodes; i++)); do
    volume "r$i" && volume "n$i"
    create_server "$i"
    create_sentinel "$i"
  done
  from=$(now_ms)
  docker start "$prefix"-{r,n}{0,1,2} >/dev/null
  check 'the first master is the one named by address' wait_until 10 has_role r0 master
  check 'replicas attach' wait_until 20 link_up r1
  check 'both of them' wait_until 20 link_up r2
  printf 'time  three servers replicating, from nothing: %d ms\n' $(($(now_ms) - from))
  check 'three sentinels reach quorum' wait_until 20 quorum_ok
  printf 'time  quorum of three sentinels, from nothing: %d ms\n' $(($(now_ms) - from))
  check 'no role on the command line' not grep -aq replicaof <(docker exec "$prefix-r1" cat /proc/1/cmdline)
  check 'the role is in the volume' grep -qx "replicaof $subnet.50 6379" <(in_file r1 redis.conf)
  check 'sentinels can save what they know' is "$(cli n0 -p 26379 SENTINEL FLUSHCONFIG)" OK
  check 'AOF is on' is "$(cli r0 CONFIG GET appendonly | tail -n 1)" yes
  check 'they announce their own address' grep -q "ip=$subnet.51" <(cli r0 INFO replication)
  cli r0 SET k v >/dev/null
  cli r0 WAIT 2 1000 >/dev/null
}

new_master() { cli n0 -p 26379 SENTINEL GET-MASTER-ADDR-BY-NAME mymaster | head -n 1 | grep -qv "^$subnet.50$"; }

failover_and_return() {
  local from name
  from=$(now_ms)
  docker kill "$prefix-r0" >/dev/null
  check 'a killed master is replaced' wait_until 30 new_master
  printf 'time  failover: %d ms\n' $(($(now_ms) - from))
  name=r$(($(cli n0 -p 26379 SENTINEL GET-MASTER-ADDR-BY-NAME mymaster | head -n 1 | sed 's/.*\.5//')))
  wait_until 10 has_role "$name" master
  check 'the data is there' is "$(cli "$name" GET k)" v
  from=$(now_ms)
  docker start "$prefix-r0" >/dev/null
  wait_until 10 cli r0 PING
  check 'the old master is a replica at once' has_role r0 slave
  printf 'time  old master back, as a replica: %d ms\n' $(($(now_ms) - from))
  check 'and refuses writes' grep -q READONLY <(cli r0 SET x y 2>&1)
  check 'its file agrees' grep -q '^replicaof ' <(in_file r0 redis.conf)
  check 'it catches up' wait_until 20 link_up r0

  docker stop "$prefix"-{n,r}{0,1,2} >/dev/null
  docker start "$prefix"-{r,n}{0,1,2} >/dev/null
  check 'after a restart of everything the promoted one is master' wait_until 10 has_role "$name" master
  check 'the first one is a replica' wait_until 10 has_role r0 slave
  check 'the data is there' is "$(cli "$name" GET k)" v
  check 'quorum is back' wait_until 20 quorum_ok

  in_redis_volume n2 'rm -rf ./* .[!.]*'
  docker restart "$prefix-n2" >/dev/null
  check 'a sentinel that lost its volume learns of the promoted master' wait_until 10 master_is n2 "$subnet.5${name#r}"
  promoted=$name
}

in_redis_volume() {
  docker run --rm --label "$label" -u 0 -v "$prefix-$1:/v" --entrypoint bash lyandev/redis:dev -c "cd /v; $2"
}

lost_data() {
  local other=r0
  docker stop "$prefix-$promoted" "$prefix-$other" >/dev/null
  in_redis_volume "$promoted" 'rm -rf appendonlydir dump.rdb'
  docker stop "$prefix"-n{0,1,2} >/dev/null
  docker start "$prefix-$promoted" >/dev/null
  check 'a master that lost its data does not start' is "$(exit_code "$promoted")" 78
  check 'and says why' logs_say "$promoted" 'its data is gone'
  in_redis_volume "$other" 'rm -rf ./* .[!.]*'
  remove "$other"
  create_server "${other#r}" -e LYANDEV_VOLUME_INITIALIZED=itest
  docker start "$prefix-$other" >/dev/null
  check 'nor does an emptied first master when no sentinel answers' is "$(exit_code "$other")" 78
  remove "$other"
  create_server "${other#r}" -e LYANDEV_CLUSTER=foreign -e LYANDEV_VOLUME_INITIALIZED=
  in_redis_volume "$other" 'printf "product=mariadb\nid=x\n" >.lyandev-identity; chown 1001 .lyandev-identity'
  docker start "$prefix-$other" >/dev/null
  check 'a volume of another product is refused' is "$(exit_code "$other")" 78
}

redis_alone() {
  local times=() i from
  for i in 1 2 3; do
    create "a$i" 70 --user 1001:1001 lyandev/redis:dev
    from=$(now_ms)
    docker start "$prefix-a$i" >/dev/null
    wait_until 10 bash -c "exec 3<>/dev/tcp/$subnet.70/6379; echo PING >&3; read -r -t 1 line <&3; [[ \$line == +PONG* ]]"
    times+=($(($(now_ms) - from)))
    remove "a$i"
  done
  printf 'time  one server, docker start to PONG, in ms: %s\n' "${times[*]}"
  run ralone 71 -e REDIS_PASSWORD='p w"d' -e REDIS_MAXMEMORY=64mb lyandev/redis:dev redis-server --hz 20
  wait_until 10 answers_redis ralone
  check 'started by root it runs as redis' is "$(docker exec "$prefix-ralone" stat -c %U /proc/1)" redis
  check 'a password is asked for' grep -q NOAUTH <(cli ralone PING)
  check 'and taken' is "$(cli ralone --no-auth-warning -a 'p w"d' PING)" PONG
  check 'REDIS_MAXMEMORY holds' is "$(cli ralone --no-auth-warning -a 'p w"d' CONFIG GET maxmemory | tail -n 1)" 67108864
  check 'arguments reach the server' is "$(cli ralone --no-auth-warning -a 'p w"d' CONFIG GET hz | tail -n 1)" 20
  from=$(now_ms)
  docker stop "$prefix-ralone" >/dev/null
  printf 'time  docker stop: %d ms\n' $(($(now_ms) - from))
  check 'SIGTERM ends it with 0' is "$(docker inspect -f '{{.State.ExitCode}}' "$prefix-ralone")" 0
  run byname 72 -e REDIS_REPLICATION_MODE=slave -e REDIS_MASTER_HOST="$prefix-later" lyandev/redis:dev
  run later 73 -e REDIS_REPLICATION_MODE=master -e ALLOW_EMPTY_PASSWORD=yes lyandev/redis:dev
  check 'a master named by name may come later; its address is kept' wait_until 20 link_up byname
  check 'as an address' grep -q "^replicaof $subnet.73 6379" <(docker exec "$prefix-byname" cat /data/redis.conf)
  run rargs 74 lyandev/redis:dev redis-server --slaveof "$subnet.73" 6379
  check '--slaveof becomes the first role only' wait_until 20 link_up rargs
  cli rargs REPLICAOF NO ONE >/dev/null
  cli rargs CONFIG REWRITE >/dev/null
  docker restart "$prefix-rargs" >/dev/null
  check 'and a later role outlives a restart' wait_until 10 has_role rargs master
}
answers_redis() { cli "$1" PING | grep -qE 'PONG|NOAUTH'; }

test_redis() {
  section Redis
  redis_alone
  stack_from_nothing
  failover_and_return
  lost_data
}
