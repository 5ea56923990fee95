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
	// PlatformAnnotation is the image's platform ("linux/amd64").
	PlatformAnnotation = "dev.lyandev/platform"
)
