package pod

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/probe"
)

// Input is the input of Compute.
type Input struct {
	Pod      *corev1.Pod
	Observed Observed
	// Result is the published probe result of an instance, false if there is none.
	Result func(t probe.Type, id string) (probe.Result, bool)
	// Restarts are the containers to restart on request, with the reason.
	Restarts map[string]string
}

// Actions are the actions of a pod sync, in the order of the fields.
type Actions struct {
	// KillPod stops every instance, with the pod's grace; Kill is empty then.
	KillPod bool
	Kill    []Kill
	// Sandbox makes the pod's shared part anew, as this attempt, if CreateSandbox. SandboxChanged says that it replaces one (R76).
	CreateSandbox  bool
	SandboxAttempt int
	SandboxChanged bool
	// Purge are instances to remove before anything starts: those created and never started, and all instances of the init
	// containers of a replaced sandbox, which KillPod has stopped.
	Purge []Instance
	// Start are the containers to start, in order: init containers, then containers.
	Start []Start
	// Remove are dead instances that are not kept (R162).
	Remove []Instance
}

// Kill is one instance to stop.
type Kill struct {
	Instance  Instance
	Container *corev1.Container
	// Message is the text of the Killing event. Probe is the probe that asked for it, "" for none; it decides the grace (R84).
	Message string
	Probe   probe.Type
}

// Start is one container to start.
type Start struct {
	Container *corev1.Container
	Init      bool
	Attempt   int
	// Exited is the end of the instance that its back-off counts from, as seen before any kill of this sync (R82); zero
	// if there is none, which means no back-off.
	Exited time.Time
	// ByHand starts it without back-off and resets the back-off.
	ByHand bool
}

// Compute returns the actions of a pod sync (R60 to R83, R110 to R116). It is pure. Whether the back-off delays a start is decided
// only at the start itself, because a preceding kill may take long (R81).
func Compute(in Input) Actions {
	v := viewOf(in)
	var a Actions
	if v.needSandbox() {
		v.newSandbox(&a)
	} else if v.initActions(&a); !a.KillPod && v.initialized {
		v.mainActions(&a)
	}
	if a.KillPod {
		a.Kill = nil
	} else {
		v.strangers(&a)
	}
	v.leftovers(&a)
	return a
}

// view is the input with the instances indexed by container.
type view struct {
	Input
	// newest is each container's instance with the highest attempt, dead its newest ended one.
	newest, dead map[string]*Instance
	spec         *corev1.PodSpec
	initialized  bool
}

func viewOf(in Input) *view {
	v := &view{Input: in, newest: map[string]*Instance{}, dead: map[string]*Instance{}, spec: &in.Pod.Spec}
	for i := range in.Observed.Instances {
		inst := &in.Observed.Instances[i]
		if newer(inst, v.newest[inst.Container]) {
			v.newest[inst.Container] = inst
		}
		if inst.State == Exited && newer(inst, v.dead[inst.Container]) {
			v.dead[inst.Container] = inst
		}
	}
	return v
}

func newer(a, b *Instance) bool {
	return b == nil || a.Attempt > b.Attempt || a.Attempt == b.Attempt && a.Created.After(b.Created)
}

// needSandbox: there is none, or the one there is has died (R76).
func (v *view) needSandbox() bool { return v.Observed.Sandbox == nil || !v.Observed.Sandbox.Ready }

// newSandbox begins the pod, or begins it anew after its sandbox died (R76).
func (v *view) newSandbox(a *Actions) {
	a.KillPod = true
	if s := v.Observed.Sandbox; s != nil {
		a.SandboxAttempt, a.SandboxChanged = s.Attempt+1, true
		if v.spec.RestartPolicy == corev1.RestartPolicyNever && len(v.newest) > 0 {
			return
		}
	}
	starts := v.firstStarts()
	if len(starts) == 0 && (len(v.spec.InitContainers) == 0 || v.anyMainEnded()) {
		return
	}
	a.CreateSandbox = true
	for _, inst := range v.Observed.Instances {
		if _, init := findContainer(v.spec, inst.Container); init {
			a.Purge = append(a.Purge, inst)
		}
	}
	if len(v.spec.InitContainers) > 0 {
		v.start(a, &v.spec.InitContainers[0], true)
		return
	}
	for _, c := range starts {
		v.start(a, c, false)
	}
}

// firstStarts are the containers of a fresh sandbox: all but those that have done their work under OnFailure.
func (v *view) firstStarts() []*corev1.Container {
	var out []*corev1.Container
	for i := range v.spec.Containers {
		c := &v.spec.Containers[i]
		inst := v.newest[c.Name]
		done := inst != nil && inst.State == Exited && inst.ExitCode == 0
		policy := v.spec.RestartPolicy
		if c.RestartPolicy != nil {
			policy = corev1.RestartPolicy(*c.RestartPolicy)
		}
		if policy == corev1.RestartPolicyOnFailure && done {
			continue
		}
		out = append(out, c)
	}
	return out
}

func (v *view) anyMainEnded() bool {
	for i := range v.spec.Containers {
		if v.dead[v.spec.Containers[i].Name] != nil {
			return true
		}
	}
	return false
}

// mainActions decides for the ordinary containers of an initialized pod.
func (v *view) mainActions(a *Actions) {
	kept, starting := 0, 0
	for i := range v.spec.Containers {
		c := &v.spec.Containers[i]
		inst := v.newest[c.Name]
		if inst == nil || inst.State != Running {
			if v.restarts(c, inst) {
				v.replace(a, c, false, inst)
				starting++
			}
			continue
		}
		message, cause, restart := v.killReason(c, inst)
		if message == "" {
			kept++
			continue
		}
		if restart {
			message += ", will be restarted"
			v.start(a, c, false)
			starting++
		}
		a.Kill = append(a.Kill, Kill{Instance: *inst, Container: c, Message: message, Probe: cause})
	}
	if kept == 0 && starting == 0 {
		*a = Actions{KillPod: true}
	}
}

// killReason says why a running container must be killed, "" if it must not, and whether it is then started again (R77,
// R80, R83).
func (v *view) killReason(c *corev1.Container, inst *Instance) (message string, cause probe.Type, restart bool) {
	if reason, ok := v.Restarts[c.Name]; ok {
		return fmt.Sprintf("Container %s %s", c.Name, reason), "", true
	}
	if inst.Image != c.Image {
		return fmt.Sprintf("Container %s definition changed", c.Name), "", true
	}
	restart = restartsOnFailure(v.spec, c)
	for _, t := range []probe.Type{probe.Liveness, probe.Startup} {
		if v.failed(t, inst) {
			return fmt.Sprintf("Container %s failed %s probe", c.Name, strings.ToLower(string(t))), t, restart
		}
	}
	return "", "", false
}

func (v *view) failed(t probe.Type, inst *Instance) bool {
	r, ok := v.Result(t, inst.ID)
	return ok && r == probe.Failure
}

// restarts says whether a container that does not run is to be started (R70, R78).
func (v *view) restarts(c *corev1.Container, inst *Instance) bool {
	if _, ok := v.Restarts[c.Name]; ok {
		return true
	}
	return shouldRestart(v.Pod, c, inst)
}

// shouldRestart is R70 and R78 for a container whose newest instance is inst (nil for none).
func shouldRestart(pod *corev1.Pod, c *corev1.Container, inst *Instance) bool {
	switch {
	case pod.DeletionTimestamp != nil:
		return false
	case inst == nil, inst.State == Created, inst.State == Unclear:
		return true
	case inst.State == Running:
		return false
	}
	return probe.RestartsAfter(c, pod.Spec.RestartPolicy, inst.ExitCode)
}

// restartsOnFailure: a probe kill restarts under Always and OnFailure, whatever the exit code (R83); the container's own
// policy goes before the pod's, its rules are not looked at (R78).
func restartsOnFailure(spec *corev1.PodSpec, c *corev1.Container) bool {
	policy := spec.RestartPolicy
	if c.RestartPolicy != nil {
		policy = corev1.RestartPolicy(*c.RestartPolicy)
	}
	return policy != corev1.RestartPolicyNever
}

// start adds a start whose attempt follows the container's newest instance.
func (v *view) start(a *Actions, c *corev1.Container, init bool) {
	s := Start{Container: c, Init: init}
	if inst := v.newest[c.Name]; inst != nil {
		s.Attempt = v.attempt(inst) + 1
	} else if old := statusOf(&v.Pod.Status, c.Name); old != nil && ranBefore(old) {
		s.Attempt = int(old.RestartCount) + 1 // all its instances were removed, they count all the same (R70)
	}
	if d := v.dead[c.Name]; d != nil {
		s.Exited = d.Finished
	}
	_, s.ByHand = v.Restarts[c.Name]
	a.Start = append(a.Start, s)
}

// attempt is the number of a container's newest instance; a newer one that somebody has removed counts all the same (R70).
func (v *view) attempt(inst *Instance) int {
	if old := statusOf(&v.Pod.Status, inst.Container); old != nil {
		return max(inst.Attempt, int(old.RestartCount))
	}
	return inst.Attempt
}

// ranBefore says that a container had an instance, by its last status.
func ranBefore(s *corev1.ContainerStatus) bool {
	return s.ContainerID != "" || s.LastTerminationState.Terminated != nil
}

// replace starts a container whose newest instance (nil for none) does not run. One that was created and never started
// is thrown away and its attempt used again; one of which nothing is known is stopped first.
func (v *view) replace(a *Actions, c *corev1.Container, init bool, inst *Instance) {
	v.start(a, c, init)
	if inst == nil {
		return
	}
	switch inst.State {
	case Created:
		a.Purge = append(a.Purge, *inst)
		a.Start[len(a.Start)-1].Attempt = inst.Attempt
	case Unclear:
		a.Kill = append(a.Kill, Kill{
			Instance: *inst, Container: c,
			Message: fmt.Sprintf("Container %s is in an unknown state, try killing it before restart", c.Name),
		})
	}
}

// strangers stops instances of containers that were taken out of the spec (our extension) and runs that are not their
// container's newest, so that there are never two.
func (v *view) strangers(a *Actions) {
	for i := range v.Observed.Instances {
		inst := &v.Observed.Instances[i]
		if inst.State != Running {
			continue
		}
		c, _ := findContainer(v.spec, inst.Container)
		if c == nil {
			a.Kill = append(a.Kill, Kill{Instance: *inst, Message: fmt.Sprintf("Container %s was removed from the pod", inst.Container)})
		} else if v.newest[inst.Container] != inst {
			a.Kill = append(a.Kill, Kill{Instance: *inst, Container: c, Message: fmt.Sprintf("Stopping old instance of container %s", inst.Container)})
		}
	}
}

// leftovers lists the dead instances that are not kept: all but the newest dead one of each container, and every one of
// a container that is not in the spec (R162).
func (v *view) leftovers(a *Actions) {
	purged := map[string]bool{}
	for _, p := range a.Purge {
		purged[p.ID] = true
	}
	for i := range v.Observed.Instances {
		inst := &v.Observed.Instances[i]
		if inst.State == Running || inst.State == Unclear || purged[inst.ID] {
			continue
		}
		c, _ := findContainer(v.spec, inst.Container)
		superseded := inst != v.newest[inst.Container] && inst != v.dead[inst.Container]
		if c == nil || superseded {
			a.Remove = append(a.Remove, *inst)
		}
	}
}

// findContainer finds a container of the spec by name; init says that it is an init container.
func findContainer(spec *corev1.PodSpec, name string) (c *corev1.Container, init bool) {
	for i := range spec.Containers {
		if spec.Containers[i].Name == name {
			return &spec.Containers[i], false
		}
	}
	for i := range spec.InitContainers {
		if spec.InitContainers[i].Name == name {
			return &spec.InitContainers[i], true
		}
	}
	return nil, false
}
