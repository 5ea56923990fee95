package pod

import corev1 "k8s.io/api/core/v1"

// The limits of termination messages (R160, R161): what is read of the file, and of the end of the log in its place.
const (
	MaxMessageBytes  = 4096
	MaxLogTailLines  = 80
	MaxLogTailBytes  = 2048
	maxStatusMessage = 12288 // of all containers of a pod together
)

// TerminationMessage is the message of an instance of container c that ended (R160, R161): what it wrote to its file, or, if
// that is nothing, it failed, and its policy is FallbackToLogsOnError, the end of its log. logTail is called only then. The
// message is cut to the container's share of the pod's status.
func TerminationMessage(p *corev1.Pod, c *corev1.Container, exitCode int32, file string, logTail func() string) string {
	text := file
	if text == "" && exitCode != 0 && c.TerminationMessagePolicy == corev1.TerminationMessageFallbackToLogsOnError {
		text = logTail()
	}
	share := maxStatusMessage / (len(p.Spec.Containers) + len(p.Spec.InitContainers))
	return text[:min(len(text), share)]
}
