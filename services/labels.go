package services

// Labels of lyandev on pods and, with the same names, on their Docker objects.
const (
	// ProjectLabel is on every object that lyandev creates. Objects without it are never changed or removed.
	ProjectLabel = "dev.lyandev.project"
	// KindLabel says what an object is: a container of a pod, an agent, a volume of a claim. The packages that make them name the kinds.
	KindLabel = "dev.lyandev.kind"
	// PodLabel names the pod of a container, PodUIDLabel is the pod's UID, and ContainerLabel the name of the container in the pod.
	PodLabel       = "dev.lyandev.pod"
	PodUIDLabel    = "dev.lyandev.pod-uid"
	ContainerLabel = "dev.lyandev.container"
	// WorkloadLabel names the workload of the stack that a pod belongs to.
	WorkloadLabel = "dev.lyandev.workload"
	// NumberLabel is the number of a plain service's pod, from 1.
	NumberLabel = "dev.lyandev.number"
	// ImageAnnotation, followed by a container's name, is the pod annotation with the reference of an image that the stack built:
	// the container's own image is pinned to the ID.
	ImageAnnotation = "dev.lyandev.image/"
	// RecreatedAnnotation is the pod annotation by which `up --force-recreate` makes a template another one: when that was.
	RecreatedAnnotation = "dev.lyandev/recreated-at"
	// RestartedAtAnnotation is the template annotation that a restart sets, as kubectl's does.
	RestartedAtAnnotation = "kubectl.kubernetes.io/restartedAt"
	// UnstartedAnnotation is on the pods of plain services whose containers are made and not started until somebody starts them
	// (`lyandev create`). It means nothing once the container has run.
	UnstartedAnnotation = "dev.lyandev/unstarted"
	// DirLabel is the directory that an instance was started in.
	DirLabel = "dev.lyandev.dir"
	// LocalhostLabel is on containers with ports of their loopback that lead elsewhere: a Localhost as text. A container that joins
	// their network namespace serves the ports.
	LocalhostLabel = "dev.lyandev.localhost"
	// BuildLabel names the build that made an image.
	BuildLabel = "dev.lyandev.build"
)

// NamesAnnotation is on a Service: further names under which DNS knows it, separated by commas. They need not be valid names of
// Kubernetes: they are what a Compose file has ("my_db", "Api", "auth.local").
const NamesAnnotation = "dev.lyandev/names"
