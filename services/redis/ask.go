package redis

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// query is a process to query, and how.
type query struct {
	process *Process
	look    func(ctx context.Context) error
}

// query adds a process to the facts and returns how to query it.
func (f *Facts) query(p process, client *redis.Client, flush bool) query {
	if p.role == Watcher {
		s := &Sentinel{Process: p.Process}
		f.Sentinels = append(f.Sentinels, s)
		return query{&s.Process, func(ctx context.Context) error { return lookAtSentinel(ctx, client, s, f.Settings.Group, flush) }}
	}
	s := &Server{Process: p.Process, Declared: p.role}
	f.Servers = append(f.Servers, s)
	needsAuth := p.env["REDIS_MASTER_PASSWORD"]+p.env["REDIS_PASSWORD"] != ""
	return query{&s.Process, func(ctx context.Context) error { return lookAtServer(ctx, client, s, needsAuth) }}
}

// ask queries processes in parallel, each within its limit.
func ask(ctx context.Context, all []query, limit func(Process) time.Duration) {
	var wg sync.WaitGroup
	for _, q := range all {
		wg.Go(func() { attempt(ctx, q.process, limit(*q.process), q.look) })
	}
	wg.Wait()
}

// wasSilent reports whether a process did not answer in time in the last look.
func (o *Operator) wasSilent(p Process) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.memory.silent[key(p)] > 0
}

// patience is how long a look waits for a process: lookDeadline, but only silentDeadline if it was silent in the last look, so
// that a hung master does not delay the news of its successor. Every third look waits for it as long as for the others: it may
// be slow. If a sentinel says in the facts that the silent process is down, the limit is downDeadline in every look.
func (o *Operator) patience(p Process, f *Facts) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.memory.silent[key(p)]
	switch {
	case n > 0 && f.saidDown(p.At):
		return downDeadline
	case n%3 == 0:
		return lookDeadline
	}
	return silentDeadline
}

// attempt queries a process within the limit, unless it is known not to run.
func attempt(ctx context.Context, p *Process, limit time.Duration, look func(context.Context) error) {
	if p.Reason != "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := look(ctx); err != nil {
		p.Reason, p.Error = reasonOf(err), err.Error()
		return
	}
	p.Reached = true
}
