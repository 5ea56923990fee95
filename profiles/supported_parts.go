package profiles

// supportedParts are the rows of the attributes of a service that have attributes themselves; see supported.go for their form.
const supportedParts = `
services.*.blkio_config ai |  | not supported
services.*.blkio_config.device_read_bps ai |  | not supported
services.*.blkio_config.device_read_bps.[].path ai |  | not supported
services.*.blkio_config.device_read_bps.[].rate ai |  | not supported
services.*.blkio_config.device_read_iops ai |  | not supported
services.*.blkio_config.device_read_iops.[].path ai |  | not supported
services.*.blkio_config.device_read_iops.[].rate ai |  | not supported
services.*.blkio_config.device_write_bps ai |  | not supported
services.*.blkio_config.device_write_bps.[].path ai |  | not supported
services.*.blkio_config.device_write_bps.[].rate ai |  | not supported
services.*.blkio_config.device_write_iops ai |  | not supported
services.*.blkio_config.device_write_iops.[].path ai |  | not supported
services.*.blkio_config.device_write_iops.[].rate ai |  | not supported
services.*.blkio_config.weight ai |  | not supported
services.*.blkio_config.weight_device ai |  | not supported
services.*.blkio_config.weight_device.[].path ai |  | not supported
services.*.blkio_config.weight_device.[].weight ai |  | not supported
services.*.build aa
services.*.build.additional_contexts aa
services.*.build.args aa
services.*.build.cache_from aa
services.*.build.cache_to aa
services.*.build.context aa
services.*.build.dockerfile aa
services.*.build.dockerfile_inline aa
services.*.build.entitlements aa
services.*.build.extra_hosts aa
services.*.build.isolation ii | BuildKit has one isolation
services.*.build.labels aa
services.*.build.network aa
services.*.build.no_cache aa
services.*.build.no_cache_filter aa
services.*.build.platforms pp | built for the first one, or for platform
services.*.build.privileged aa
services.*.build.provenance ii | the engine's image store keeps no attestations
services.*.build.pull aa
services.*.build.sbom ii | the engine's image store keeps no attestations
services.*.build.secrets aa
services.*.build.secrets.[].gid ii | BuildKit mounts secrets of root
services.*.build.secrets.[].mode ii | BuildKit mounts secrets with 0400
services.*.build.secrets.[].source aa
services.*.build.secrets.[].target aa
services.*.build.secrets.[].uid ii | BuildKit mounts secrets of root
services.*.build.shm_size aa
services.*.build.ssh aa
services.*.build.tags aa
services.*.build.target aa
services.*.build.ulimits aa
services.*.build.ulimits.*.hard aa
services.*.build.ulimits.*.soft aa
services.*.configs aa
services.*.configs.[].gid pi | for a config from a file, the file's own owner applies, as in Compose | not supported
services.*.configs.[].mode pa | for a config from a file, the file's own mode applies, as in Compose | 
services.*.configs.[].source aa
services.*.configs.[].target aa
services.*.configs.[].uid pi | for a config from a file, the file's own owner applies, as in Compose | not supported
services.*.depends_on aa
services.*.depends_on.*.condition aa
services.*.depends_on.*.required aa
services.*.depends_on.*.restart aa
services.*.deploy aa
services.*.deploy.endpoint_mode ai | as in Compose, it has no effect: it is for Swarm | it has no equivalent in Kubernetes
services.*.deploy.labels aa | as in Compose, they are not on the containers | 
services.*.deploy.mode pp | global is one container: there is one node | global is a DaemonSet, replicated-job a Job
services.*.deploy.placement ai | as in Compose, it has no effect: it is for Swarm | it has no equivalent in Kubernetes
services.*.deploy.placement.constraints ai | as in Compose, it has no effect: it is for Swarm | it has no equivalent on one node
services.*.deploy.placement.max_replicas_per_node ai | as in Compose, it has no effect: it is for Swarm | it has no equivalent on one node
services.*.deploy.placement.preferences ai | as in Compose, it has no effect: it is for Swarm | it has no equivalent on one node
services.*.deploy.placement.preferences.[].spread ai | as in Compose, it has no effect: it is for Swarm | it has no equivalent on one node
services.*.deploy.replicas aa
services.*.deploy.resources aa
services.*.deploy.resources.limits aa
services.*.deploy.resources.limits.cpus aa
services.*.deploy.resources.limits.memory aa
services.*.deploy.resources.limits.pids ai |  | not supported
services.*.deploy.resources.reservations aa
services.*.deploy.resources.reservations.cpus aa
services.*.deploy.resources.reservations.devices ai |  | not supported
services.*.deploy.resources.reservations.devices.[].capabilities ai |  | not supported
services.*.deploy.resources.reservations.devices.[].count ai |  | not supported
services.*.deploy.resources.reservations.devices.[].device_ids ai |  | not supported
services.*.deploy.resources.reservations.devices.[].driver ai |  | not supported
services.*.deploy.resources.reservations.devices.[].options ai |  | not supported
services.*.deploy.resources.reservations.generic_resources ai |  | not supported
services.*.deploy.resources.reservations.generic_resources.[].discrete_resource_spec ai |  | not supported
services.*.deploy.resources.reservations.generic_resources.[].discrete_resource_spec.kind ai |  | not supported
services.*.deploy.resources.reservations.generic_resources.[].discrete_resource_spec.value ai |  | not supported
services.*.deploy.resources.reservations.memory aa
services.*.deploy.restart_policy aa
services.*.deploy.restart_policy.condition aa
services.*.deploy.restart_policy.delay ai |  | not supported
services.*.deploy.restart_policy.max_attempts aa
services.*.deploy.restart_policy.window ai |  | not supported
services.*.deploy.rollback_config ai | as in Compose, it has no effect: it is for Swarm | it has no equivalent in Kubernetes
services.*.deploy.rollback_config.delay ai | as in Compose, it has no effect: it is for Swarm | it has no equivalent on one node
services.*.deploy.rollback_config.failure_action ai | as in Compose, it has no effect: it is for Swarm | it has no equivalent on one node
services.*.deploy.rollback_config.max_failure_ratio ai | as in Compose, it has no effect: it is for Swarm | it has no equivalent on one node
services.*.deploy.rollback_config.monitor ai | as in Compose, it has no effect: it is for Swarm | it has no equivalent on one node
services.*.deploy.rollback_config.order ai | as in Compose, it has no effect: it is for Swarm | it has no equivalent on one node
services.*.deploy.rollback_config.parallelism ai | as in Compose, it has no effect: it is for Swarm | it has no equivalent on one node
services.*.deploy.update_config aa | order decides whether the old container is stopped first; the rest is for Swarm | 
services.*.deploy.update_config.delay ai | as in Compose, it has no effect: it is for Swarm | not supported
services.*.deploy.update_config.failure_action ai | as in Compose, it has no effect: it is for Swarm | not supported
services.*.deploy.update_config.max_failure_ratio ai | as in Compose, it has no effect: it is for Swarm | not supported
services.*.deploy.update_config.monitor ai | as in Compose, it has no effect: it is for Swarm | not supported
services.*.deploy.update_config.order aa
services.*.deploy.update_config.parallelism aa | as in Compose, it has no effect: it is for Swarm | 
services.*.develop aa
services.*.develop.watch aa
services.*.develop.watch.[].action aa
services.*.develop.watch.[].exec aa
services.*.develop.watch.[].exec.command aa
services.*.develop.watch.[].exec.environment aa
services.*.develop.watch.[].exec.privileged aa
services.*.develop.watch.[].exec.user aa
services.*.develop.watch.[].exec.working_dir aa
services.*.develop.watch.[].ignore aa
services.*.develop.watch.[].include aa
services.*.develop.watch.[].initial_sync aa
services.*.develop.watch.[].path aa
services.*.develop.watch.[].target aa
services.*.extends aa
services.*.extends.file aa | local files; remote ones (git, oci) are refused
services.*.extends.service aa
services.*.gpus ai |  | not supported
services.*.gpus.[].capabilities ai |  | not supported
services.*.gpus.[].count ai |  | not supported
services.*.gpus.[].device_ids ai |  | not supported
services.*.gpus.[].driver ai |  | not supported
services.*.gpus.[].options ai |  | not supported
services.*.healthcheck ap |  | it becomes a readiness probe; x-lyandev.probes sets Kubernetes' own
services.*.healthcheck.disable aa
services.*.healthcheck.interval aa
services.*.healthcheck.retries aa
services.*.healthcheck.start_interval ap |  | until the first success probes run often anyway
services.*.healthcheck.start_period ap |  | readiness has no start period: failures before the first success change nothing
services.*.healthcheck.test aa
services.*.healthcheck.timeout aa
services.*.models ai |  | give the service Compose's semantics
services.*.models.*.endpoint_var ai |  | not supported
services.*.models.*.model_var ai |  | not supported
services.*.networks ap |  | pods are in the network PROJECT_default, and in the named networks that they share with plain services; aliases are names of the service
services.*.networks.*.aliases aa
services.*.networks.*.driver_opts ai |  | not supported
services.*.networks.*.gw_priority ai |  | not supported
services.*.networks.*.interface_name ai |  | not supported
services.*.networks.*.ipv4_address ai |  | not supported
services.*.networks.*.ipv6_address ai |  | not supported
services.*.networks.*.link_local_ips ai |  | not supported
services.*.networks.*.mac_address ai |  | not supported
services.*.networks.*.priority ai |  | not supported
services.*.networks.*.use_service_name_alias ai |  | not supported
services.*.ports aa | lyandev publishes them on 127.0.0.1 unless the file gives an address, and keeps them during restarts; x-lyandev.ports: container gives the container its own bindings | 
services.*.ports.[].app_protocol aa
services.*.ports.[].host_ip aa | 127.0.0.1 if it is not given | 
services.*.ports.[].mode aa
services.*.ports.[].name aa
services.*.ports.[].protocol aa
services.*.ports.[].published aa
services.*.ports.[].target aa
services.*.post_start aa
services.*.post_start.[].command aa
services.*.post_start.[].environment ai |  | not supported
services.*.post_start.[].privileged ai |  | not supported
services.*.post_start.[].user ai |  | not supported
services.*.post_start.[].working_dir ai |  | not supported
services.*.pre_start.** ai | each runs to completion before the service starts; per_replica: true is refused, as in Compose | use x-lyandev.initContainers
services.*.pre_stop aa
services.*.pre_stop.[].command aa
services.*.pre_stop.[].environment ai |  | not supported
services.*.pre_stop.[].privileged ai |  | not supported
services.*.pre_stop.[].user ai |  | not supported
services.*.pre_stop.[].working_dir ai |  | not supported
services.*.provider aa |  | a service with a provider has Compose's semantics
services.*.provider.options aa
services.*.provider.type aa
services.*.secrets aa
services.*.secrets.[].gid pi | for a secret from a file, the file's own owner applies, as in Compose | not supported
services.*.secrets.[].mode pa | for a secret from a file, the file's own mode applies, as in Compose | 
services.*.secrets.[].source aa
services.*.secrets.[].target aa
services.*.secrets.[].uid pi | for a secret from a file, the file's own owner applies, as in Compose | not supported
services.*.volumes aa
services.*.volumes.[].bind aa
services.*.volumes.[].bind.create_host_path aa
services.*.volumes.[].bind.propagation ai |  | not supported
services.*.volumes.[].bind.recursive ai |  | not supported
services.*.volumes.[].bind.selinux aa
services.*.volumes.[].consistency aa | as in Compose, it has no effect on Linux | it has no effect on Linux
services.*.volumes.[].image ai |  | not supported
services.*.volumes.[].image.subpath ai |  | not supported
services.*.volumes.[].read_only aa
services.*.volumes.[].source aa
services.*.volumes.[].target aa
services.*.volumes.[].tmpfs aa
services.*.volumes.[].tmpfs.mode ai |  | not supported
services.*.volumes.[].tmpfs.size aa
services.*.volumes.[].type aa
services.*.volumes.[].volume aa
services.*.volumes.[].volume.labels ai |  | not supported
services.*.volumes.[].volume.nocopy aa
services.*.volumes.[].volume.subpath aa
`
