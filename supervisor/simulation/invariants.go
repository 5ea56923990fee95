package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
	"github.com/lyandev/lyandev/supervisor/state"
)

// Invariant is something that holds at any time. Each of its functions that is set is called at its moment, by whichever
// goroutine comes there; it returns what is wrong.
type Invariant struct {
	Name string
	// Snapshot is called with every snapshot of every supervisor (gen counts them), and the one before, nil for the first.
	Snapshot func(w *World, gen int, before, now *state.Status) error
	// Before is called before a call of the engine does its work.
	Before func(w *World, c call) error
	// After is called after the engine has done something, with the project's running containers.
	After func(w *World, c call, running []engine.Container) error
}

// Invariants are all that are known.
func Invariants() []Invariant {
	return []Invariant{
		{Name: "a container of a pod runs once", After: runsOnce},
		{Name: "a StatefulSet's pod runs once", After: ordinalOnce},
		{Name: "what belongs to others is left alone", Before: strangersAlone},
		{Name: "the first start waits for what it depends on", Before: firstStartInOrder},
		{Name: "a pod leaves the table before it is stopped", Before: drainedFirst},
		{Name: "revisions only grow", Snapshot: revisionsGrow},
		{Name: "restart counts only grow", Snapshot: restartsGrow},
		{Name: "a deletion is final", Snapshot: deletionFinal},
		{Name: "phases follow the diagram", Snapshot: phasesFollow},
	}
}

// memory is what invariants remember of a run.
type memory struct {
	*memoryState
}

type memoryState struct {
	mu   sync.Mutex
	last *state.Status
	// seq and gen are those of the snapshot seen last.
	gen int
	seq uint64
	// revision is the highest resourceVersion seen; floor is what it was when the present supervisor began.
	revision, floor uint64
	// revisions are those of pods, restarts the counts by pod UID and container, deleted when pods were seen to end first.
	revisions map[string]uint64
	restarts  map[string]int32
	deleted   map[string]time.Time
	// ready is when a pod was seen ready last.
	ready map[string]time.Time
	// satisfied are the conditions that workloads have met once, by name and condition; started those that have started once.
	satisfied map[string]bool
	started   map[string]bool
	// dependencies are those of all stacks that may be wanted, by workload: a list for each stack.
	dependencies map[string][][]services.Dependency
	// changed says that the wanted stack may have changed since the last snapshot.
	changed bool
	named   int
}

func newMemory() memory {
	return memory{&memoryState{
		revisions: map[string]uint64{}, restarts: map[string]int32{}, deleted: map[string]time.Time{}, ready: map[string]time.Time{},
		satisfied: map[string]bool{}, started: map[string]bool{}, dependencies: map[string][][]services.Dependency{},
	}}
}

// launched begins with another supervisor, which knows of restarts what the containers that are there tell.
func (m memory) launched(gen int, there []engine.Container) {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.restarts)
	for _, c := range there {
		if n, err := strconv.Atoi(c.Labels[dockerpod.AttemptLabel]); err == nil {
			key := c.Labels[services.PodUIDLabel] + "/" + c.Labels[services.ContainerLabel]
			m.restarts[key] = max(m.restarts[key], int32(n))
		}
	}
	m.gen, m.seq, m.last, m.floor = gen, 0, nil, m.revision
}

// changing notes that a stack may be the wanted one from now on.
func (m memory) changing(stack *services.Stack) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changed = true
	if stack == nil {
		return
	}
	for _, x := range stack.Workloads {
		var deps []services.Dependency
		for _, d := range x.DependsOn {
			if stack.Workload(d.Workload) != nil {
				deps = append(deps, d)
			}
		}
		m.dependencies[x.Name()] = append(m.dependencies[x.Name()], deps)
	}
}

func (m memory) names() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.named++
	return m.named
}

// observe looks at the latest snapshot of a supervisor, if it is a new one.
func (w *World) observe(r *running) {
	snap := r.Store().Latest()
	m := w.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.link.gen != m.gen || snap.Seq <= m.seq || snap.Seq == 0 {
		return
	}
	for _, i := range w.invs {
		if i.Snapshot == nil {
			continue
		}
		if err := i.Snapshot(w, r.link.gen, m.last, snap); err != nil {
			w.Failf("%s: %v", i.Name, err)
		}
	}
	m.seq, m.last = snap.Seq, snap
	m.note(snap)
}

// note remembers what a snapshot says. m.mu is held.
func (m memory) note(snap *state.Status) {
	for _, p := range snap.Pods {
		if state.PodReady(p) {
			m.ready[string(p.UID)] = time.Now()
		}
		if _, known := m.deleted[string(p.UID)]; !known && p.DeletionTimestamp != nil {
			m.deleted[string(p.UID)] = time.Now()
		}
	}
	for _, x := range snap.Workloads {
		if x.Right {
			m.satisfied[x.Name] = true
		}
		started := x.Have >= x.Want
		for _, p := range snap.PodsOf(x.Name) {
			started = started && p.Status.Phase != corev1.PodPending
		}
		if started && x.Hold == nil {
			m.satisfied[x.Name+" "+string(services.Started)] = true
		}
	}
}

// before calls the invariants of a call that is about to work.
func (w *World) before(r *running, c call) {
	w.memory.mu.Lock()
	defer w.memory.mu.Unlock()
	for _, i := range w.invs {
		if i.Before == nil || !c.changes {
			continue
		}
		if err := i.Before(w, c); err != nil {
			w.Failf("%s: %v", i.Name, err)
		}
	}
}

// after calls the invariants of what the engine has.
func (w *World) after(c call) {
	list := w.containers(func(c engine.Container) bool { return c.State == engine.StateRunning || c.State == engine.StatePaused })
	for _, i := range w.invs {
		if i.After == nil {
			continue
		}
		if err := i.After(w, c, list); err != nil {
			w.Failf("%s: %v", i.Name, err)
		}
	}
}

func runsOnce(_ *World, c call, running []engine.Container) error {
	seen := map[string]string{}
	for _, x := range running {
		uid := x.Labels[services.PodUIDLabel]
		if uid == "" {
			continue
		}
		key := uid + "/" + x.Labels[services.KindLabel] + "/" + x.Labels[services.ContainerLabel]
		if other := seen[key]; other != "" {
			return fmt.Errorf("%s and %s run at the same time, after %s", other, x.Name, c)
		}
		seen[key] = x.Name
	}
	return nil
}

func ordinalOnce(_ *World, c call, running []engine.Container) error {
	seen := map[string]string{}
	for _, x := range running {
		name, uid := x.Labels[services.PodLabel], x.Labels[services.PodUIDLabel]
		if name == "" {
			continue
		}
		if other := seen[name]; other != "" && other != uid {
			return fmt.Errorf("two pods %s run at the same time, after %s", name, c)
		}
		seen[name] = uid
	}
	return nil
}

func strangersAlone(w *World, c call) error {
	if s, ok := w.Engine.Spec(c.object); ok && s.Labels[services.ProjectLabel] == "" && c.method != "CreateContainer" {
		return fmt.Errorf("%s: it is not the project's", c)
	}
	return nil
}

func firstStartInOrder(w *World, c call) error {
	if c.method != "StartContainer" {
		return nil
	}
	s, _ := w.Engine.Spec(c.object)
	name := s.Labels[services.WorkloadLabel]
	m := w.memory
	if name == "" || m.started[name] {
		return nil
	}
	m.started[name] = true
	var missing string
	for _, deps := range m.dependencies[name] {
		if missing = m.unmet(deps); missing == "" {
			return nil
		}
	}
	if missing != "" {
		return fmt.Errorf("%s, before %s", c, missing)
	}
	return nil
}

// unmet is a dependency that has never been met, "" if all have. m.mu is held.
func (m memory) unmet(deps []services.Dependency) string {
	for _, d := range deps {
		if m.satisfied[d.Workload] || d.Condition == services.Started && m.satisfied[d.Workload+" "+string(d.Condition)] {
			continue
		}
		return fmt.Sprintf("%s was %s", d.Workload, d.Condition)
	}
	return ""
}

// ackWait is how long the supervisor waits for the agent's acknowledgement.
const ackWait = 3 * time.Second

func drainedFirst(w *World, c call) error {
	if c.method != "StopContainer" && c.method != "KillContainer" {
		return nil
	}
	s, _ := w.Engine.Spec(c.object)
	uid := s.Labels[services.PodUIDLabel]
	since, ending := w.memory.deleted[uid]
	table := w.agentTable()
	w.mu.Lock()
	trouble := w.agent.trouble
	w.mu.Unlock()
	if !ending || table == nil || time.Since(since) >= ackWait || !trouble.Before(since.Add(-time.Second)) && !trouble.IsZero() {
		return nil
	}
	for _, p := range table.Pods {
		if p.UID == uid && p.Ready && !p.Terminating {
			return fmt.Errorf("%s, while the agent leads to pod %s", c, p.Name)
		}
	}
	return nil
}

// readyIn are the UIDs of the pods that are ready by a snapshot.
func readyIn(snap *state.Status) map[string]bool {
	out := map[string]bool{}
	for _, p := range snap.Pods {
		out[string(p.UID)] = state.PodReady(p)
	}
	return out
}

// checkTable fails the run if a pod is ready in a pushed table that was not so by the snapshot when the push began, nor by one
// that came after.
func (w *World) checkTable(r *running, t *agent.Table, began time.Time, ready map[string]bool) {
	w.observe(r)
	m := w.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range t.Pods {
		if was := m.ready[p.UID]; p.Ready && !ready[p.UID] && was.Before(began) {
			w.Failf("a pod is ready in the table only if it is ready: pod %s was ready last at %s, the push began at %s", p.Name,
				was.Sub(w.trace.began), began.Sub(w.trace.began))
		}
	}
}

func revisionsGrow(w *World, gen int, _, now *state.Status) error {
	m := w.memory
	for _, p := range now.Pods {
		rv, err := strconv.ParseUint(p.ResourceVersion, 10, 64)
		if err != nil {
			return fmt.Errorf("pod %s has revision %q", p.Name, p.ResourceVersion)
		}
		if before := m.revisions[string(p.UID)]; rv < before || rv <= m.floor {
			return fmt.Errorf("pod %s has revision %d, had %d; the supervisor before had come to %d", p.Name, rv, before, m.floor)
		}
		m.revisions[string(p.UID)] = rv
		m.revision = max(m.revision, rv)
	}
	return nil
}

func restartsGrow(w *World, _ int, _, now *state.Status) error {
	for _, p := range now.Pods {
		for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
			key := string(p.UID) + "/" + c.Name
			if before := w.memory.restarts[key]; c.RestartCount < before {
				return fmt.Errorf("container %s of pod %s counts %d restarts, counted %d before", c.Name, p.Name, c.RestartCount, before)
			}
			w.memory.restarts[key] = c.RestartCount
		}
	}
	return nil
}

func deletionFinal(w *World, _ int, _, now *state.Status) error {
	for _, p := range now.Pods {
		if at, ok := w.memory.deleted[string(p.UID)]; ok && p.DeletionTimestamp == nil {
			return fmt.Errorf("pod %s was being deleted at %s and is not any more", p.Name, at.Sub(w.trace.began))
		}
	}
	return nil
}

// phases are the transitions of state.Phase.
var phases = map[state.Phase][]state.Phase{
	state.Starting: {state.Ready, state.Stopping, state.Stopped},
	state.Ready:    {state.Degraded, state.Stopping, state.Stopped},
	state.Degraded: {state.Ready, state.Stopping, state.Stopped},
	state.Stopping: {state.Stopped},
}

func phasesFollow(w *World, _ int, before, now *state.Status) error {
	if before == nil || before.Phase == now.Phase {
		return nil
	}
	changed := w.memory.changed
	switch {
	case slices.Contains(phases[before.Phase], now.Phase):
		return nil
	case now.Phase == state.Starting && changed && (before.Phase == state.Ready || before.Phase == state.Degraded):
		return nil
	}
	return fmt.Errorf("from %s to %s (%s)", before.Phase, now.Phase, now.Message)
}

// sortedNames are the keys of a map, for messages.
func sortedNames[V any](m map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}
