package profiles

// supportedService are the rows of the attributes of a service; see supported.go for their form.
const supportedService = `
services.*.annotations aa
services.*.attach aa
services.*.cap_add aa
services.*.cap_drop aa
services.*.cgroup ai |  | not supported
services.*.cgroup_parent ai |  | not supported
services.*.command aa
services.*.container_name ai |  | pods have names of their own
services.*.cpu_count ai | as in Compose, it has an effect on Windows engines only | it has an effect on Windows engines only
services.*.cpu_percent ai | as in Compose, it has an effect on Windows engines only | it has an effect on Windows engines only
services.*.cpu_period ai |  | not supported
services.*.cpu_quota ai |  | not supported
services.*.cpu_rt_period ai |  | not supported
services.*.cpu_rt_runtime ai |  | not supported
services.*.cpu_shares ai |  | not supported
services.*.cpus aa
services.*.cpuset ai |  | not supported
services.*.credential_spec ai | as in Compose, it has an effect on Windows engines only | it has an effect on Windows engines only
services.*.credential_spec.config ai | as in Compose, it has an effect on Windows engines only | not supported
services.*.credential_spec.file ai | as in Compose, it has an effect on Windows engines only | not supported
services.*.credential_spec.registry ai | as in Compose, it has an effect on Windows engines only | not supported
services.*.device_cgroup_rules ai |  | not supported
services.*.devices ai |  | not supported
services.*.devices.[].permissions ai |  | not supported
services.*.devices.[].source ai |  | not supported
services.*.devices.[].target ai |  | not supported
services.*.dns aa
services.*.dns_opt aa
services.*.dns_search aa
services.*.domainname ai |  | not supported
services.*.entrypoint aa
services.*.env_file aa
services.*.env_file.[].format aa
services.*.env_file.[].path aa
services.*.env_file.[].required aa
services.*.environment aa
services.*.expose aa
services.*.external_links ai |  | not supported
services.*.extra_hosts aa
services.*.group_add aa
services.*.hostname aa
services.*.image aa
services.*.init aa
services.*.ipc aa
services.*.isolation ai | as in Compose, it has an effect on Windows engines only | it has an effect on Windows engines only
services.*.label_file aa
services.*.labels aa
services.*.links ai |  | services find each other by name
services.*.logging ai |  | not supported
services.*.logging.driver ai |  | not supported
services.*.logging.options ai |  | not supported
services.*.mac_address ai |  | not supported
services.*.mem_limit aa
services.*.mem_reservation aa
services.*.mem_swappiness ai |  | not supported
services.*.memswap_limit ai |  | not supported
services.*.network_mode aa
services.*.oom_kill_disable ai |  | not supported
services.*.oom_score_adj ai |  | not supported
services.*.pid aa
services.*.pids_limit ai |  | not supported
services.*.platform aa
services.*.privileged aa
services.*.profiles aa
services.*.pull_policy aa
services.*.pull_refresh_after ai |  | not supported
services.*.read_only aa
services.*.restart ap |  | it decides the kind (no: a Pod) and a Job's back-off limit; other kinds always restart
services.*.runtime ai |  | not supported
services.*.scale aa
services.*.security_opt aa
services.*.shm_size aa
services.*.stdin_open aa
services.*.stop_grace_period aa
services.*.stop_signal aa
services.*.storage_opt ai |  | not supported
services.*.sysctls aa
services.*.tmpfs aa
services.*.tty aa
services.*.ulimits ai |  | not supported
services.*.ulimits.*.hard ai |  | not supported
services.*.ulimits.*.soft ai |  | not supported
services.*.umask ai |  | not supported
services.*.use_api_socket ai |  | not supported
services.*.user aa
services.*.userns_mode ai |  | not supported
services.*.uts ai |  | not supported
services.*.volumes_from ai |  | not supported
services.*.working_dir aa
`
