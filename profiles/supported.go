package profiles

import (
	"strings"

	"github.com/compose-spec/compose-go/v2/tree"
)

// supportedAttributes are the Compose fields that are converted. All other fields, including future ones, are listed in
// Stack.Notes.
var supportedAttributes = attributePaths(`
name version include extends
services.*.annotations.*
services.*.attach
services.*.build.context services.*.build.dockerfile services.*.build.dockerfile_inline services.*.build.target
services.*.build.args.* services.*.build.args.[] services.*.build.labels.* services.*.build.labels.[]
services.*.build.cache_from services.*.build.cache_from.[] services.*.build.cache_to services.*.build.cache_to.[]
services.*.build.additional_contexts.* services.*.build.additional_contexts.[]
services.*.build.network services.*.build.platforms services.*.build.platforms.[]
services.*.build.pull services.*.build.no_cache services.*.build.ssh services.*.build.ssh.* services.*.build.ssh.[]
services.*.build.secrets.[].source services.*.build.secrets.[].target
services.*.cap_add services.*.cap_add.[] services.*.cap_drop services.*.cap_drop.[]
services.*.command services.*.command.[] services.*.entrypoint services.*.entrypoint.[]
services.*.configs.[].source services.*.configs.[].target services.*.configs.[].mode
services.*.secrets.[].source services.*.secrets.[].target services.*.secrets.[].mode
services.*.cpus services.*.cpu_count services.*.mem_limit services.*.mem_reservation
services.*.depends_on.*.condition services.*.depends_on.*.restart services.*.depends_on.*.required services.*.depends_on.[]
services.*.deploy.mode services.*.deploy.replicas services.*.deploy.labels services.*.deploy.labels.*
services.*.deploy.resources.limits.cpus services.*.deploy.resources.limits.memory
services.*.deploy.resources.reservations.cpus services.*.deploy.resources.reservations.memory
services.*.deploy.update_config.parallelism services.*.deploy.update_config.order
services.*.deploy.restart_policy.condition services.*.deploy.restart_policy.max_attempts
services.*.develop.watch.[].path services.*.develop.watch.[].action services.*.develop.watch.[].target
services.*.develop.watch.[].ignore services.*.develop.watch.[].ignore.[]
services.*.develop.watch.[].include services.*.develop.watch.[].include.[]
services.*.develop.watch.[].initial_sync services.*.develop.watch.[].exec.command services.*.develop.watch.[].exec.command.[]
services.*.dns services.*.dns.[] services.*.dns_opt services.*.dns_opt.[] services.*.dns_search services.*.dns_search.[]
services.*.env_file services.*.env_file.[] services.*.env_file.[].path services.*.env_file.[].required services.*.env_file.[].format
services.*.environment.* services.*.environment.[]
services.*.expose services.*.expose.[]
services.*.extends services.*.extends.service services.*.extends.file
services.*.extra_hosts services.*.extra_hosts.* services.*.extra_hosts.[]
services.*.group_add services.*.group_add.[]
services.*.healthcheck.test services.*.healthcheck.test.[] services.*.healthcheck.interval services.*.healthcheck.timeout
services.*.healthcheck.retries services.*.healthcheck.disable services.*.healthcheck.start_period
services.*.healthcheck.start_interval
services.*.hostname services.*.image services.*.init services.*.ipc services.*.pid
services.*.label_file services.*.label_file.[] services.*.labels.* services.*.labels.[]
services.*.network_mode services.*.networks.*.aliases services.*.networks.*.aliases.[] services.*.networks.[]
services.*.platform services.*.ports.[].name services.*.ports.[].target services.*.ports.[].published
services.*.ports.[].host_ip services.*.ports.[].protocol services.*.ports.[].app_protocol services.*.ports.[].mode
services.*.post_start.[].command services.*.post_start.[].command.[] services.*.pre_stop.[].command services.*.pre_stop.[].command.[]
services.*.privileged services.*.profiles services.*.profiles.[] services.*.pull_policy services.*.read_only
services.*.restart services.*.scale services.*.security_opt services.*.security_opt.[] services.*.shm_size
services.*.stdin_open services.*.stop_grace_period services.*.stop_signal services.*.sysctls services.*.sysctls.* services.*.sysctls.[]
services.*.tmpfs services.*.tmpfs.[] services.*.tty services.*.user services.*.working_dir
services.*.volumes.[].type services.*.volumes.[].source services.*.volumes.[].target services.*.volumes.[].read_only
services.*.volumes.[].bind.create_host_path services.*.volumes.[].volume.subpath services.*.volumes.[].volume.nocopy
services.*.volumes.[].tmpfs.size services.*.volumes.[].bind.selinux
volumes.*.labels.* volumes.*.name
configs.*.file configs.*.content configs.*.environment configs.*.name
secrets.*.file secrets.*.environment secrets.*.name secrets.*.content
networks.default.name
`)

func attributePaths(list string) []tree.Path {
	var out []tree.Path
	for _, f := range strings.Fields(list) {
		out = append(out, tree.NewPath(strings.Split(f, ".")...))
	}
	return out
}
