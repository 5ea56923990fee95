package controller

import (
	"fmt"
	"maps"
	"sort"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// JobMemory is what a Job's controller remembers: which pods it has counted, also when they are gone, and its back-off (R193).
type JobMemory struct {
	// Finished are the pods that were counted, by UID (or name): true if they failed, false if they succeeded.
	Finished map[string]bool `json:"finished,omitempty"`
	// Dropped are the pods that the controller deleted itself, which do not count.
	Dropped map[string]bool `json:"dropped,omitempty"`
	// Live are the pods that were neither counted nor gone at the last look. One that is gone at the next has failed.
	Live map[string]bool `json:"live,omitempty"`
	// Failures is the number of pods that failed since the last success, and LastFailure when the last of them did.
	Failures    int       `json:"failures,omitempty"`
	LastFailure time.Time `json:"lastFailure,omitzero"`
	// Looks is when the Job is looked at, where its looks are batched (R192).
	Looks JobLooks `json:"looks,omitzero"`
}

// JobLooks remembers what of a Job was noticed, and when its next look is due.
type JobLooks struct {
	// Seen is the state of the Job's pods, and Generation that of the Job, when they were last noticed.
	Seen       string `json:"seen,omitempty"`
	Generation int64  `json:"generation,omitempty"`
	// Started says that the Job was looked at before, and Due when it is to be looked at again; zero for no time.
	Started bool      `json:"started,omitempty"`
	Due     time.Time `json:"due,omitzero"`
}

// due decides whether a Job whose looks are batched is looked at now (R192): at once when it is new or its spec was changed; a
// batch period after something happened to its pods or its own status; and when a wait of its own is over.
func (j *jobLook) due() bool {
	b := &j.memory.Looks
	if seen := j.fingerprint(); b.Seen != seen {
		b.Seen = seen
		if b.Started {
			b.sooner(j.now.Add(j.JobBatch))
		}
	}
	if b.Started && b.Generation == j.job.Generation && (b.Due.IsZero() || b.Due.After(j.now)) {
		j.look.again(b.Due)
		return false
	}
	b.Started, b.Generation, b.Due = true, j.job.Generation, time.Time{}
	return true
}

func (b *JobLooks) sooner(t time.Time) {
	if b.Due.IsZero() || t.Before(b.Due) {
		b.Due = t
	}
}

// again asks for another look at the Job at t.
func (j *jobLook) again(t time.Time) {
	j.look.again(t)
	if t.After(j.now) {
		j.memory.Looks.sooner(t)
	}
}

// fingerprint is all of the Job's pods that a controller would be told of.
func (j *jobLook) fingerprint() string {
	var b strings.Builder
	for _, p := range j.podsOf(j.owner) {
		containers, sidecars := restarts(p)
		fmt.Fprintf(&b, "%s %s %t %t %d %d,", podKey(p), p.Status.Phase, p.DeletionTimestamp != nil, ready(p), containers, sidecars)
	}
	return b.String()
}

func (m *JobMemory) init() {
	if m.Finished == nil {
		m.Finished = map[string]bool{}
	}
	if m.Dropped == nil {
		m.Dropped = map[string]bool{}
	}
}

// wait is the time before which no pod is made; zero for none.
func (m *JobMemory) wait() time.Time {
	if m.Failures == 0 {
		return time.Time{}
	}
	return m.LastFailure.Add(failureWait(m.Failures))
}

// counted are the numbers of pods that succeeded and failed.
func (m *JobMemory) counted() (succeeded, failed int32) {
	for _, bad := range m.Finished {
		if bad {
			failed++
		} else {
			succeeded++
		}
	}
	return succeeded, failed
}

// finishedPod is a pod that was not counted before.
type finishedPod struct {
	at     time.Time
	failed bool
}

// vanished counts the pods that were there at the last look and are gone without having been seen to end: they failed. It
// also forgets dropped pods that are gone.
func (m *JobMemory) vanished(present map[string]bool, now time.Time) []finishedPod {
	var out []finishedPod
	for key := range m.Live {
		if _, counted := m.Finished[key]; !present[key] && !counted && !m.Dropped[key] {
			m.Finished[key] = true
			out = append(out, finishedPod{at: now, failed: true})
		}
	}
	maps.DeleteFunc(m.Dropped, func(key string, _ bool) bool { return !present[key] })
	return out
}

// learn takes newly finished pods into the back-off: a success begins it anew, and only failures that come after it count.
func (m *JobMemory) learn(news []finishedPod) {
	sort.SliceStable(news, func(i, j int) bool {
		if news[i].at.Equal(news[j].at) {
			return news[i].failed && !news[j].failed
		}
		return news[i].at.Before(news[j].at)
	})
	for _, n := range news {
		if !n.failed {
			m.Failures, m.LastFailure = 0, time.Time{}
			continue
		}
		m.Failures++
		if n.at.After(m.LastFailure) {
			m.LastFailure = n.at
		}
	}
}

func (m Memory) clone() Memory {
	out := Memory{Daemons: maps.Clone(m.Daemons), Jobs: map[string]JobMemory{}, Told: maps.Clone(m.Told), Schedules: maps.Clone(m.Schedules)}
	if out.Schedules == nil {
		out.Schedules = map[string]CronMemory{}
	}
	if out.Told == nil {
		out.Told = map[string]string{}
	}
	if out.Daemons == nil {
		out.Daemons = map[string]DaemonBackoff{}
	}
	for k, j := range m.Jobs {
		j.Finished, j.Dropped, j.Live = maps.Clone(j.Finished), maps.Clone(j.Dropped), maps.Clone(j.Live)
		out.Jobs[k] = j
	}
	return out
}

// podKey names a pod among all that ever were.
func podKey(p *corev1.Pod) string {
	if p.UID != "" {
		return string(p.UID)
	}
	return p.Name
}

// finishTime is when a pod ended: the last exit of its containers if all have ended, else when it stopped being ready, else when
// its deletion was asked for.
func finishTime(p *corev1.Pod) time.Time {
	last := lastExit(p)
	if c := readyCondition(p); last.IsZero() && c != nil && c.Status == corev1.ConditionFalse {
		last = c.LastTransitionTime.Time
	}
	if last.IsZero() && p.DeletionTimestamp != nil {
		last = p.DeletionTimestamp.Add(-time.Duration(deref(p.DeletionGracePeriodSeconds, 0)) * time.Second)
	}
	if last.IsZero() {
		last = p.CreationTimestamp.Time
	}
	return last
}

// lastExit is the last exit of the pod's containers, zero while one of them has not ended.
func lastExit(p *corev1.Pod) time.Time {
	var last time.Time
	for _, c := range p.Status.ContainerStatuses {
		t := c.State.Terminated
		if t == nil {
			return time.Time{}
		}
		if t.FinishedAt.After(last) {
			last = t.FinishedAt.Time
		}
	}
	return last
}
