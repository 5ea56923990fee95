package profiles

// Annotations on pods for Compose fields that have no equivalent in Kubernetes. The bare key applies to all containers; with
// a dot and a container's name appended ("dev.lyandev/stop-signal.sentinel") it applies to that container only.
const (
	// StopSignalAnnotation is the signal that stops the process (Compose's stop_signal). Default: "SIGTERM".
	StopSignalAnnotation = "dev.lyandev/stop-signal"
	// InitAnnotation "true" runs an init process in the container (Compose's init).
	InitAnnotation = "dev.lyandev/init"
	// ShimAnnotation "false" runs the container without the init shim.
	ShimAnnotation = "dev.lyandev/shim"
	// UserAnnotation is Compose's user if it is a name instead of a number.
	UserAnnotation = "dev.lyandev/user"
	// PullPolicyAnnotation is pull_policy of a plain service as the file has it ("daily", "every_12h"). Without it an image is
	// pulled if it is missing.
	PullPolicyAnnotation = "dev.lyandev/pull-policy"
	// PlatformAnnotation is the image's platform ("linux/amd64").
	PlatformAnnotation = "dev.lyandev/platform"
)
