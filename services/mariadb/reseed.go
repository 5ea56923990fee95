package mariadb

import (
	"context"
	"fmt"

	"github.com/lyandev/lyandev/services"
)

// Reseed deletes a slave's data, on a user's request, and copies the master's data to it. It returns when the copy has been
// started; its progress is in the verdicts. If the master is empty because its volume was emptied on purpose, the slave is
// emptied too.
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
	return o.startSeed(ctx, r, Step{Pod: pod, Do: Reseed, Master: m.Pod, Why: "requested"})
}

// wipe resets a server to its initial state.
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
