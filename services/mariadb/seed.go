package mariadb

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Seeding runs in the slave's own container: mariadb-dump reads the master and mariadb writes to the slave. It requires only
// the client programs that come with the server, works across versions and does not block the master (one consistent
// snapshot, no lock held). Passwords are passed in the environment.

// seedScript gets the databases as arguments. The client also exits with 0 if its input is truncated, so completion is marked
// by the last statement, which is written only after a complete dump.
const seedScript = `set -eu
dump=$(command -v mariadb-dump || command -v mysqldump)
client=$(command -v mariadb || command -v mysql)
{
  printf '%s\n' "$LYANDEV_BEFORE"
  MYSQL_PWD="$LYANDEV_FROM_PASSWORD" "$dump" --host="$LYANDEV_FROM_HOST" --port="$LYANDEV_FROM_PORT" --user="$LYANDEV_FROM_USER" \
    --protocol=tcp --disable-ssl-verify-server-cert --single-transaction --quick --master-data=1 --gtid --routines --events \
    --triggers --hex-blob --add-drop-database --databases "$@" &&
  printf '\n%s\n' "$LYANDEV_AFTER"
} | MYSQL_PWD="$LYANDEV_TO_PASSWORD" "$client" --host="$LYANDEV_TO_HOST" --port="$LYANDEV_TO_PORT" --user="$LYANDEV_TO_USER" \
    --protocol=tcp --disable-ssl-verify-server-cert --max-allowed-packet=256M --batch`

// keepScript dumps a diverged slave's data to one file in its data directory. It replaces an older file only when the new one
// is complete. The server ignores plain files there; only directories are databases.
const keepScript = `set -eu
dump=$(command -v mariadb-dump || command -v mysqldump)
to="$LYANDEV_DATADIR/lyandev-kept.sql"
MYSQL_PWD="$LYANDEV_TO_PASSWORD" "$dump" --host="$LYANDEV_TO_HOST" --port="$LYANDEV_TO_PORT" --user="$LYANDEV_TO_USER" --protocol=tcp \
  --disable-ssl-verify-server-cert --single-transaction --quick --routines --events --triggers --hex-blob --result-file="$to.part" \
  --databases "$@"
gzip -1 -f "$to.part" 2>/dev/null && mv "$to.part.gz" "$to.gz" || mv "$to.part" "$to"`

// lockForSeed takes seedLock. A second session fails before it changes anything.
const lockForSeed = `DELIMITER //
BEGIN NOT ATOMIC IF NOT GET_LOCK('` + seedLock + `', 0) THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'another seeding is in progress'; END IF; END //
DELIMITER ;`

// Values of Identity.Lineage while a copy is loaded, and when it is complete but not attached.
const (
	seedBegun  = "seeding"
	seedLoaded = "seeded"
)

// startSeed starts a seeding in the background and returns. There is at most one per slave.
func (o *Operator) startSeed(ctx context.Context, r *round, step Step) error {
	master, slave := r.facts.Server(step.Master), r.facts.Server(step.Pod)
	from, to := r.sessions[master.Pod], r.sessions[slave.Pod]
	j := &seeding{
		o: o, keep: step.Keep,
		master: *master, slave: *slave,
		from: from.detached(), to: to.detached(),
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	m := o.recall(step.Pod)
	if m.job.Running || o.memory.closed {
		return nil
	}
	// The job continues after this call. Close cancels it, as does an observation with different addresses.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	m.cancel = cancel
	m.job.Running, m.job.Progress = true, "seeding from "+step.Master
	o.jobs.Go(func() {
		defer cancel()
		j.finish(j.run(ctx))
	})
	return nil
}

// detached returns a copy of the session without its connection.
func (s *session) detached() *session {
	c := *s
	c.db = nil
	return &c
}

// seeding is one seeding in progress.
type seeding struct {
	o             *Operator
	keep          bool
	master, slave Server
	from, to      *session
}

func (j *seeding) run(ctx context.Context) error {
	for _, s := range []*session{j.from, j.to} {
		if err := s.try(ctx, s.as); err != nil {
			return fmt.Errorf("cannot connect to pod %s: %w", s.pod, err)
		}
		defer s.close()
	}
	if err := j.set(ctx); err != nil {
		return err
	}
	databases, err := j.from.databases(ctx)
	if err != nil {
		return err
	}
	if j.keep {
		if err := j.keepOld(ctx); err != nil {
			return err
		}
	}
	if err := j.dropOthers(ctx, databases); err != nil {
		return err
	}
	stop := j.watch(ctx)
	err = j.load(ctx, append(databases, schema))
	stop()
	if err != nil {
		return err
	}
	return j.attach(ctx)
}

// set marks the slave as being loaded, so that a partial copy is never considered right.
func (j *seeding) set(ctx context.Context) error {
	batch := append([]string{unlogged, "SET GLOBAL read_only=1"}, forget(j.slave.Channels)...)
	return j.to.run(ctx, append(batch, setLineage(seedBegun))...)
}

// keepOld dumps the slave's data. If that fails, the data is not deleted.
func (j *seeding) keepOld(ctx context.Context) error {
	mine, err := j.to.databases(ctx)
	if err != nil || len(mine) == 0 {
		return err
	}
	dir, err := j.to.column(ctx, "SELECT @@datadir")
	if err != nil {
		return err
	}
	j.progress("saving the old data of " + j.slave.Pod + " to " + dir[0] + "lyandev-kept.sql.gz")
	return j.exec(ctx, "save the data of", keepScript, mine, "LYANDEV_DATADIR="+strings.TrimRight(dir[0], "/"))
}

// dropOthers drops databases that the master does not have; the dump replaces the others.
func (j *seeding) dropOthers(ctx context.Context, theirs []string) error {
	mine, err := j.to.databases(ctx)
	if err != nil {
		return err
	}
	has := map[string]bool{}
	for _, d := range theirs {
		has[d] = true
	}
	batch := []string{unlogged}
	for _, d := range mine {
		if !has[d] {
			batch = append(batch, "DROP DATABASE IF EXISTS "+name(d))
		}
	}
	return j.to.run(ctx, batch...)
}

func (j *seeding) load(ctx context.Context, databases []string) error {
	before := lockForSeed + "\nSTOP ALL SLAVES; RESET SLAVE ALL; RESET MASTER; SET SESSION sql_log_bin=0;"
	after := setLineage(seedLoaded) + ";"
	return j.exec(ctx, "load a copy of "+j.master.Pod+" into", seedScript, databases,
		"LYANDEV_BEFORE="+before, "LYANDEV_AFTER="+after,
		"LYANDEV_FROM_HOST="+j.from.host, "LYANDEV_FROM_PORT="+strconv.Itoa(j.from.port),
		"LYANDEV_FROM_USER="+j.from.as.User, "LYANDEV_FROM_PASSWORD="+j.from.as.Password)
}

func (j *seeding) exec(ctx context.Context, what, script string, args []string, env ...string) error {
	env = append(env, "LYANDEV_TO_HOST="+j.to.host, "LYANDEV_TO_PORT="+strconv.Itoa(j.to.port),
		"LYANDEV_TO_USER="+j.to.as.User, "LYANDEV_TO_PASSWORD="+j.to.as.Password)
	cmd := append([]string{"sh", "-c", script, "lyandev-seed"}, args...)
	exit, out, err := j.to.view.Exec(ctx, j.to.pod, j.to.container, cmd, env)
	switch {
	case err != nil:
		return fmt.Errorf("cannot %s pod %s: %w", what, j.to.pod, err)
	case exit != 0:
		return fmt.Errorf("cannot %s pod %s: exit %d: %s", what, j.to.pod, exit, lastLine(out))
	}
	return nil
}

// attach creates the users' accounts and starts replication at the position in the dump. A slave with an incomplete copy still
// has the mark of set and is not attached.
func (j *seeding) attach(ctx context.Context) error {
	lineage, err := j.to.column(ctx, "SELECT lineage FROM "+localSchema+".identity")
	if err != nil {
		return err
	}
	if len(lineage) != 1 || lineage[0] != seedLoaded {
		return fmt.Errorf("cannot seed pod %s: the copy of %s is incomplete", j.to.pod, j.master.Pod)
	}
	users, err := j.from.users(ctx, "CREATE OR REPLACE USER")
	if err != nil {
		return err
	}
	pos, err := j.to.column(ctx, "SELECT @@global.gtid_slave_pos")
	if err != nil {
		return err
	}
	batch := append([]string{unlogged}, users...)
	batch = append(batch, "STOP ALL SLAVES", "RESET SLAVE ALL")
	if j.slave.LogBin && pos[0] != "" {
		// Allows other servers to replicate from this position if this one becomes the master.
		batch = append(batch, "SET GLOBAL gtid_binlog_state="+quote(pos[0]))
	}
	batch = append(batch, changeMaster(j.master.Host, j.master.Port, j.from.creds.Repl, false),
		setLineage(j.master.Topology.Lineage), "START SLAVE")
	return j.to.run(ctx, batch...)
}

// watch reports the amount of received data until it is stopped.
func (j *seeding) watch(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		// File sizes, because the statistics of tables are delayed estimates.
		size := j.from.number(ctx, "SELECT CAST(COALESCE(SUM(file_size), 0) AS UNSIGNED) FROM information_schema.innodb_sys_tablespaces "+
			"WHERE name LIKE '%/%' AND name NOT LIKE 'mysql/%' AND name NOT LIKE 'sys/%'")
		begin := j.received(ctx)
		for pause(ctx, 500*time.Millisecond) == nil {
			text := fmt.Sprintf("seeding from %s: %d MB", j.master.Pod, (j.received(ctx)-begin)>>20)
			if size >= 1<<20 {
				text += fmt.Sprintf(" of about %d MB", size>>20)
			}
			j.progress(text)
		}
	}()
	return func() { cancel(); <-done }
}

func (j *seeding) received(ctx context.Context) int64 {
	return j.to.number(ctx, "SELECT CAST(variable_value AS UNSIGNED) FROM information_schema.global_status WHERE variable_name = 'BYTES_RECEIVED'")
}

// number returns a number for progress messages, 0 on an error.
func (s *session) number(ctx context.Context, query string) int64 {
	var n int64
	if err := s.db.QueryRowContext(ctx, query).Scan(&n); err != nil {
		return 0
	}
	return n
}

func (j *seeding) progress(text string) {
	j.o.mu.Lock()
	defer j.o.mu.Unlock()
	j.o.recall(j.slave.Pod).job.Progress = text
}

// finish records the result of the seeding. After failures the next one is delayed with an exponential back-off of at most one
// minute.
func (j *seeding) finish(err error) {
	j.o.mu.Lock()
	m := j.o.recall(j.slave.Pod)
	m.job.Running, m.job.Progress, m.cancel = false, "", nil
	m.mismatch, m.strikes = nil, 0
	if err == nil {
		m.job = Job{}
	} else {
		m.job.Err, m.job.Tries = err.Error(), m.job.Tries+1
		m.job.Wait = time.Now().Add(min(time.Minute, time.Second<<min(m.job.Tries, 6)))
	}
	j.o.mu.Unlock()
	if err != nil {
		j.o.log().Warn("mariadb seeding failed", "pod", j.slave.Pod, "master", j.master.Pod, "err", err)
		j.to.view.Event(j.slave.Pod, corev1.EventTypeWarning, "MariaDBSeedFailed", err.Error())
		return
	}
	j.o.log().Info("mariadb seeded", "pod", j.slave.Pod, "master", j.master.Pod)
	j.to.view.Event(j.slave.Pod, corev1.EventTypeNormal, "MariaDBSeeded", "seeded with a copy of "+j.master.Pod)
}
