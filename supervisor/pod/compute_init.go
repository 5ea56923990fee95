package pod

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/probe"
)

// initActions decides for the init containers and sidecars, and whether the pod is initialized (R110 to R115).
//
// The init containers are looked at from the last to the first: the last one that has an instance says how far the pod
// has come, those before it are behind us, so only their sidecars are still looked after.
func (v *view) initActions(a *Actions) {
	inits := v.spec.InitContainers
	v.initialized = len(inits) == 0 || v.anyMainAlive()
	behind := v.initialized
	for i := len(inits) - 1; i >= 0; i-- {
		c := &inits[i]
		sidecar := probe.IsSidecar(c)
		inst := v.ofSandbox(c.Name)
		switch {
		case inst == nil && behind && sidecar:
			v.start(a, c, true)
		case inst == nil, behind && !sidecar:
		case sidecar:
			v.sidecarActions(a, i, inst, behind)
		case !v.plainInitActions(a, i, inst):
			return
		}
		behind = behind || inst != nil
	}
	if !behind {
		v.start(a, &inits[0], true)
	}
	slices.Reverse(a.Start)
}

// plainInitActions decides for the init container that the pod has come to. False ends the pod (R111, Never).
func (v *view) plainInitActions(a *Actions, i int, inst *Instance) bool {
	c := &v.spec.InitContainers[i]
	switch {
	case inst.State == Running:
	case inst.State == Exited && inst.ExitCode == 0:
		v.passed(a, i)
	case inst.State == Created:
		v.replace(a, c, true, inst)
	case !v.retriesInit(c, inst):
		*a = Actions{KillPod: true}
		v.initialized = false
		return false
	default:
		v.replace(a, c, true, inst)
	}
	return true
}

// retriesInit says whether an init container that failed is tried again (R111, R78): by its own policy and rules, or the
// pod's. Without an exit code there are no rules to look at.
func (v *view) retriesInit(c *corev1.Container, inst *Instance) bool {
	if inst.State == Exited {
		return probe.RestartsAfter(c, v.spec.RestartPolicy, inst.ExitCode)
	}
	return restartsOnFailure(v.spec, c)
}

// passed: the init container i has done its part; the next one may start, or the pod is initialized.
func (v *view) passed(a *Actions, i int) {
	if i == len(v.spec.InitContainers)-1 {
		v.initialized = true
		return
	}
	v.start(a, &v.spec.InitContainers[i+1], true)
}

// sidecarActions restarts, kills or passes a sidecar (R80, R113, R115). behind says that a later one has begun already.
func (v *view) sidecarActions(a *Actions, i int, inst *Instance, behind bool) {
	c := &v.spec.InitContainers[i]
	if inst.State != Running {
		v.replace(a, c, true, inst)
		return
	}
	if reason, ok := v.Restarts[c.Name]; ok {
		v.killSidecar(a, c, inst, reason+", will be restarted", "")
		return
	}
	if inst.Image != c.Image {
		v.killSidecar(a, c, inst, "definition changed", "")
		return
	}
	if c.StartupProbe != nil {
		if v.failed(probe.Startup, inst) {
			v.killSidecar(a, c, inst, "", probe.Startup)
		}
		if r, ok := v.Result(probe.Startup, inst.ID); !ok || r != probe.Success {
			return
		}
	}
	if !behind {
		v.passed(a, i)
	}
	if c.LivenessProbe != nil && v.failed(probe.Liveness, inst) {
		v.killSidecar(a, c, inst, "", probe.Liveness)
	}
}

// killSidecar kills and restarts a sidecar; without text the probe's name makes it (R80).
func (v *view) killSidecar(a *Actions, c *corev1.Container, inst *Instance, text string, cause probe.Type) {
	if text == "" {
		text = fmt.Sprintf("failed %s probe", strings.ToLower(string(cause)))
	}
	a.Kill = append(a.Kill, Kill{
		Instance: *inst, Container: c, Probe: cause, Message: fmt.Sprintf("Init container %s %s", c.Name, text),
	})
	v.start(a, c, true)
}

// ofSandbox is a container's newest instance if it belongs to the present sandbox.
func (v *view) ofSandbox(name string) *Instance {
	inst := v.newest[name]
	if inst == nil || inst.Sandbox != v.Observed.Sandbox.Attempt {
		return nil
	}
	return inst
}

// anyMainMade: an ordinary container was made in the present sandbox, whatever has become of it.
func (v *view) anyMainMade() bool {
	for i := range v.spec.Containers {
		if v.Observed.Sandbox != nil && v.ofSandbox(v.spec.Containers[i].Name) != nil {
			return true
		}
	}
	return false
}

// anyMainAlive: an ordinary container stands in the present sandbox, so the pod was initialized in it (R112). One that has
// ended says nothing: the last init container, or the last sidecar, says whether the others may start again (R113).
func (v *view) anyMainAlive() bool {
	for i := range v.spec.Containers {
		if inst := v.ofSandbox(v.spec.Containers[i].Name); inst != nil && inst.State != Exited {
			return true
		}
	}
	return false
}
