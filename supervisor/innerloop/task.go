package innerloop

import (
	"slices"
	"time"

	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/livesync"
	"github.com/lyandev/lyandev/supervisor/watch"
)

// task is the work for one workload, or one build, that a batch of changes asks for.
type task struct {
	// workload or build is set.
	workload, build string
	// sync are the files to bring into containers, by container, in the order of their sources.
	sync map[string][]livesync.Item
	// restart are the containers whose process is restarted in place, restartContainer those that are restarted as a whole.
	restart, restartContainer map[string]bool
	// signal are the containers that get SIGHUP.
	signal map[string]bool
	// exec are the commands to run after a sync, by container.
	exec map[string][]*compose.Hook
	// paths are what changed; seen and complete are of the first change and of its batch.
	paths          []string
	seen, complete time.Time
	// batched is how long its batch took.
	batched time.Duration
	// instead are tasks that the build makes unnecessary. They are done when it fails or changes nothing.
	instead []*task
	// quiet: no edit caused it, so success is not logged.
	quiet bool
}

func (t *task) path(p string) {
	if !slices.Contains(t.paths, p) {
		t.paths = append(t.paths, p)
	}
}

// take adds what a rule says about a change.
func (t *task) take(q *routed, c watch.Change) {
	name := q.Rule.Container
	if syncs(q.Rule.Action) {
		item, ok := livesync.ItemOf(q.Rule, c.Path, q.file)
		if !ok {
			return
		}
		if t.sync == nil {
			t.sync = map[string][]livesync.Item{}
		}
		t.sync[name] = append(t.sync[name], item)
	}
	if c.Dir && c.Op != watch.Removed {
		return // a directory that is there changes nothing by itself
	}
	t.path(c.Path)
	switch q.Rule.Action {
	case actionSyncRestart:
		t.restart = with(t.restart, name)
	case actionRestart:
		t.restartContainer = with(t.restartContainer, name)
	case actionSignal:
		switch {
		case c.Op == watch.Removed:
		case q.replaced():
			t.restartContainer = with(t.restartContainer, name)
		default:
			t.signal = with(t.signal, name)
		}
	case actionSyncExec:
		if t.exec == nil {
			t.exec = map[string][]*compose.Hook{}
		}
		if q.Rule.Exec != nil && !slices.ContainsFunc(t.exec[name], q.Rule.Exec.Equal) {
			t.exec[name] = append(t.exec[name], q.Rule.Exec)
		}
	}
}

func with(set map[string]bool, name string) map[string]bool {
	if set == nil {
		set = map[string]bool{}
	}
	set[name] = true
	return set
}

func (t *task) empty() bool {
	return len(t.sync)+len(t.restart)+len(t.restartContainer)+len(t.signal)+len(t.exec)+len(t.paths) == 0
}

// merge adds a later task for the same workload or build.
func (t *task) merge(next *task) *task {
	if t == nil {
		return next
	}
	if next == nil {
		return t
	}
	out := &task{
		workload: t.workload, build: t.build, seen: t.seen, complete: next.complete, batched: next.batched, quiet: t.quiet && next.quiet,
		paths: slices.Clone(t.paths), instead: slices.Concat(t.instead, next.instead),
	}
	if t.quiet && !next.quiet {
		out.seen = next.seen
	}
	for _, p := range next.paths {
		out.path(p)
	}
	for _, x := range []*task{t, next} {
		for name, items := range x.sync {
			if out.sync == nil {
				out.sync = map[string][]livesync.Item{}
			}
			out.sync[name] = append(out.sync[name], items...)
		}
		for name := range x.restart {
			out.restart = with(out.restart, name)
		}
		for name := range x.restartContainer {
			out.restartContainer = with(out.restartContainer, name)
		}
		for name := range x.signal {
			out.signal = with(out.signal, name)
		}
		for name, list := range x.exec {
			if out.exec == nil {
				out.exec = map[string][]*compose.Hook{}
			}
			for _, cmd := range list {
				if !slices.ContainsFunc(out.exec[name], cmd.Equal) {
					out.exec[name] = append(out.exec[name], cmd)
				}
			}
		}
	}
	return out
}

// containers are those that the task is about, in order.
func (t *task) containers() []string {
	set := map[string]bool{}
	for name := range t.sync {
		set[name] = true
	}
	for name := range t.restart {
		set[name] = true
	}
	for name := range t.restartContainer {
		set[name] = true
	}
	for name := range t.exec {
		set[name] = true
	}
	for name := range t.signal {
		set[name] = true
	}
	out := make([]string, 0, len(set))
	for name := range set {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// moveRestarts moves the restarts and commands of a container to another task.
func (t *task) moveRestarts(container string, to *task) {
	if t.restart[container] {
		delete(t.restart, container)
		to.restart = with(to.restart, container)
		to.sync = map[string][]livesync.Item{container: nil}
	}
	if t.restartContainer[container] {
		delete(t.restartContainer, container)
		to.restartContainer = with(to.restartContainer, container)
	}
	if cmds := t.exec[container]; len(cmds) > 0 {
		delete(t.exec, container)
		if to.exec == nil {
			to.exec = map[string][]*compose.Hook{}
		}
		to.exec[container] = cmds
	}
}
