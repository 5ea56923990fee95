package mariadb

import (
	"context"
	"strconv"
	"time"

	"github.com/lyandev/lyandev/services"
)

// memory is what outlives a call. None of it is needed to be right: a new operator finds out again.
type memory struct {
	since time.Time
	best  Topology
	facts map[string]string
	// handed is the old master of the last promotion, whose clients are disconnected once more at handedAt.
	handed   string
	handedAt time.Time
	servers  map[string]*recollection
	last     services.Verdict
	busy     string
	closed   bool
}

type recollection struct {
	account  account
	execAt   time.Time
	strikes  int
	job      Job
	cancel   context.CancelFunc
	right    services.PodVerdict
	rightAt  time.Time
	mismatch []string
	verified time.Time
}

// recall gives what is remembered of a pod. The caller holds mu.
func (o *Operator) recall(pod string) *recollection {
	if o.memory.servers == nil {
		o.memory.servers = map[string]*recollection{}
	}
	m := o.memory.servers[pod]
	if m == nil {
		m = &recollection{}
		o.memory.servers[pod] = m
	}
	return m
}

// countStrikes counts the calls in a row that found replication stopped.
func (o *Operator) countStrikes(f *Facts, steps []Step) {
	o.mu.Lock()
	defer o.mu.Unlock()
	stopped := map[string]bool{}
	for _, s := range steps {
		if s.Do == Start || s.Do == Attach {
			stopped[s.Pod] = true
		}
	}
	for _, s := range f.Servers {
		m := o.recall(s.Pod)
		if stopped[s.Pod] {
			m.strikes++
		} else if s.Beat.Arrived {
			m.strikes = 0
		}
	}
}

// grace is how long a pod that was right stays so when it only does not answer in time: a busy machine is slow.
const grace = 3 * time.Second

// soften keeps pods right over one slow look.
func (o *Operator) soften(v services.Verdict, now time.Time) services.Verdict {
	o.mu.Lock()
	defer o.mu.Unlock()
	right := len(v.Pods) > 0
	for pod, pv := range v.Pods {
		m := o.recall(pod)
		switch {
		case pv.Right:
			m.right, m.rightAt = pv, now
		case slow(pv.Reason) && now.Sub(m.rightAt) < grace && m.right.Role == pv.Role:
			pv = m.right
			v.Pods[pod] = pv
		}
		right = right && pv.Right
	}
	if right && !v.Right {
		v.Right, v.Message = true, o.memory.last.Message
	}
	return v
}

func slow(reason string) bool {
	switch reason {
	case string(NoAnswer), string(LookFailed), "MasterUnreachable", "NoHeartbeat", "CannotWrite":
		return true
	}
	return false
}

// pause waits, and ends early with ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func portOf(option string, found int) int {
	if n, err := strconv.Atoi(option); err == nil && n > 0 {
		return n
	}
	return found
}
