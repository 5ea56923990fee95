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
	// homeLimit is when bringing the master home has failed. A sentinel notices another replica-priority within 10 s.
	homeLimit = 30 * time.Second
	// infoPeriod is how often sentinels ask servers; asking more often lets them notice a priority sooner (since 7.0).
	infoPeriod, hurriedInfoPeriod = "10000", "300"
)

// Home makes sure that the master is in a pod that stays: before pods leave, their data must be where it is kept. If the
// master's pod does not stay, the declared master that does becomes it, by a planned failover that loses nothing that was
// acknowledged. It returns the pod that became the master, "" when nothing had to change. It blocks until done, 30 s at most.
func (o *Operator) Home(ctx context.Context, view services.View, stays func(pod string) bool) (moved string, err error) {
	o.turn.Do(o.init)
	select {
	case o.token <- struct{}{}:
		defer func() { <-o.token }()
	case <-ctx.Done():
		return "", fmt.Errorf("cannot look for the master: %w", context.Cause(ctx))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, homeLimit, fmt.Errorf("not done within %s", homeLimit))
	defer cancel()
	r := newRound(view)
	defer r.close()
	if err := o.look(ctx, r); err != nil {
		return "", err
	}
	master, target, err := wayHome(&r.facts, stays)
	if err != nil || target == nil {
		return "", err
	}
	o.setBusy("bringing the master back to " + target.Pod)
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

// wayHome says from which server to which the role goes; target is nil when it stays where it is. Pure.
func wayHome(f *Facts, stays func(pod string) bool) (master, target *Server, err error) {
	e := elect(f)
	if e.Master == nil {
		return nil, nil, fmt.Errorf("%w: %s", ErrCannotFailOver, orElse(e.Problem, "it is not known which server is the master"))
	}
	if stays(e.Master.Pod) {
		if !e.Settled {
			return nil, nil, fmt.Errorf("%w: %s", ErrCannotFailOver, orElse(e.Problem, "the sentinels do not agree on a master"))
		}
		return e.Master, nil, nil
	}
	why := "no server that stays is declared"
	for _, s := range f.Servers {
		if s == e.Master || !stays(s.Pod) || target != nil && s.Declared != Master {
			continue
		}
		switch {
		case !s.Reached:
			why = fmt.Sprintf("%s does not answer: %s", s.Pod, s.Error)
		case s.Role != Replica || s.Follows != e.Master.At || !s.LinkUp || s.Syncing:
			why = s.Pod + " is not in sync with it"
		default:
			target = s
		}
	}
	if target == nil {
		return nil, nil, fmt.Errorf("%w: the master is %s, which leaves, and %s", ErrCannotFailOver, e.Master.Pod, why)
	}
	return e.Master, target, nil
}

// failOverTo has the sentinels choose one server, by giving the others no priority until it is done.
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
		err = fmt.Errorf("cannot bring the master to %s: the sentinels chose %s", target.Pod, to)
	}
	return err
}

// prefer takes the other replicas' priority away, and waits until the sentinel knows. undo gives it back, with a time of its
// own.
func prefer(ctx context.Context, r *round, target *Server, sentinel *Sentinel) (undo func() error, err error) {
	ask := r.clients[key(sentinel.Process)]
	before := map[*Server]string{}
	undo = func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		_ = ask.Do(ctx, "SENTINEL", "DEBUG", "INFO-PERIOD", infoPeriod).Err()
		var errs []error
		for s, was := range before {
			if err := r.clients[key(s.Process)].ConfigSet(ctx, "replica-priority", was).Err(); err != nil {
				errs = append(errs, fmt.Errorf("cannot give pod %s its replica-priority %s back: %w", s.Pod, was, err))
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
			before[s] = "100" // an earlier attempt was cut off
		}
		wanted := "0"
		if s == target {
			wanted = "1"
		}
		if err := c.ConfigSet(ctx, "replica-priority", wanted).Err(); err != nil {
			return undo, fmt.Errorf("cannot set the replica-priority of pod %s: %w", s.Pod, err)
		}
	}
	_ = ask.Do(ctx, "SENTINEL", "DEBUG", "INFO-PERIOD", hurriedInfoPeriod).Err() // an older one takes up to 10 s
	return undo, awaitPriorities(ctx, r, ask, target)
}

// awaitPriorities waits until the sentinel would choose the target.
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
			return fmt.Errorf("cannot make the sentinels choose %s: they have not noticed its priority: %w", target.Pod, err)
		}
	}
}

// chooses says that of the replicas a sentinel knows only the one at that address can be promoted. Pure.
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

// handOver changes roles where no sentinel watches: writes are held until the target has everything and is the master.
func (o *Operator) handOver(ctx context.Context, r *round, master, target *Server) error {
	old, next := r.clients[key(master.Process)], r.clients[key(target.Process)]
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookDeadline)
		defer cancel()
		_ = old.Do(ctx, "CLIENT", "UNPAUSE").Err() // the pause ends by itself
	}()
	if err := old.Do(ctx, "CLIENT", "PAUSE", writePause.Milliseconds(), "WRITE").Err(); err != nil {
		return fmt.Errorf("cannot hold the writes on pod %s: %w", master.Pod, err)
	}
	if err := replicated(ctx, r, master); err != nil {
		return fmt.Errorf("cannot hand over from pod %s: %w", master.Pod, err)
	}
	if err := next.Do(ctx, "REPLICAOF", "NO", "ONE").Err(); err != nil {
		return fmt.Errorf("cannot make pod %s the master: %w", target.Pod, err)
	}
	_ = next.Do(ctx, "CONFIG", "REWRITE").Err() // a server without a file has nothing to write
	return follow(ctx, r, old, r.processes[key(master.Process)], target.At)
}
