package mariadb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/lyandev/lyandev/services"
)

// session is a connection to one pod's server for one call of the operator.
type session struct {
	view      services.View
	pod       string
	container string
	host      string
	port      int
	creds     credentials
	// as is the account that the server accepted.
	as account
	db *sql.DB
}

func (s *session) addr() string { return net.JoinHostPort(s.host, strconv.Itoa(s.port)) }

// connect tries root, then the operator's own account. If the server rejects both, it creates its own account over the socket
// inside the container, with root's password in the environment.
func (s *session) connect(ctx context.Context, known account, mayExec bool) error {
	tries := []account{s.creds.Root, s.creds.Own}
	if known == s.creds.Own {
		tries = []account{s.creds.Own, s.creds.Root}
	}
	var err error
	for _, a := range tries {
		if err = s.try(ctx, a); err == nil || !refusedAccess(err) {
			return err
		}
	}
	if !mayExec {
		return err
	}
	if execErr := s.makeOwnAccount(ctx); execErr != nil {
		return errors.Join(err, execErr)
	}
	return s.try(ctx, s.creds.Own)
}

func (s *session) try(ctx context.Context, a account) error {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd = a.User, a.Password
	cfg.Net, cfg.Addr = "tcp", s.addr()
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		return s.view.Dial(ctx, network, addr)
	}
	cfg.InterpolateParams = true
	cfg.ParseTime = false
	cfg.Logger = quiet{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return fmt.Errorf("cannot use the account %s of pod %s: %w", a.User, s.pod, err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxIdleConns(2)
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close()
		return err
	}
	s.as, s.db = a, db
	return nil
}

func (s *session) close() {
	if s.db != nil {
		_ = s.db.Close()
	}
}

// quiet disables the driver's log of closed connections on standard error; the errors are also returned.
type quiet struct{}

func (quiet) Print(...any) {}

// makeOwnAccount runs as root over the socket. The statement is passed in the environment: there is no stdin, and arguments
// would be visible to other processes.
func (s *session) makeOwnAccount(ctx context.Context) error {
	statements := strings.Join(accountSQL(s.creds.Own, "ALL PRIVILEGES", true), ";\n")
	script := `c=$(command -v mariadb || command -v mysql) || exit 127
for sock in "" /run/mysqld/mysqld.sock /opt/bitnami/mariadb/tmp/mysql.sock /tmp/mysql.sock; do
  [ -z "$sock" ] || [ -S "$sock" ] || continue
  printf '%s' "$LYANDEV_SQL" | "$c" ${sock:+--socket="$sock"} --user="$LYANDEV_USER" --protocol=socket && exit 0
done
exit 1`
	exit, out, err := s.view.Exec(ctx, s.pod, s.container, []string{"sh", "-c", script}, []string{
		"LYANDEV_SQL=" + statements, "LYANDEV_USER=" + s.creds.Root.User, "MYSQL_PWD=" + s.creds.Root.Password,
	})
	if err != nil {
		return fmt.Errorf("cannot create the account %s in pod %s: %w", s.creds.Own.User, s.pod, err)
	}
	if exit != 0 {
		return fmt.Errorf("cannot create the account %s in pod %s over the socket: exit %d: %s", s.creds.Own.User, s.pod, exit, lastLine(out))
	}
	return nil
}

// accountSQL returns idempotent statements that create an account without writing to the binary log.
func accountSQL(a account, privileges string, grantOption bool) []string {
	who := quote(a.User) + "@'%'"
	grant := "GRANT " + privileges + " ON *.* TO " + who
	if grantOption {
		grant += " WITH GRANT OPTION"
	}
	return []string{
		"SET SESSION sql_log_bin=0",
		"CREATE USER IF NOT EXISTS " + who + " IDENTIFIED BY " + quote(a.Password),
		"ALTER USER " + who + " IDENTIFIED BY " + quote(a.Password),
		grant,
	}
}

// quote returns a string literal. It assumes that NO_BACKSLASH_ESCAPES is not in the session's sql_mode.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\x00", `\0`).Replace(s) + "'"
}

// name quotes an identifier.
func name(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// refusedAccess reports whether the server answered and rejected the account.
func refusedAccess(err error) bool {
	switch number(err) {
	case 1045, 1044, 1130, 1698, 4151:
		return true
	}
	return false
}

// number returns the server's error number, 0 for other errors.
func number(err error) uint16 {
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return e.Number
	}
	return 0
}

// troubleOf classifies the error of an observation.
func troubleOf(err error) Trouble {
	netErr, isNet := errors.AsType[net.Error](err)
	switch {
	case refusedAccess(err):
		return NoAccess
	case number(err) != 0:
		return LookFailed
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, io.EOF),
		errors.Is(err, mysql.ErrInvalidConn), isNet && netErr.Timeout():
		return NoAnswer
	}
	return Refused
}

// run executes statements in order on one connection. The connection is discarded if its session variables were changed.
func (s *session) run(ctx context.Context, statements ...string) error {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("cannot connect to pod %s: %w", s.pod, err)
	}
	defer discard(conn)
	for _, q := range statements {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("cannot run %q on pod %s: %w", verb(q), s.pod, err)
		}
	}
	return nil
}

// discard closes a connection instead of returning it to the pool, because its session variables were changed.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = conn.Close()
}

// verb returns the beginning of a statement, without passwords.
func verb(q string) string {
	words := strings.Fields(q)
	return strings.Join(words[:min(len(words), 4)], " ")
}

// lookDeadline limits the queries to one server, so that a hung one does not delay the others.
const lookDeadline = 1200 * time.Millisecond

func (o *Operator) log() *slog.Logger {
	if o.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Log
}
