package explain

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// LogLine is a line near the end of a container's log.
type LogLine struct{ Pod, Container, Text string }

// LogTail is how many of the last lines of a container's log Facts.Logs should hold.
const LogTail = 40

// Suspects returns the containers whose logs may say why they fail: those of a workload or pod (with name "" of all) that are
// not ready or were restarted, as "POD/CONTAINER".
func (f Facts) Suspects(name string) []string {
	var out []string
	for _, p := range f.Snapshot.Pods {
		if name != "" && name != p.Name && name != workloadOf(p) || p.DeletionTimestamp != nil {
			continue
		}
		for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
			if s.RestartCount > 0 || !s.Ready && s.ContainerID != "" {
				out = append(out, p.Name+"/"+s.Name)
			}
		}
	}
	return out
}

var (
	// refused recognises a refused connection in the words of C, Go, Java, Node, Python and MySQL's clients.
	refused = regexp.MustCompile(`(?i)connection refused|ECONNREFUSED|Errno 111|Error 111|\(111\)|Connect call failed`)
	// onLoopback finds the port of an address on the loopback: 127.0.0.1:6379, localhost:6379, [::1]:6379, ('127.0.0.1', 6379),
	// "localhost" (127.0.0.1), port 5432; /dev/tcp/127.0.0.1/6379.
	onLoopback = regexp.MustCompile(`(?:127\.0\.0\.1|localhost|::1)\]?['")]*(?::|/|,\s*(?:port )?)\s*(\d{1,5})\.?(?:[^.\d]|$)`)
)

// refusedPort returns the port of the loopback on which a log line says that a connection was refused.
func refusedPort(line string) (int32, bool) {
	if !refused.MatchString(line) {
		return 0, false
	}
	m := onLoopback.FindStringSubmatch(line)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1], 10, 32)
	return int32(n), err == nil && n > 0 && n <= 65535
}

// localhostAdvice says which containers connect to a port of their own loopback where nobody listens, which Service has the port,
// and how to lead the one to the other.
func (f Facts) localhostAdvice() []string {
	var out []string
	for _, l := range f.Logs {
		port, ok := refusedPort(l.Text)
		p := f.Snapshot.Pod(l.Pod)
		if !ok || p == nil || declaresPort(p, port) {
			continue
		}
		text := fmt.Sprintf("%s: the log of container %s says that a connection to 127.0.0.1:%d was refused. 127.0.0.1 is the pod itself", workloadOf(p), l.Container, port)
		if names := f.withPort(port); len(names) > 0 {
			text += fmt.Sprintf("; Service %s listens on port %d. Tell the program that name, or set `localhost: {\"%d\": \"%s:%d\"}` in x-lyandev of its service",
				strings.Join(names, " or "), port, port, names[0], port)
		} else {
			text += fmt.Sprintf(", and no Service of the stack has port %d", port)
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// declaresPort reports whether a container of the pod says that it listens on a port: then the program that refuses is the pod's
// own.
func declaresPort(p *corev1.Pod, port int32) bool {
	return slices.ContainsFunc(p.Spec.Containers, func(c corev1.Container) bool {
		return slices.ContainsFunc(c.Ports, func(cp corev1.ContainerPort) bool { return cp.ContainerPort == port })
	})
}

// withPort returns the Services that have a port. Those that select by role come first: they lead to the current master.
func (f Facts) withPort(port int32) []string {
	var byRole, others []string
	for _, s := range f.Snapshot.Services {
		if !slices.ContainsFunc(s.Spec.Ports, func(sp corev1.ServicePort) bool { return sp.Port == port }) {
			continue
		}
		if _, ok := s.Spec.Selector[services.RoleLabel]; ok {
			byRole = append(byRole, s.Name)
		} else {
			others = append(others, s.Name)
		}
	}
	return append(byRole, others...)
}
