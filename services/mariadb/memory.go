package mariadb

import (
	"context"
	"strconv"
	"time"

	"github.com/lyandev/lyandev/services"
)

// memory is the state kept between calls. A new operator rebuilds it from observation.
type memory struct {
	since time.Time
	best  Topology
	facts map[string]string
	// handed is the old master of the last promotion; its clients are disconnected a second time at handedAt.
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

// recall returns the remembered state of a pod. The caller holds mu.
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

// countStrikes counts the consecutive calls that observed stopped replication.
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

// grace is how long a pod stays right although it does not answer in time, for example on a busy machine.
const grace = 3 * time.Second

// soften keeps pods right that do not answer in time, for grace.
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

// pause blocks for d or until ctx ends.
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
