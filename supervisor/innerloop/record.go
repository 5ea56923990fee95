package innerloop

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/timeline"
)

// Record is one edit and its result. The stages are durations; of pods that were restarted one by one they are sums.
type Record struct {
	Time time.Time `json:"time"`
	// Workload is the workload, or the build, that it was about.
	Workload string `json:"workload"`
	// Paths are the first few that changed, Files how many there were.
	Paths []string `json:"paths"`
	Files int      `json:"files"`
	// Actions are what was done: "sync", "sync+restart", "restart", "exec", "rebuild"; Pods to how many.
	Actions []string `json:"actions"`
	Pods    int      `json:"pods"`
	Error   string   `json:"error,omitempty"`

	// Batched is from the first change noticed to the end of its batch, Waited until the lane was free for it.
	Batched   time.Duration `json:"batched"`
	Waited    time.Duration `json:"waited"`
	Built     time.Duration `json:"built,omitempty"`
	Shipped   time.Duration `json:"shipped,omitempty"`
	Restarted time.Duration `json:"restarted,omitempty"`
	Ready     time.Duration `json:"ready,omitempty"`
	// Total is from the first change noticed to the end.
	Total time.Duration `json:"total"`
	// done counts the pods by action; problems are what went wrong and stopped nothing.
	done     map[string]int
	problems []error
	// times gets a span for each stage; over ends the edit's action there.
	times *timeline.Recorder
	over  func(at time.Time, err error)
}

// keptRecords and keptPaths limit what is kept.
const (
	keptRecords = 1000
	keptPaths   = 5
)

func (l *Loop) newRecord(t *task) *Record {
	name := t.workload
	if name == "" {
		name = t.build
	}
	r := &Record{
		Time: t.seen, Workload: name, Paths: t.paths[:min(len(t.paths), keptPaths)], Files: len(t.paths),
		Batched: t.batched, Waited: max(time.Since(t.complete), 0),
		times: l.cfg.Times, over: func(time.Time, error) {},
	}
	if !t.quiet {
		r.over = r.times.Open("edit", name+": "+changedText(r, l.cfg.Instance.Dir), t.seen)
		r.stage("batched", t.seen, t.complete)
		r.stage("waited", t.complete, time.Now())
	}
	return r
}

// stage records a stage of the edit in its action.
func (r *Record) stage(name string, from, to time.Time) {
	r.times.Add(timeline.Span{Kind: timeline.Edit, Name: name, Object: r.Workload, Start: from, End: to})
}

// spent adds the time since a moment to a stage.
func (r *Record) spent(stage *time.Duration, began time.Time) {
	now := time.Now()
	*stage += now.Sub(began)
	name := map[*time.Duration]string{&r.Built: "built", &r.Shipped: "shipped", &r.Restarted: "restarted", &r.Ready: "ready"}[stage]
	r.stage(name, began, now)
}

// tries notes that an action is attempted, did that it was done to some pods.
func (r *Record) tries(action string) {
	if !slices.Contains(r.Actions, action) {
		r.Actions = append(r.Actions, action)
	}
}

func (r *Record) did(action string, pods int) {
	r.tries(action)
	if r.done == nil {
		r.done = map[string]int{}
	}
	r.done[action] += pods
	r.Pods = max(r.Pods, r.done[action])
}

// Line is the record as one line: what changed, what was done, to how many pods, and how long each stage took.
func (r *Record) Line(dir string) string {
	var b strings.Builder
	b.WriteString(changedText(r, dir))
	b.WriteString(": ")
	if len(r.Actions) == 0 {
		b.WriteString("nothing to do")
	} else {
		b.WriteString(strings.Join(r.Actions, ", "))
	}
	if r.Pods > 0 {
		fmt.Fprintf(&b, ", %s", counted(r.Pods, "pod"))
	}
	fmt.Fprintf(&b, " in %d ms (batched %d", r.Total.Milliseconds(), r.Batched.Milliseconds())
	for _, s := range r.stages()[1:6] {
		if s.took >= time.Millisecond {
			fmt.Fprintf(&b, ", %s %d", s.name, s.took.Milliseconds())
		}
	}
	b.WriteString(")")
	if r.Error != "" {
		b.WriteString(": " + r.Error)
	}
	return b.String()
}

func changedText(r *Record, dir string) string {
	if len(r.Paths) == 0 {
		return "no file"
	}
	name := r.Paths[0]
	if rel, err := filepath.Rel(dir, name); err == nil && filepath.IsLocal(rel) {
		name = filepath.ToSlash(rel)
	}
	if r.Files > 1 {
		return fmt.Sprintf("%s and %d more", name, r.Files-1)
	}
	return name
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// finish logs and keeps a record.
func (l *Loop) finish(t *task, r *Record, err error) {
	err = errors.Join(append(slices.Clone(r.problems), err)...)
	if t.quiet && err == nil {
		return
	}
	r.over(time.Now(), err)
	r.over, r.times = nil, nil
	r.Total = time.Since(t.seen)
	typ, reason := corev1.EventTypeNormal, reasonOf(r)
	if err != nil {
		r.Error, typ, reason = err.Error(), corev1.EventTypeWarning, "Failed"+reason
	}
	l.mu.Lock() // who sees the event finds the record
	l.records = append(l.records, *r)
	l.records = l.records[max(0, len(l.records)-keptRecords):]
	l.mu.Unlock()
	line := r.Line(l.cfg.Instance.Dir)
	l.cfg.Log.Info("edit", "workload", r.Workload, "what", line)
	l.cfg.Event("Workload", r.Workload, typ, reason, line)
	l.noteResult(r, err)
}

func reasonOf(r *Record) string {
	switch {
	case slices.Contains(r.Actions, actionRebuild):
		return "Rebuilt"
	case slices.Contains(r.Actions, actionSyncRestart) || slices.Contains(r.Actions, actionRestart):
		return "Restarted"
	}
	return "Synced"
}

// Records are the latest edits, oldest first, at most a thousand.
func (l *Loop) Records() []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.records)
}
