package mariadb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lyandev/lyandev/services"
)

// Errors of Promote and Switchback.
var (
	// ErrNoSlave: there is no slave to promote.
	ErrNoSlave = errors.New("there is no slave")
	// ErrNotRight: the slave cannot become the master in its current state, even with force.
	ErrNotRight = errors.New("the slave cannot become the master")
	// ErrWouldLose: writes would be lost; force accepts that.
	ErrWouldLose = errors.New("writes would be lost")
)

// catchUp limits the wait until the slave has applied all transactions of the read-only master.
const catchUp = 30 * time.Second

// Promoted is the result of a promotion.
type Promoted struct {
	// From and To are pods; From is "" if there was no master.
	From, To string
	// Lost describes the writes that a forced promotion lost, "" for none.
	Lost string
	// Closed is how long no server accepted writes.
	Closed time.Duration
}

// Promote makes a slave the master; target "" means the only slave. The master is set read-only and its clients are
// disconnected; the slave applies the remaining transactions, is recorded as the master and opened. The old master becomes a
// slave in the next Reconcile, which Promote runs. No acknowledged write is lost. If the master does not answer, or the slave
// does not catch up within 30 s, it returns ErrWouldLose unless force is set. It blocks until then; a concurrent Reconcile
// returns a verdict that names the promotion.
func (o *Operator) Promote(ctx context.Context, view services.View, target string, force bool) (Promoted, error) {
	release, err := o.waitTurn(ctx, "promoting "+orElse(target, "the slave"))
	if err != nil {
		return Promoted{}, err
	}
	defer release()
	r := o.newRound(view)
	defer r.close()
	if err := o.look(ctx, r); err != nil {
		return Promoted{}, err
	}
	p, err := choose(&r.facts, target, force)
	if err != nil || p.slave == p.master {
		return Promoted{To: target}, err
	}
	done := Promoted{To: p.slave.Pod, Lost: p.lost}
	started := time.Now()
	if p.master != nil && p.master.Reached {
		done.From = p.master.Pod
		err = handOver(ctx, r, p, force, &done)
	} else {
		err = takeOver(ctx, r.sessions[p.slave.Pod], p)
	}
	done.Closed = time.Since(started)
	if err == nil {
		o.mu.Lock()
		o.memory.handed, o.memory.handedAt = done.From, time.Now()
		o.mu.Unlock()
	}
	if err != nil {
		return done, err
	}
	_, err = o.reconcile(ctx, view)
	return done, err
}

// Switchback promotes the declared master, as Promote does without force.
func (o *Operator) Switchback(ctx context.Context, view services.View) (Promoted, error) {
	f := Facts{}
	for _, pod := range view.Pods {
		container, _ := serverOf(view, pod)
		env, err := view.Env(pod.Name, container)
		if err != nil {
			return Promoted{}, fmt.Errorf("cannot switch back: the environment of pod %s: %w", pod.Name, err)
		}
		s := &Server{Pod: pod.Name, Declared: mode(env)}
		if w := workloadOf(view, pod); w != nil && w.Options["role"] != "" {
			s.Declared = Role(w.Options["role"])
		}
		f.Servers = append(f.Servers, s)
	}
	e := elect(&f)
	if e.Master == "" {
		return Promoted{}, fmt.Errorf("cannot switch back: %s", e.Problem)
	}
	return o.Promote(ctx, view, e.Master, false)
}

// change is a checked promotion.
type change struct {
	master, slave *Server
	topology      Topology
	lost          string
}

// choose checks a promotion against the facts. If the target is already the master, the change is empty. It is pure.
func choose(f *Facts, target string, force bool) (change, error) {
	e := elect(f)
	c := change{master: f.Server(e.Master)}
	if target == "" {
		for _, s := range f.Servers {
			if s == c.master {
				continue
			}
			if c.slave != nil {
				return c, fmt.Errorf("cannot choose the slave to promote: there is more than one; name it")
			}
			c.slave = s
		}
	} else {
		c.slave = f.Server(target)
	}
	if c.slave == nil {
		return c, fmt.Errorf("cannot promote %s: %w among the pods of this stack", orElse(target, "a slave"), ErrNoSlave)
	}
	if c.slave == c.master && c.slave.Reached {
		return c, nil
	}
	c.topology = Topology{
		Master: c.slave.Pod, Epoch: latest(f).Epoch + 1, Lineage: orElse(c.slave.Topology.Lineage, latest(f).Lineage),
	}
	if err := fit(c.master, c.slave); err != nil {
		return c, err
	}
	if c.master != nil && c.master.Reached && c.master.Topology.Epoch > 0 && c.slave.Identity.Lineage == c.master.Topology.Lineage {
		if found := diagnose(f, c.master, c.slave); found.Repair == reseed && !force {
			return c, fmt.Errorf("cannot promote %s: %w: it is %s: %s", c.slave.Pod, ErrWouldLose, found.Reason, found.Message)
		}
		return c, nil
	}
	who := "no master is known"
	if c.master != nil {
		who = fmt.Sprintf("master %s: %s", c.master.Pod, orElse(c.master.Error, "its data is not that of the slave"))
	}
	c.lost = fmt.Sprintf("transactions of the master after %s", orElse(c.slave.Position().String(), "the beginning"))
	if !force && !(c.master != nil && c.master.Reached && !c.master.HasTables) {
		return c, fmt.Errorf("cannot promote %s: %w (%s): %s; --force accepts the loss", c.slave.Pod, ErrWouldLose, c.lost, who)
	}
	return c, nil
}

// fit returns why a server cannot become the master, nil if it can.
func fit(master, s *Server) error {
	why := ""
	switch {
	case !s.Reached:
		why = s.Error
	case s.Seeding || s.Job.Running || s.Identity.Lineage == seedBegun || s.Identity.Lineage == seedLoaded:
		why = "it is being seeded"
	case s.Identity.Lineage == "" && master != nil:
		why = "it has never been attached to the master's data"
	case !s.LogBin || !s.SlaveUpdates && master != nil:
		why = "it writes no binary log of replicated transactions (start it with --log-bin and --log-slave-updates)"
	default:
		return nil
	}
	return fmt.Errorf("cannot promote %s: %w: %s", s.Pod, ErrNotRight, why)
}

// handOver sets the master read-only, waits until the slave has caught up, and opens the slave. The global read lock is held
// on the master until the end, because read_only does not apply to root. Clients are disconnected, because their connections
// can no longer write. If the hand-over fails, the master is opened again.
func handOver(ctx context.Context, r *round, c change, force bool, done *Promoted) (err error) {
	from, to := r.sessions[c.master.Pod], r.sessions[c.slave.Pod]
	conn, err := from.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("cannot connect to pod %s: %w", from.pod, err)
	}
	defer discard(conn) // ends the lock
	for _, q := range []string{"SET SESSION lock_wait_timeout=10", "SET GLOBAL read_only=1", "FLUSH TABLES WITH READ LOCK"} {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return reopen(ctx, from, conn, fmt.Errorf("cannot set pod %s read-only (%s): %w", from.pod, verb(q), err))
		}
	}
	var at string
	if err := conn.QueryRowContext(ctx, "SELECT @@global.gtid_binlog_pos").Scan(&at); err != nil {
		return reopen(ctx, from, conn, fmt.Errorf("cannot read the position of pod %s: %w", from.pod, err))
	}
	if c.slave.Identity.Lineage == c.master.Topology.Lineage {
		if err := awaitPosition(ctx, to, at); err != nil {
			if !force {
				return reopen(ctx, from, conn, fmt.Errorf("cannot promote %s: %w", to.pod, err))
			}
			done.Lost = fmt.Sprintf("transactions between the slave's position and %s", at)
		}
	}
	if err := disconnectClients(ctx, conn); err != nil {
		return reopen(ctx, from, conn, fmt.Errorf("cannot disconnect the clients of pod %s: %w", from.pod, err))
	}
	if err := takeOver(ctx, to, c); err != nil {
		return fmt.Errorf("pod %s stays read-only until the next reconciliation: %w", from.pod, err)
	}
	return nil
}

// reopen makes the master writable again, with its own time limit because ctx may have ended.
func reopen(ctx context.Context, s *session, conn *sql.Conn, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for _, q := range []string{"UNLOCK TABLES", "SET GLOBAL read_only=0"} {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			// The next Reconcile opens it: it is still the recorded master.
			return errors.Join(cause, fmt.Errorf("cannot make pod %s writable again: %w", s.pod, err))
		}
	}
	return cause
}

func awaitPosition(ctx context.Context, s *session, at string) error {
	var result int
	err := s.db.QueryRowContext(ctx, "SELECT MASTER_GTID_WAIT(?, ?)", at, catchUp.Seconds()).Scan(&result)
	if err != nil {
		return fmt.Errorf("cannot wait until pod %s has applied %s: %w", s.pod, at, err)
	}
	if result != 0 {
		return fmt.Errorf("%w: pod %s did not apply %s within %s", ErrWouldLose, s.pod, at, catchUp)
	}
	return nil
}

// disconnectClients kills all client connections except this one and those of replication.
func disconnectClients(ctx context.Context, conn *sql.Conn) error {
	rows, err := conn.QueryContext(ctx, "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() "+
		"AND command NOT IN ('Daemon', 'Slave_IO', 'Slave_SQL', 'Slave_worker', 'Binlog Dump') AND user NOT IN ('system user', 'event_scheduler')")
	if err != nil {
		return err
	}
	var ids []uint64
	for rows.Next() {
		var id uint64
		if err := rows.Scan(&id); err != nil {
			_ = rows.Close()
			return err
		}
		ids = append(ids, id)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := conn.ExecContext(ctx, fmt.Sprintf("KILL HARD CONNECTION %d", id)); err != nil && number(err) != 1094 {
			return err
		}
	}
	return nil
}

// takeOver stops the slave's replication, records it as the master and makes it writable.
func takeOver(ctx context.Context, s *session, c change) error {
	batch := forget(c.slave.Channels)
	batch = append(batch,
		"CREATE DATABASE IF NOT EXISTS "+schema, record(c.topology),
		unlogged, setLineage(c.topology.Lineage),
		"SET GLOBAL read_only=0")
	return s.run(ctx, batch...)
}
