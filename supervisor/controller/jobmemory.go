package controller

import (
	"maps"
	"sort"
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

// learn takes newly finished pods into the back-off: a success begins it anew, and failures after it count.
func (m *JobMemory) learn(news []finishedPod) {
	sort.SliceStable(news, func(i, j int) bool { return news[i].at.Before(news[j].at) })
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
	out := Memory{Daemons: maps.Clone(m.Daemons), Jobs: map[string]JobMemory{}, Told: maps.Clone(m.Told)}
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

// finishTime is when a pod ended: the last exit of its containers, else when it stopped being ready, else when its deletion
// was asked for.
func finishTime(p *corev1.Pod) time.Time {
	var last time.Time
	if ended(p) {
		for _, c := range p.Status.ContainerStatuses {
			if t := c.State.Terminated; t != nil && t.FinishedAt.After(last) {
				last = t.FinishedAt.Time
			}
		}
		if c := readyCondition(p); last.IsZero() && c != nil {
			last = c.LastTransitionTime.Time
		}
	}
	if last.IsZero() && p.DeletionTimestamp != nil {
		last = p.DeletionTimestamp.Add(-time.Duration(deref(p.DeletionGracePeriodSeconds, 0)) * time.Second)
	}
	if last.IsZero() {
		last = p.CreationTimestamp.Time
	}
	return last
}
