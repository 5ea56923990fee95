package supervisor

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/livesync"
	"github.com/lyandev/lyandev/supervisor/watch"
)

// The actions of develop.watch.
const (
	actionSync        = "sync"
	actionSyncRestart = "sync+restart"
	actionSyncExec    = "sync+exec"
	actionRestart     = "restart"
	actionRebuild     = "rebuild"
)

func syncs(action string) bool { return strings.HasPrefix(action, actionSync) }

// ruled is a rule with what it is about. It is plain data, so that two sets of rules can be compared.
type ruled struct {
	Workload string
	Rule     services.WatchRule
	// Context and Dockerfile are those of the image's build, "" without one: its .dockerignore counts.
	Context, Dockerfile string
}

func hasRules(x *services.Workload, container string) bool {
	return slices.ContainsFunc(x.Watch, func(r services.WatchRule) bool { return r.Container == container })
}

func containerKey(workload, container string) string { return workload + "/" + container }

// buildOf is the build that makes a container's image, or nil. The stack may be prepared, with IDs for references.
func buildOf(stack *services.Stack, x *services.Workload, container string) *services.Build {
	ref := x.PodMeta().Annotations[imageAnnotation+container]
	for _, c := range x.PodSpec().Containers {
		if c.Name == container && ref == "" {
			ref = c.Image
		}
	}
	for _, b := range stack.Builds {
		if b.Image == ref {
			return b
		}
	}
	return nil
}

// rulesOf are the stack's rules with their paths resolved.
func rulesOf(stack *services.Stack) []ruled {
	if stack == nil {
		return nil
	}
	var out []ruled
	for _, x := range stack.Workloads {
		for _, r := range x.Watch {
			q := ruled{Workload: x.Name(), Rule: r}
			b := buildOf(stack, x, r.Container)
			if r.Action == actionRebuild && r.Build == "" && b != nil {
				q.Rule.Build = b.Name
			}
			if b != nil && !strings.HasPrefix(b.Context, build.EmbeddedPrefix) {
				q.Context, q.Dockerfile = resolved(b.Context), b.Dockerfile
			}
			q.Rule.Path = resolved(r.Path)
			out = append(out, q)
		}
	}
	return out
}

// resolved is a path without symbolic links; one that is not there yet stays as it is.
func resolved(path string) string {
	path = filepath.Clean(path)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

func within(dir, path string) bool {
	rel, err := filepath.Rel(resolved(dir), path)
	return err == nil && filepath.IsLocal(rel)
}

// routes say what a change means.
type routes struct {
	rules []routed
	roots []watch.Root
}

type routed struct {
	ruled
	match *watch.Matcher
	// file: the rule's path is one file.
	file bool
}

// newRoutes compiles rules. Those with patterns that cannot be used are left out and are the error.
func newRoutes(rules []ruled) (*routes, error) {
	out := &routes{}
	var failed error
	for _, q := range rules {
		r := routed{ruled: q}
		info, err := os.Lstat(q.Rule.Path)
		r.file = err == nil && !info.IsDir()
		ignores := []watch.Ignores{{Dir: q.Rule.Path, Patterns: q.Rule.Ignore}}
		if q.Context != "" && !r.file { // who names one file means it
			own, err := watch.ReadIgnores(q.Context, q.Dockerfile)
			if err != nil {
				failed = err
			}
			ignores = append(ignores, own)
		}
		if r.match, err = watch.NewMatcher(q.Rule.Path, q.Rule.Include, ignores...); err != nil {
			failed = err
			continue
		}
		out.rules = append(out.rules, r)
		out.roots = append(out.roots, watch.Root{Path: q.Rule.Path, Match: r.match})
	}
	return out, failed
}

// task is what is to be done for one workload, or one build, because of changes.
type task struct {
	// workload or build is set.
	workload, build string
	// sync are the files to bring into containers, by container, in the order of their sources.
	sync map[string][]livesync.Item
	// restart are the containers whose process is to be restarted, bounce those that are to be restarted themselves.
	restart, bounce map[string]bool
	// exec are the commands to run after a sync, by container.
	exec map[string][][]string
	// paths are what changed; seen and complete are of the first change and of its batch.
	paths          []string
	seen, complete time.Time
	// quiet: nobody edited anything, so nothing is logged if all goes well.
	quiet bool
}

// route says what a batch means, a task a workload and a task a build, in the order of the rules.
func (r *routes) route(b watch.Batch) []*task {
	var out []*task
	at := map[string]*task{}
	find := func(workload, build string) *task {
		key := workload + "\x00" + build
		if at[key] == nil {
			at[key] = &task{workload: workload, build: build, seen: b.Seen, complete: b.Complete}
			out = append(out, at[key])
		}
		return at[key]
	}
	for i := range r.rules {
		q := &r.rules[i]
		for _, c := range b.Changes {
			if !q.match.Matches(c.Path, c.Dir) || c.Dir && c.Op == watch.Chmodded || c.Dir && !syncs(q.Rule.Action) {
				continue
			}
			if q.Rule.Action == actionRebuild {
				if q.Rule.Build != "" {
					find("", q.Rule.Build).path(c.Path)
				}
				continue
			}
			find(q.Workload, "").take(q, c)
		}
	}
	return slices.DeleteFunc(out, (*task).empty)
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
		t.bounce = with(t.bounce, name)
	case actionSyncExec:
		if t.exec == nil {
			t.exec = map[string][][]string{}
		}
		if !slices.ContainsFunc(t.exec[name], func(have []string) bool { return slices.Equal(have, q.Rule.Exec) }) {
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
	return len(t.sync)+len(t.restart)+len(t.bounce)+len(t.exec)+len(t.paths) == 0
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
		workload: t.workload, build: t.build, seen: t.seen, complete: next.complete, quiet: t.quiet && next.quiet,
		paths: slices.Clone(t.paths),
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
		for name := range x.bounce {
			out.bounce = with(out.bounce, name)
		}
		for name, list := range x.exec {
			if out.exec == nil {
				out.exec = map[string][][]string{}
			}
			for _, cmd := range list {
				if !slices.ContainsFunc(out.exec[name], func(have []string) bool { return slices.Equal(have, cmd) }) {
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
	for name := range t.bounce {
		set[name] = true
	}
	for name := range t.exec {
		set[name] = true
	}
	out := make([]string, 0, len(set))
	for name := range set {
		out = append(out, name)
	}
	slices.SortFunc(out, cmp.Compare[string])
	return out
}
