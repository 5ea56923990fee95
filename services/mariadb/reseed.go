package mariadb

import (
	"context"
	"fmt"

	"github.com/lyandev/lyandev/services"
)

// Reseed throws away what a slave holds, because a person says so, and gives it a new copy of the master's data. It returns when
// that has begun; progress is in the verdicts. It is also the way on after the master's volume was emptied on purpose:
// the slave is emptied too, and both go on with nothing.
func (o *Operator) Reseed(ctx context.Context, view services.View, pod string) error {
	release, err := o.waitTurn(ctx, "reseeding "+pod)
	if err != nil {
		return err
	}
	defer release()
	r := o.newRound(view)
	defer r.close()
	if err := o.look(ctx, r); err != nil {
		return err
	}
	e := elect(&r.facts)
	m, s := r.facts.Server(e.Master), r.facts.Server(pod)
	switch {
	case s == nil:
		return fmt.Errorf("cannot reseed %s: no such pod of MariaDB", pod)
	case m == nil:
		return fmt.Errorf("cannot reseed %s: %s", pod, e.Problem)
	case m == s:
		return fmt.Errorf("cannot reseed %s: it is the master", pod)
	case !s.Reached:
		return fmt.Errorf("cannot reseed %s: %s", pod, s.Error)
	case !m.Reached:
		return fmt.Errorf("cannot reseed %s: master %s: %s", pod, m.Pod, m.Error)
	case s.Seeding || s.Job.Running:
		return nil
	}
	if !m.HasTables {
		return wipe(ctx, r.sessions[pod], s)
	}
	return o.startSeed(ctx, r, Step{Pod: pod, Do: Reseed, Master: m.Pod, Why: "asked for"})
}

// wipe makes a server as if it were new.
func wipe(ctx context.Context, s *session, seen *Server) error {
	databases, err := s.databases(ctx)
	if err != nil {
		return err
	}
	batch := append([]string{unlogged}, forget(seen.Channels)...)
	for _, d := range append(databases, schema) {
		batch = append(batch, "DROP DATABASE IF EXISTS "+name(d))
	}
	if seen.LogBin {
		batch = append(batch, "RESET MASTER")
	}
	return s.run(ctx, append(batch, "SET GLOBAL gtid_slave_pos=''", setLineage(""))...)
}
