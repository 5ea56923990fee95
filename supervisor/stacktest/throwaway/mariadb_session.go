package throwaway

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// maxStatements is how many bytes of SQL are sent to the server at once. More, and SQL that only the command line client
// understands, is run in the container.
const maxStatements = 1 << 20

// tablesQuery lists the tables that Reset looks after.
const tablesQuery = `SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND
 table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema') AND table_schema NOT LIKE 'lyandev%' ORDER BY 1, 2`

// rootSession connects to a server as root. A command in the container instead takes more than 0.05 s. It fails if the server
// admits root only over its socket, or the password is not in the environment.
func rootSession(ctx context.Context, v services.View, p *corev1.Pod) (*sql.DB, error) {
	env, err := v.Env(p.Name, "")
	if err != nil {
		return nil, err
	}
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd = "root", env["MARIADB_ROOT_PASSWORD"]
	if cfg.Passwd == "" {
		cfg.Passwd = env["MYSQL_ROOT_PASSWORD"]
	}
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(p.Status.PodIP, fmt.Sprint(portOf(p, "mysql", 3306)))
	cfg.DialFunc = v.Dial
	cfg.MultiStatements, cfg.Logger = true, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1) // statements set variables of their session
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close()
		return nil, err
	}
	return db, nil
}

// prints reads the tables of a server without their SQL, over the session or, if that is nil, in the container.
func (c *Copy) prints(ctx context.Context, db *sql.DB, pod string) (mariadbMemory, error) {
	if db == nil {
		out, err := c.shell(ctx, pod, printScript, nil)
		return readPrints(out), err
	}
	list, err := strs(ctx, db, tablesQuery)
	if err != nil {
		return nil, err
	}
	m := mariadbMemory{}
	for _, row := range list {
		full := identifier(row[0]) + "." + identifier(row[1])
		t := table{schema: escaped.Replace(row[0]), name: escaped.Replace(row[1])}
		for _, q := range []string{"CHECKSUM TABLE " + full, "SHOW CREATE TABLE " + full} {
			rows, err := strs(ctx, db, q)
			if err != nil {
				return nil, err
			}
			for _, r := range rows {
				t.print += strings.Join(r, "\t") + "\n"
			}
		}
		m[t.schema+"."+t.name] = t
	}
	return m, nil
}

// escaped writes names as the command line client does.
var escaped = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`)

// strs returns the rows of a query as text, NULL as "".
func strs(ctx context.Context, db *sql.DB, query string) (out [][]string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		row, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		var text []string
		for _, s := range row {
			text = append(text, s.String)
		}
		out = append(out, text)
	}
	return out, rows.Err()
}

// direct reports whether SQL of mariadb-dump can be sent to the server as it is: DELIMITER, which precedes triggers, is a
// command of the client. It is pure.
func direct(statements string) bool {
	return len(statements) <= maxStatements && !strings.Contains(statements, "\nDELIMITER ")
}
