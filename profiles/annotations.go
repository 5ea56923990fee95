package profiles

// Annotations on pods for what Compose can say and Kubernetes has no field for. The bare key speaks of all containers;
// with a dot and a container's name after it ("dev.lyandev/stop-signal.sentinel") it speaks of that one alone.
const (
	// StopSignalAnnotation is the signal that asks the process to end (Compose's stop_signal), "SIGTERM" by default.
	StopSignalAnnotation = "dev.lyandev/stop-signal"
	// InitAnnotation "true" asks for an init process (Compose's init).
	InitAnnotation = "dev.lyandev/init"
	// ShimAnnotation "false" runs the container without the init shim.
	ShimAnnotation = "dev.lyandev/shim"
	// UserAnnotation is a user that is a name, not a number (Compose's user).
	UserAnnotation = "dev.lyandev/user"
	// PlatformAnnotation is the image's platform ("linux/amd64").
	PlatformAnnotation = "dev.lyandev/platform"
)
