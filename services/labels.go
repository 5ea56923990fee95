package services

// Labels of ours on pods (and, with the same names, on the Docker objects behind them).
const (
	// ProjectLabel is on every object of ours; nothing without it is ever touched.
	ProjectLabel = "dev.lyandev.project"
	// WorkloadLabel names the workload of the stack that a pod belongs to.
	WorkloadLabel = "dev.lyandev.workload"
	// DirLabel is the directory that an instance was started in.
	DirLabel = "dev.lyandev.dir"
	// BuildLabel names the build that made an image.
	BuildLabel = "dev.lyandev.build"
)
