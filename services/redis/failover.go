package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lyandev/lyandev/services"
)

// ErrCannotFailOver is returned if a planned failover was not started; nothing was changed.
var ErrCannotFailOver = errors.New("failover is currently not possible")

const (
	// writePause is how long writes are paused on the master; a failover takes about two seconds.
	writePause = 5 * time.Second
	// failoverLimit is the time limit of a planned failover.
	failoverLimit = 15 * time.Second
)

// FailedOver is the result of a planned failover.
type FailedOver struct {
	// From and To are pods.
	From, To string
	Took     time.Duration
}

// Failover makes the sentinels choose another master. Writes are paused meanwhile, so no acknowledged write is lost. It needs
// a master, a quorum and a replica in sync; otherwise it returns ErrCannotFailOver and changes nothing. It blocks until the
// new master reports its role, for at most 15 s.
func (o *Operator) Failover(ctx context.Context, view services.View) (FailedOver, error) {
	o.turn.Do(o.init)
	select {
	case o.token <- struct{}{}:
		defer func() { <-o.token }()
	case <-ctx.Done():
		return FailedOver{}, fmt.Errorf("cannot start a failover: %w", context.Cause(ctx))
	}
	o.setBusy("failing over")
	defer o.setBusy("")
	ctx, cancel := context.WithTimeoutCause(ctx, failoverLimit, fmt.Errorf("not done within %s", failoverLimit))
	defer cancel()
	r := newRound(view)
	defer r.close()
	if err := o.look(ctx, r); err != nil {
		return FailedOver{}, err
	}
	master, sentinel, err := canFailOver(&r.facts)
	if err != nil {
		return FailedOver{}, err
	}
	started := time.Now()
	to, err := o.failOver(ctx, r, master, sentinel)
	if err != nil {
		return FailedOver{From: master.Pod}, err
	}
	_, err = o.reconcile(ctx, view)
	return FailedOver{From: master.Pod, To: to, Took: time.Since(started)}, err
}

func (o *Operator) setBusy(with string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.memory.busyWith = with
}

// canFailOver returns the master and the sentinel for a failover, or why it is not possible. It is pure.
func canFailOver(f *Facts) (*Server, *Sentinel, error) {
	e := elect(f)
	if e.Master == nil || !e.Settled || !e.Agreed {
		return nil, nil, fmt.Errorf("%w: the sentinels do not agree on a master; %s", ErrCannotFailOver, orElse(e.Problem, "see 'lyandev redis status'"))
	}
	if !e.Master.Reached || e.Master.Role != Master {
		return nil, nil, fmt.Errorf("%w: the master %s does not answer as master: %s", ErrCannotFailOver, e.Master.Pod, e.Master.Error)
	}
	synced := 0
	for _, s := range f.Servers {
		if s != e.Master && s.Reached && s.Role == Replica && s.LinkUp && !s.Syncing && s.Follows == e.Master.At {
			synced++
		}
	}
	if synced == 0 {
		return nil, nil, fmt.Errorf("%w: no replica is in sync with %s", ErrCannotFailOver, e.Master.Pod)
	}
	for _, s := range f.Sentinels {
		if s.Reached && s.Known && s.CheckOK && !s.Tilt {
			for _, p := range s.Replicas {
				if other := f.At(p.At); other != nil && other != e.Master && !p.Down() {
					return e.Master, s, nil
				}
			}
		}
	}
	return nil, nil, fmt.Errorf("%w: no sentinel has a quorum and a replica that is up", ErrCannotFailOver)
}

// failOver pauses writes, waits until a replica is in sync and starts the sentinel's failover. Writes on the old master are
// resumed in every case: it is then a replica, or still the master.
func (o *Operator) failOver(ctx context.Context, r *round, master *Server, sentinel *Sentinel) (string, error) {
	old := r.clients[key(master.Process)]
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookDeadline)
		defer cancel()
		if err := old.Do(ctx, "CLIENT", "UNPAUSE").Err(); err != nil {
			o.log().Warn("cannot resume writes", "pod", master.Pod, "err", err)
		}
	}()
	if err := old.Do(ctx, "CLIENT", "PAUSE", writePause.Milliseconds(), "WRITE").Err(); err != nil {
		return "", fmt.Errorf("cannot pause writes on pod %s: %w", master.Pod, err)
	}
	if err := replicated(ctx, r, master); err != nil {
		return "", fmt.Errorf("cannot fail over from pod %s: %w", master.Pod, err)
	}
	ask := r.clients[key(sentinel.Process)]
	if err := ask.Do(ctx, "SENTINEL", "FAILOVER", r.facts.Settings.Group).Err(); err != nil {
		return "", fmt.Errorf("cannot ask the sentinel of pod %s to fail over: %w", sentinel.Pod, err)
	}
	to, err := o.awaitMaster(ctx, r, master)
	if err != nil {
		return "", err
	}
	// The sentinels leave the old master a master for some seconds: paused writes must not be executed on it.
	if err := follow(ctx, r, old, r.processes[key(master.Process)], to.At); err != nil {
		return "", err
	}
	return to.Pod, nil
}

// awaitMaster blocks until a quorum of the sentinels names another master and that server reports the role master.
func (o *Operator) awaitMaster(ctx context.Context, r *round, old *Server) (*Server, error) {
	for {
		if err := o.look(ctx, r); err != nil {
			return nil, err
		}
		votes, _ := ballots(&r.facts)
		for _, s := range r.facts.Servers {
			if s.At != old.At && s.Reached && s.Role == Master && votes[s.At] >= r.facts.Settings.Quorum {
				return s, nil
			}
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return nil, fmt.Errorf("cannot finish the failover from pod %s: %w", old.Pod, err)
		}
	}
}

// replicated blocks, for at most two seconds, until every replica in sync has the master's offset at the time of the pause. It
// queries the replicas themselves, because the master's view of them is up to a second old.
func replicated(ctx context.Context, r *round, master *Server) error {
	var held Server
	if err := lookAtServer(ctx, r.clients[key(master.Process)], &held, false); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	for _, s := range r.facts.Servers {
		if s == master || !s.Reached || s.Role != Replica || !s.LinkUp {
			continue
		}
		for {
			var now Server
			err := lookAtServer(ctx, r.clients[key(s.Process)], &now, false)
			if err == nil && now.Offset >= held.Offset {
				break
			}
			if pauseErr := pause(ctx, 10*time.Millisecond); pauseErr != nil {
				return errors.Join(fmt.Errorf("%w: replica %s did not reach offset %d within 2 s", ErrCannotFailOver, s.Pod, held.Offset), err)
			}
		}
	}
	return nil
}
