package innerloop

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/watch"
)

// The actions of develop.watch.
const (
	actionSync        = "sync"
	actionSyncRestart = "sync+restart"
	actionSyncExec    = "sync+exec"
	actionRestart     = "restart"
	actionRebuild     = "rebuild"
	// actionSignal is not in Compose: x-lyandev.reload: signal sends SIGHUP when the file of a config or secret changes.
	actionSignal = "signal"
)

func syncs(action string) bool { return strings.HasPrefix(action, actionSync) }

// ruled is a rule with its workload and build. It is plain data, so that two sets of rules can be compared.
type ruled struct {
	Workload string
	Rule     services.WatchRule
	// Context and Dockerfile are those of the image's build, "" without one: its .dockerignore counts.
	Context, Dockerfile string
	// Built is the name of that build.
	Built string
}

func hasRules(x *services.Workload, container string) bool {
	return slices.ContainsFunc(x.Watch, func(r services.WatchRule) bool { return r.Container == container })
}

func containerKey(workload, container string) string { return workload + "/" + container }

// buildOf is the build that makes a container's image, or nil. The stack may be prepared, with IDs for references.
func buildOf(stack *services.Stack, x *services.Workload, container string) *services.Build {
	ref := x.PodMeta().Annotations[services.ImageAnnotation+container]
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
			if b != nil {
				q.Built = b.Name
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

// routes map changed files to tasks.
type routes struct {
	rules []routed
	roots []watch.Root
}

type routed struct {
	ruled
	match *watch.Matcher
	// file: the rule's path is one file, and mounted is the one that containers have mounted if the rule is to signal them.
	file    bool
	mounted os.FileInfo
}

// newRoutes compiles rules. Those with patterns that cannot be used are left out and are the error.
func newRoutes(rules []ruled) (*routes, error) {
	out := &routes{}
	var failed error
	for _, q := range rules {
		r := routed{ruled: q}
		info, err := os.Lstat(q.Rule.Path)
		if r.file = err == nil && !info.IsDir(); r.file {
			r.mounted = info
		}
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

// replaced reports whether the rule's file is another one than before, as after most editors' saves. Containers have the old one
// mounted until they are restarted.
func (q *routed) replaced() bool {
	now, err := os.Lstat(q.Rule.Path)
	if !q.file || err != nil || os.SameFile(q.mounted, now) {
		return false
	}
	q.mounted = now
	return true
}

// route returns the tasks of a batch, at most one per workload and one per build, in the order of the rules.
func (r *routes) route(b watch.Batch) []*task {
	var out []*task
	at := map[string]*task{}
	find := func(workload, build string) *task {
		key := workload + "\x00" + build
		if at[key] == nil {
			at[key] = &task{workload: workload, build: build, seen: b.Seen, complete: b.Complete, batched: b.Complete.Sub(b.Seen)}
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
	out = slices.DeleteFunc(out, (*task).empty)
	r.putOff(out)
	return out
}

// putOff moves the restarts and commands of containers whose image the same batch rebuilds to the build's task: the build
// replaces the pods, and if it does not, they are done after it.
func (r *routes) putOff(tasks []*task) {
	for _, b := range tasks {
		if b.build == "" {
			continue
		}
		for _, t := range tasks {
			late := &task{workload: t.workload, paths: t.paths, seen: t.seen, complete: t.complete, batched: t.batched}
			for _, q := range r.rules {
				if q.Workload == t.workload && q.Built == b.build {
					t.moveRestarts(q.Rule.Container, late)
				}
			}
			if len(late.restart)+len(late.restartContainer)+len(late.exec) > 0 {
				b.instead = append(b.instead, late)
			}
		}
	}
}

// Roots returns what is watched for a stack. Rules with patterns that cannot be used are left out.
func Roots(stack *services.Stack) []watch.Root {
	r, _ := newRoutes(rulesOf(stack))
	return r.roots
}
