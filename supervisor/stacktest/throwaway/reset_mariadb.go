package throwaway

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/services"
)

// maxDump bounds the recorded content of MariaDB, in bytes.
const maxDump = 256 << 20

// mariadbMemory holds the tables of a server, by "schema.table" as the server quotes it.
type mariadbMemory map[string]table

// table is one table: a fingerprint to detect changes, and the SQL that recreates it.
type table struct {
	schema, name string
	// print is its checksum and definition, including the next AUTO_INCREMENT value.
	print string
	sql   []byte
}

// client defines shell commands that run SQL as root, with the password of the container's environment. The operator's own schemas
// are excluded.
const client = `export MYSQL_PWD="${MARIADB_ROOT_PASSWORD:-${MYSQL_ROOT_PASSWORD:-$(cat "${MARIADB_ROOT_PASSWORD_FILE:-/dev/null}")}}"
tables() {
  mariadb -uroot -N -B -e "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND
    table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema') AND table_schema NOT LIKE 'lyandev%' ORDER BY 1, 2"
}
`

// printScript prints, for each table, a line with its names, one with its checksum and one with its definition. 96 is the
// quotation mark of identifiers.
const printScript = client + `
mariadb -uroot -N -B -r <<'SQL' | mariadb -uroot -N -B
SELECT CONCAT('SELECT ', QUOTE(table_schema), ', ', QUOTE(table_name), '; CHECKSUM TABLE ', full, '; SHOW CREATE TABLE ', full, ';')
FROM (
  SELECT table_schema, table_name, CONCAT(CHAR(96), REPLACE(table_schema, CHAR(96), CONCAT(CHAR(96), CHAR(96))), CHAR(96), '.',
    CHAR(96), REPLACE(table_name, CHAR(96), CONCAT(CHAR(96), CHAR(96))), CHAR(96)) AS full
  FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema NOT LIKE 'lyandev%' AND
    table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')
  ORDER BY 1, 2
) AS t;
SQL
`

// dumpScript prints, for each table, a line "-- TABLE schema name" with tabs between, and the SQL that creates it.
const dumpScript = client + `
tables | while IFS="$(printf '\t')" read -r schema name; do
  printf '%s\t%s\t%s\n' '-- TABLE' "$schema" "$name"
  mariadb-dump -uroot --skip-comments --single-transaction --hex-blob --triggers "$schema" "$name" </dev/null || exit 1
done
`

const dumpMark = "-- TABLE\t"

func (c *Copy) rememberMariaDB(ctx context.Context, v services.View) (mariadbMemory, error) {
	p, err := withRole(v, "master")
	if err != nil {
		return nil, fmt.Errorf("cannot record the content of MariaDB: %w", err)
	}
	dump, err := c.shell(ctx, p.Name, dumpScript, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot record the content of MariaDB: %w", err)
	}
	db, err := rootSession(ctx, v, p)
	if err == nil {
		defer db.Close()
	}
	m, err := c.prints(ctx, db, p.Name)
	if err != nil {
		return nil, fmt.Errorf("cannot record the content of MariaDB: %w", err)
	}
	tables := splitDump(dump)
	for key, t := range m {
		if t.sql = tables[key]; len(t.sql) == 0 {
			return nil, fmt.Errorf("cannot record the content of MariaDB: table %s is not in the dump", key)
		}
		m[key] = t
	}
	return m, nil
}

func (c *Copy) resetMariaDB(ctx context.Context, v services.View, before mariadbMemory) error {
	p, err := withRole(v, "master")
	if err != nil {
		return fmt.Errorf("cannot reset MariaDB: %w", err)
	}
	db, err := rootSession(ctx, v, p)
	if err == nil {
		defer db.Close()
	}
	now, err := c.prints(ctx, db, p.Name)
	if err != nil {
		return fmt.Errorf("cannot reset MariaDB: %w", err)
	}
	sql := resetSQL(before, now)
	switch {
	case len(sql) == 0:
		return nil
	case db != nil && direct(string(sql)):
		_, err = db.ExecContext(ctx, string(sql))
	default:
		_, err = c.shell(ctx, p.Name, client+"exec mariadb -uroot --binary-mode", bytes.NewReader(sql))
	}
	if err != nil {
		return fmt.Errorf("cannot reset MariaDB: %w", err)
	}
	return nil
}

// readPrints reads the output of printScript. It is pure.
func readPrints(out []byte) mariadbMemory {
	m := mariadbMemory{}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	for ; len(lines) >= 3; lines = lines[3:] {
		schema, name, ok := strings.Cut(lines[0], "\t")
		if !ok {
			break
		}
		m[schema+"."+name] = table{schema: schema, name: name, print: lines[1] + "\n" + lines[2]}
	}
	return m
}

// splitDump parses the output of dumpScript: the SQL of each table. A line of SQL never starts like the "-- TABLE" line, because
// line breaks within values are escaped. It is pure.
func splitDump(out []byte) map[string][]byte {
	tables := map[string][]byte{}
	key := ""
	for line := range bytes.Lines(out) {
		if rest, ok := bytes.CutPrefix(line, []byte(dumpMark)); ok {
			schema, name, _ := strings.Cut(strings.TrimSuffix(string(rest), "\n"), "\t")
			key = schema + "." + name
			continue
		}
		tables[key] = append(tables[key], line...)
	}
	return tables
}

// resetSQL returns the SQL that restores the tables of before: it drops new tables and recreates changed and missing ones. It is
// empty if nothing changed. It is pure.
func resetSQL(before, now mariadbMemory) []byte {
	var sql bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(now)) {
		if _, was := before[key]; !was {
			fmt.Fprintf(&sql, "DROP TABLE %s.%s;\n", identifier(now[key].schema), identifier(now[key].name))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(before)) {
		t := before[key]
		if now[key].print == t.print {
			continue
		}
		fmt.Fprintf(&sql, "CREATE DATABASE IF NOT EXISTS %s; USE %s;\n", identifier(t.schema), identifier(t.schema))
		sql.Write(t.sql)
		sql.WriteByte('\n')
	}
	if sql.Len() == 0 {
		return nil
	}
	const begin = "SET SESSION lock_wait_timeout = 10; SET SESSION foreign_key_checks = 0;\n"
	return append([]byte(begin), sql.Bytes()...)
}

func identifier(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// boundedBuffer keeps the first bytes up to a limit and drops the rest.
type boundedBuffer struct {
	bytes.Buffer
	left int
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	n := min(len(p), max(b.left, 0))
	b.left -= len(p)
	_, _ = b.Buffer.Write(p[:n]) // it never fails
	return len(p), nil
}
