package mariadb

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// act does one step. Steps are idempotent; the next observation shows the result.
func (o *Operator) act(ctx context.Context, r *round, step Step) error {
	s := r.sessions[step.Pod]
	if s == nil || s.db == nil {
		return fmt.Errorf("cannot %s %s: no connection", step.Do, step.Pod)
	}
	seen := r.facts.Server(step.Pod)
	switch step.Do {
	case Tune:
		return s.run(ctx, "SET GLOBAL gtid_strict_mode=1")
	case Identify:
		return s.identify(ctx, seen, step.ServerID)
	case Prepare:
		return s.prepare(ctx)
	case Init:
		return s.initMaster(ctx, seen, step.Topology)
	case Detach:
		return s.run(ctx, forget(seen.Channels)...)
	case Open:
		return s.run(ctx, "SET GLOBAL read_only=0")
	case Close:
		return s.run(ctx, "SET GLOBAL read_only=1")
	case Start:
		return s.run(ctx, "START SLAVE")
	case Attach:
		master := r.facts.Server(step.Master)
		return s.attach(ctx, master, seen, step.From, step.Plain)
	case Reseed:
		return o.startSeed(ctx, r, step)
	}
	return fmt.Errorf("cannot do %q on %s: unknown step", step.Do, step.Pod)
}

// unlogged is the first statement of every batch that must not be replicated.
const unlogged = "SET SESSION sql_log_bin=0"

// identify stores the server id in the data and sets it at run time.
func (s *session) identify(ctx context.Context, seen *Server, id uint32) error {
	batch := []string{unlogged}
	running := false
	for _, c := range seen.Channels {
		running = running || c.IO != "No" || c.SQL != "No"
	}
	if running {
		batch = append(batch, "STOP ALL SLAVES")
	}
	batch = append(batch,
		"CREATE DATABASE IF NOT EXISTS "+localSchema,
		"CREATE TABLE IF NOT EXISTS "+localSchema+`.identity (one TINYINT PRIMARY KEY, pod VARCHAR(253) NOT NULL,
		server_id INT UNSIGNED NOT NULL, lineage VARCHAR(64) NOT NULL DEFAULT '', prepared VARCHAR(64) NOT NULL DEFAULT '') ENGINE=InnoDB`,
		fmt.Sprintf("INSERT INTO %s.identity (one, pod, server_id) VALUES (1, %s, %d) "+
			"ON DUPLICATE KEY UPDATE pod = VALUES(pod), server_id = VALUES(server_id)", localSchema, quote(s.pod), id),
		fmt.Sprintf("SET GLOBAL server_id=%d", id))
	if running {
		batch = append(batch, "START ALL SLAVES")
	}
	return s.run(ctx, batch...)
}

// prepare creates the accounts for replication and for the operator on each server, without writing to the binary log.
func (s *session) prepare(ctx context.Context) error {
	batch := accountSQL(s.creds.Own, "ALL PRIVILEGES", true)
	batch = append(batch, accountSQL(s.creds.Repl, "REPLICATION SLAVE", false)...)
	batch = append(batch, fmt.Sprintf("UPDATE %s.identity SET prepared = %s", localSchema, quote(s.creds.fingerprint())))
	return s.run(ctx, batch...)
}

// initMaster records the master in its data, with a new lineage if the data has none. Databases and users that the image
// created without the binary log are written to it once, so that an empty slave that replays it gets them.
func (s *session) initMaster(ctx context.Context, seen *Server, t Topology) error {
	if t.Lineage == "" {
		b := make([]byte, 16)
		_, _ = rand.Read(b) // never fails
		t.Lineage = hex.EncodeToString(b)
	}
	var batch []string
	if seen.Topology.Epoch == 0 {
		if t.Complete {
			made, err := s.imageMade(ctx)
			if err != nil {
				return err
			}
			batch = append(batch, made...)
		}
		batch = append(batch,
			"CREATE DATABASE IF NOT EXISTS "+schema,
			"CREATE TABLE IF NOT EXISTS "+schema+`.topology (one TINYINT PRIMARY KEY, master VARCHAR(253) NOT NULL,
			epoch BIGINT UNSIGNED NOT NULL, lineage VARCHAR(64) NOT NULL, complete TINYINT NOT NULL, changed TIMESTAMP) ENGINE=InnoDB`,
			"CREATE TABLE IF NOT EXISTS "+schema+`.heartbeat (one TINYINT PRIMARY KEY, pod VARCHAR(253) NOT NULL,
			stamp BIGINT NOT NULL) ENGINE=InnoDB`,
			record(t))
	}
	batch = append(batch, unlogged, setLineage(t.Lineage))
	return s.run(ctx, batch...)
}

func record(t Topology) string {
	return fmt.Sprintf("REPLACE INTO %s.topology (one, master, epoch, lineage, complete) VALUES (1, %s, %d, %s, %t)",
		schema, quote(t.Master), t.Epoch, quote(t.Lineage), t.Complete)
}

func setLineage(lineage string) string {
	return fmt.Sprintf("UPDATE %s.identity SET lineage = %s", localSchema, quote(lineage))
}

// imageMade returns idempotent statements that create the users' databases and accounts of this server.
func (s *session) imageMade(ctx context.Context) ([]string, error) {
	databases, err := s.databases(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, d := range databases {
		var ignored, create string
		if err := s.db.QueryRowContext(ctx, "SHOW CREATE DATABASE IF NOT EXISTS "+name(d)).Scan(&ignored, &create); err != nil {
			return nil, fmt.Errorf("cannot read the definition of database %s of pod %s: %w", d, s.pod, err)
		}
		out = append(out, create)
	}
	users, err := s.users(ctx, "CREATE USER IF NOT EXISTS")
	return append(out, users...), err
}

func (s *session) databases(ctx context.Context) ([]string, error) {
	return s.column(ctx, "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ("+systemList()+")")
}

// users returns the statements that create the users' accounts with their grants, without lyandev's, root's and the system's.
func (s *session) users(ctx context.Context, create string) ([]string, error) {
	accounts, err := s.column(ctx, "SELECT CONCAT(QUOTE(user), '@', QUOTE(host)) FROM mysql.user WHERE is_role = 'N' AND user NOT IN "+
		"('', 'root', 'mysql', 'mariadb.sys', 'healthcheck', 'PUBLIC', "+
		quote(s.creds.Root.User)+", "+quote(s.creds.Own.User)+", "+quote(s.creds.Repl.User)+")")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, a := range accounts {
		made, err := s.column(ctx, "SHOW CREATE USER "+a)
		if err != nil {
			return nil, err
		}
		grants, err := s.column(ctx, "SHOW GRANTS FOR "+a)
		if err != nil {
			return nil, err
		}
		for _, m := range made {
			out = append(out, create+strings.TrimPrefix(m, "CREATE USER"))
		}
		out = append(out, grants...)
	}
	return out, nil
}

func (s *session) column(ctx context.Context, query string) ([]string, error) {
	rows, err := s.db.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("cannot run %q on pod %s: %w", verb(query), s.pod, err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			return nil, fmt.Errorf("cannot read %q on pod %s: %w", verb(query), s.pod, err)
		}
		out = append(out, v)
	}
	return out, errors.Join(rows.Err())
}

// forget removes all replication channels.
func forget(channels []Channel) []string {
	batch := []string{"STOP ALL SLAVES"}
	for _, c := range channels {
		if c.Name != "" {
			batch = append(batch, "RESET SLAVE "+quote(c.Name)+" ALL")
		}
	}
	return append(batch, "RESET SLAVE ALL")
}

// attach makes the server a slave of master, starting at the position.
func (s *session) attach(ctx context.Context, master, seen *Server, from Position, plain bool) error {
	batch := append([]string{unlogged}, forget(seen.Channels)...)
	if from.String() != seen.SlavePos.String() {
		batch = append(batch, "SET GLOBAL gtid_slave_pos="+quote(from.String()))
	}
	batch = append(batch, changeMaster(master.Host, master.Port, s.creds.Repl, plain), setLineage(master.Topology.Lineage), "START SLAVE")
	return s.run(ctx, batch...)
}

func changeMaster(host string, port int, repl account, plain bool) string {
	q := fmt.Sprintf("CHANGE MASTER TO MASTER_HOST=%s, MASTER_PORT=%d, MASTER_USER=%s, MASTER_PASSWORD=%s, "+
		"MASTER_CONNECT_RETRY=1, MASTER_HEARTBEAT_PERIOD=2, MASTER_USE_GTID=slave_pos",
		quote(host), port, quote(repl.User), quote(repl.Password))
	if plain {
		q += ", MASTER_SSL=0"
	}
	return q
}
