package pod

import (
	"fmt"
	"strings"
)

// None says that there is nothing to do.
func (a Actions) None() bool {
	return !a.KillPod && !a.CreateSandbox && len(a.Kill)+len(a.Purge)+len(a.Start)+len(a.Remove) == 0
}

// String is the plan as text, an operation a line, in the order of doing.
func (a Actions) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if a.KillPod {
		line("kill pod")
	}
	for _, k := range a.Kill {
		line("kill %s: %s", instanceName(k.Instance), k.Message)
	}
	if a.CreateSandbox {
		line("create sandbox %d", a.SandboxAttempt)
	}
	for _, i := range a.Purge {
		line("purge %s", instanceName(i))
	}
	for _, s := range a.Start {
		kind := "container"
		if s.Init {
			kind = "init container"
		}
		line("start %s %s-%d", kind, s.Container.Name, s.Attempt)
	}
	for _, i := range a.Remove {
		line("remove %s", instanceName(i))
	}
	return b.String()
}

func instanceName(i Instance) string { return fmt.Sprintf("%s-%d", i.Container, i.Attempt) }
