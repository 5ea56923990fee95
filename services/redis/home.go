package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lyandev/lyandev/services"
)

const (
	// handoverLimit is the time limit of Home. A sentinel notices a changed replica-priority within 10 s.
	handoverLimit = 30 * time.Second
	// hurriedInfoPeriod is the info-period in milliseconds until a sentinel has noticed a changed priority (since 7.0).
	hurriedInfoPeriod = "300"
)

// Home moves the master to a pod that stays, before the other pods are removed. If the master's pod does not stay, the
// declared master among the remaining pods is promoted by a planned failover, without loss of acknowledged writes. It
// returns the promoted pod, "" if the master stays. It blocks until then, for at most 30 s.
func (o *Operator) Home(ctx context.Context, view services.View, stays func(pod string) bool) (moved string, err error) {
	o.turn.Do(o.init)
	select {
	case o.token <- struct{}{}:
		defer func() { <-o.token }()
	case <-ctx.Done():
		return "", fmt.Errorf("cannot determine the master: %w", context.Cause(ctx))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, handoverLimit, fmt.Errorf("not done within %s", handoverLimit))
	defer cancel()
	r := newRound(view)
	defer r.close()
	if err := o.look(ctx, r); err != nil {
		return "", err
	}
	master, target, err := planHandover(&r.facts, stays)
	if err != nil || target == nil {
		return "", err
	}
	o.setBusy("moving the master to " + target.Pod)
	defer o.setBusy("")
	if len(r.facts.Sentinels) == 0 {
		err = o.handOver(ctx, r, master, target)
	} else {
		err = o.failOverTo(ctx, r, target)
	}
	if err != nil {
		return "", err
	}
	_, err = o.reconcile(ctx, view)
	return target.Pod, err
}

// planHandover returns the current and the next master; target is nil if the master stays. It is pure.
func planHandover(f *Facts, stays func(pod string) bool) (master, target *Server, err error) {
	e := elect(f)
	if e.Master == nil {
		return nil, nil, fmt.Errorf("%w: %s", ErrCannotFailOver, orElse(e.Problem, "the master is unknown"))
	}
	if stays(e.Master.Pod) {
		if !e.Settled {
			return nil, nil, fmt.Errorf("%w: %s", ErrCannotFailOver, orElse(e.Problem, "the sentinels do not agree on a master"))
		}
		return e.Master, nil, nil
	}
	why := "no remaining server is declared as master"
	for _, s := range f.Servers {
		if s == e.Master || !stays(s.Pod) || target != nil && s.Declared != Master {
			continue
		}
		switch {
		case !s.Reached:
			why = fmt.Sprintf("%s does not answer: %s", s.Pod, s.Error)
		case s.Role != Replica || s.Follows != e.Master.At || !s.LinkUp || s.Syncing:
			why = s.Pod + " is not in sync with the master"
		default:
			target = s
		}
	}
	if target == nil {
		return nil, nil, fmt.Errorf("%w: the master %s is to be removed, and %s", ErrCannotFailOver, e.Master.Pod, why)
	}
	return e.Master, target, nil
}

// failOverTo makes the sentinels choose the target by setting the replica-priority of the other replicas to 0 until then.
func (o *Operator) failOverTo(ctx context.Context, r *round, target *Server) (err error) {
	master, sentinel, err := canFailOver(&r.facts)
	if err != nil {
		return err
	}
	undo, err := prefer(ctx, r, target, sentinel)
	defer func() { err = errors.Join(err, undo()) }()
	if err != nil {
		return err
	}
	to, err := o.failOver(ctx, r, master, sentinel)
	if err == nil && to != target.Pod {
		err = fmt.Errorf("cannot move the master to %s: the sentinels chose %s", target.Pod, to)
	}
	return err
}

// prefer sets the other replicas' priority to 0 and blocks until the sentinel has noticed. undo restores the priorities, with
// its own time limit.
func prefer(ctx context.Context, r *round, target *Server, sentinel *Sentinel) (undo func() error, err error) {
	ask := r.clients[key(sentinel.Process)]
	before := map[*Server]string{}
	undo = func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		_ = ask.Do(ctx, "SENTINEL", "DEBUG", infoPeriod, infoOften).Err()
		var errs []error
		for s, was := range before {
			if err := r.clients[key(s.Process)].ConfigSet(ctx, "replica-priority", was).Err(); err != nil {
				errs = append(errs, fmt.Errorf("cannot restore the replica-priority of pod %s to %s: %w", s.Pod, was, err))
			}
		}
		return errors.Join(errs...)
	}
	for _, s := range r.facts.Servers {
		if !s.Reached || s.Role != Replica {
			continue
		}
		c := r.clients[key(s.Process)]
		was, err := c.ConfigGet(ctx, "replica-priority").Result()
		if err != nil {
			return undo, fmt.Errorf("cannot read the replica-priority of pod %s: %w", s.Pod, err)
		}
		before[s] = orElse(was["replica-priority"], "100")
		if before[s] == "0" {
			before[s] = "100" // 0 is left from an interrupted attempt
		}
		wanted := "0"
		if s == target {
			wanted = "1"
		}
		if err := c.ConfigSet(ctx, "replica-priority", wanted).Err(); err != nil {
			return undo, fmt.Errorf("cannot set the replica-priority of pod %s: %w", s.Pod, err)
		}
	}
	_ = ask.Do(ctx, "SENTINEL", "DEBUG", infoPeriod, hurriedInfoPeriod).Err() // before 7.0 it takes up to 10 s
	return undo, awaitPriorities(ctx, r, ask, target)
}

// awaitPriorities blocks until the sentinel would choose the target.
func awaitPriorities(ctx context.Context, r *round, ask *redis.Client, target *Server) error {
	for {
		reply, err := ask.Do(ctx, "SENTINEL", "REPLICAS", r.facts.Settings.Group).Slice()
		if err != nil {
			return fmt.Errorf("cannot ask a sentinel for its replicas: %w", err)
		}
		if chooses(reply, target.At) {
			return nil
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("cannot make the sentinels choose %s: they have not noticed the changed priorities: %w", target.Pod, err)
		}
	}
}

// chooses reports whether the replica at that address is the only one that a sentinel can promote. It is pure.
func chooses(replicas []any, at Endpoint) bool {
	found := false
	for _, one := range replicas {
		p := fields(one)
		switch {
		case endpointOf(p) == at:
			found = number(p["slave-priority"], 0) > 0
		case number(p["slave-priority"], 0) != 0:
			return false
		}
	}
	return found
}

// handOver changes the master without sentinels: writes are paused until the target is in sync and is the master.
func (o *Operator) handOver(ctx context.Context, r *round, master, target *Server) error {
	old, next := r.clients[key(master.Process)], r.clients[key(target.Process)]
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookDeadline)
		defer cancel()
		_ = old.Do(ctx, "CLIENT", "UNPAUSE").Err() // the pause expires by itself
	}()
	if err := old.Do(ctx, "CLIENT", "PAUSE", writePause.Milliseconds(), "WRITE").Err(); err != nil {
		return fmt.Errorf("cannot pause writes on pod %s: %w", master.Pod, err)
	}
	if err := replicated(ctx, r, master); err != nil {
		return fmt.Errorf("cannot hand over the master role of pod %s: %w", master.Pod, err)
	}
	if err := next.Do(ctx, "REPLICAOF", "NO", "ONE").Err(); err != nil {
		return fmt.Errorf("cannot promote pod %s to master: %w", target.Pod, err)
	}
	_ = next.Do(ctx, "CONFIG", "REWRITE").Err() // fails on a server without a configuration file
	return follow(ctx, r, old, r.processes[key(master.Process)], target.At)
}
