package profiles

// supportedTop are the rows of everything but services; see supported.go for their form.
const supportedTop = `
configs aa
configs.*.content aa
configs.*.environment aa
configs.*.external rr | there is no Swarm that keeps it; Compose refuses it when the service starts
configs.*.external.name ri | there is no Swarm that keeps it; Compose refuses it when the service starts | use name
configs.*.file aa
configs.*.labels aa | as in Compose, it has no effect: it is for Swarm
configs.*.name aa
configs.*.template_driver aa | as in Compose, it has no effect: it is for Swarm
include aa | local files; remote ones (git, oci) are refused
include.[].env_file aa
include.[].path aa | local files; remote ones (git, oci) are refused
include.[].project_directory aa
jobs.** ii | jobs are not run: write a service with a profile, or x-lyandev.kind: Job or CronJob
models aa
models.*.context_size aa
models.*.model aa
models.*.name aa
models.*.runtime_flags aa
name aa
networks aa
networks.*.attachable ai |  | all pods are in the network PROJECT_default
networks.*.driver ai |  | all pods are in the network PROJECT_default
networks.*.driver_opts ai |  | all pods are in the network PROJECT_default
networks.*.enable_ipv4 ai |  | all pods are in the network PROJECT_default
networks.*.enable_ipv6 ai |  | all pods are in the network PROJECT_default
networks.*.external ai |  | all pods are in the network PROJECT_default
networks.*.external.name ai | the older form of name | all pods are in the network PROJECT_default
networks.*.internal ai |  | all pods are in the network PROJECT_default
networks.*.ipam ai |  | all pods are in the network PROJECT_default
networks.*.ipam.config ai |  | all pods are in the network PROJECT_default
networks.*.ipam.config.[].aux_addresses ai |  | all pods are in the network PROJECT_default
networks.*.ipam.config.[].gateway ai |  | all pods are in the network PROJECT_default
networks.*.ipam.config.[].ip_range ai |  | all pods are in the network PROJECT_default
networks.*.ipam.config.[].subnet ai |  | all pods are in the network PROJECT_default
networks.*.ipam.driver ai |  | all pods are in the network PROJECT_default
networks.*.ipam.options ai |  | all pods are in the network PROJECT_default
networks.*.labels ai |  | all pods are in the network PROJECT_default
networks.*.name ai |  | all pods are in the network PROJECT_default
secrets aa
secrets.*.driver ii | there is no Swarm that knows the driver
secrets.*.driver_opts ii | there is no Swarm that knows the driver
secrets.*.environment aa
secrets.*.external rr | there is no Swarm that keeps it; Compose refuses it when the service starts
secrets.*.external.name ri | there is no Swarm that keeps it; Compose refuses it when the service starts | use name
secrets.*.file aa
secrets.*.labels aa | as in Compose, it has no effect: it is for Swarm
secrets.*.name aa
secrets.*.template_driver aa | as in Compose, it has no effect: it is for Swarm
services aa
version aa | as in Compose, it has no effect
volumes aa
volumes.*.driver aa |  | but for the volumes of a StatefulSet's pods
volumes.*.driver_opts aa |  | but for the volumes of a StatefulSet's pods
volumes.*.external aa |  | but for the volumes of a StatefulSet's pods
volumes.*.external.name ai | the older form of name | use name
volumes.*.labels aa
volumes.*.name aa |  | but for the volumes of a StatefulSet's pods
`
