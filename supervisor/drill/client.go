package drill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// client sends real requests, by the same host names as the app.
type client interface {
	name() string
	// begin creates what the client needs. try sends one request (write number n, for clients that write) and fails after the
	// client's timeout.
	begin(ctx context.Context) error
	try(ctx context.Context, n int) error
	// kept returns the numbers of the writes that are stored; nil for a client that only reads.
	kept(ctx context.Context) (map[int]bool, error)
	// end removes what begin and try created.
	end(ctx context.Context) error
}

// Dial connects to a name or address of the stack from outside its network.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

const (
	// patience is a client's timeout for one request.
	patience = time.Second
	// pace is the time between two requests of a client.
	pace = 10 * time.Millisecond
	// dialErrors is more connections than a drill can fail to make in a row. After as many failures as its PoolSize, the Redis client
	// only tries once a second to connect, and the drill would measure that.
	dialErrors = 1 << 15
)

// work sends requests until ctx ends. A request cancelled by ctx is not counted.
func work(ctx context.Context, c client, t *Tally) {
	for n := 0; ctx.Err() == nil; n++ {
		err := c.try(ctx, n)
		if ctx.Err() != nil && err != nil {
			return
		}
		t.result(n, time.Now(), err)
		select {
		case <-ctx.Done():
		case <-time.After(pace):
		}
	}
}

// web requests a page through the host port.
type web struct {
	url  string
	http http.Client
}

func newWeb(url string) *web { return &web{url: url, http: http.Client{Timeout: 2 * patience}} }

func (w *web) name() string                { return "http " + w.url }
func (w *web) begin(context.Context) error { return nil }
func (w *web) end(context.Context) error   { w.http.CloseIdleConnections(); return nil }

func (w *web) kept(context.Context) (map[int]bool, error) { return nil, nil }

func (w *web) try(ctx context.Context, _ int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url, nil)
	if err != nil {
		return err
	}
	resp, err := w.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode >= 500 {
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}

// tcp sends a line over a new connection and checks the beginning of the answer.
type tcp struct {
	addr, ask, answer string
	dial              Dial
}

func (c *tcp) name() string                { return "tcp " + c.addr }
func (c *tcp) begin(context.Context) error { return nil }
func (c *tcp) end(context.Context) error   { return nil }

func (c *tcp) kept(context.Context) (map[int]bool, error) { return nil, nil }

func (c *tcp) try(ctx context.Context, _ int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := c.dial(ctx, "tcp", c.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if c.ask == "" {
		return nil
	}
	if _, err := io.WriteString(conn, c.ask); err != nil {
		return err
	}
	buf := make([]byte, len(c.answer))
	if _, err := io.ReadFull(conn, buf); err != nil {
		return err
	}
	if string(buf) != c.answer {
		return fmt.Errorf("unexpected answer %q", buf)
	}
	return nil
}

// redisWriter writes hash fields through the Service of the master.
type redisWriter struct {
	addr, run string
	c         *redis.Client
}

// quiet turns off the library's log once for the process: it prints errors that it also returns.
var quiet = sync.OnceFunc(logging.Disable)

func newRedisWriter(addr, password, run string, dial Dial) *redisWriter {
	quiet()
	return &redisWriter{addr: addr, run: run, c: redis.NewClient(&redis.Options{
		Addr: addr, Password: password, Dialer: dial, Protocol: 2, DisableIdentity: true, MaxRetries: -1, PoolSize: dialErrors,
		DialTimeout: patience, ReadTimeout: patience, WriteTimeout: patience, ContextTimeoutEnabled: true, DialerRetries: 1,
	})}
}

func (r *redisWriter) key() string                     { return "lyandev-drill:" + r.run }
func (r *redisWriter) name() string                    { return "redis " + r.addr }
func (r *redisWriter) begin(ctx context.Context) error { return r.c.Ping(ctx).Err() }

func (r *redisWriter) try(ctx context.Context, n int) error {
	return r.c.HSet(ctx, r.key(), strconv.Itoa(n), "1").Err()
}

func (r *redisWriter) kept(ctx context.Context) (map[int]bool, error) {
	keys, err := r.c.HKeys(ctx, r.key()).Result()
	if err != nil {
		return nil, fmt.Errorf("cannot read what was written to %s: %w", r.addr, err)
	}
	return numbers(keys), nil
}

func (r *redisWriter) end(ctx context.Context) error {
	return errors.Join(r.c.Del(ctx, r.key()).Err(), r.c.Close())
}

func numbers(list []string) map[int]bool {
	out := map[int]bool{}
	for _, s := range list {
		if n, err := strconv.Atoi(s); err == nil {
			out[n] = true
		}
	}
	return out
}

// sqlWriter inserts rows through the Service of the master.
type sqlWriter struct {
	addr, run, table string
	db               *sql.DB
}

func newSQLWriter(addr, user, password, database, run string, dial Dial) (*sqlWriter, error) {
	conf := mysql.NewConfig()
	conf.User, conf.Passwd, conf.DBName, conf.Addr, conf.Net = user, password, database, addr, "tcp"
	conf.Timeout, conf.ReadTimeout, conf.WriteTimeout, conf.Logger = patience, patience, patience, silent{}
	conf.DialFunc = dial
	connector, err := mysql.NewConnector(conf)
	if err != nil {
		return nil, fmt.Errorf("cannot make a client for %s: %w", addr, err)
	}
	w := &sqlWriter{addr: addr, run: run, table: "`" + database + "`.lyandev_drill", db: sql.OpenDB(connector)}
	w.db.SetMaxOpenConns(1)
	return w, nil
}

// silent discards the driver's log: it prints errors that it also returns.
type silent struct{}

func (silent) Print(...any) {}

func (s *sqlWriter) name() string { return "mysql " + s.addr }

func (s *sqlWriter) begin(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+s.table+
		" (run VARCHAR(32) NOT NULL, n INT NOT NULL, PRIMARY KEY (run, n)) ENGINE=InnoDB")
	return err
}

func (s *sqlWriter) try(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	_, err := s.db.ExecContext(ctx, "INSERT INTO "+s.table+" (run, n) VALUES (?, ?)", s.run, n)
	if err != nil && strings.Contains(err.Error(), "read-only") {
		s.db.SetMaxIdleConns(0) // reconnect, like an app whose pool drops connections after an error
		s.db.SetMaxIdleConns(1)
	}
	return err
}

func (s *sqlWriter) kept(ctx context.Context) (map[int]bool, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT n FROM "+s.table+" WHERE run = ?", s.run)
	if err != nil {
		return nil, fmt.Errorf("cannot read what was written to %s: %w", s.addr, err)
	}
	defer rows.Close()
	out := map[int]bool{}
	for rows.Next() {
		var n int
		if err := rows.Scan(&n); err != nil {
			return nil, fmt.Errorf("cannot read what was written to %s: %w", s.addr, err)
		}
		out[n] = true
	}
	return out, rows.Err()
}

func (s *sqlWriter) end(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx, "DELETE FROM "+s.table+" WHERE run = ?", s.run)
	if err == nil {
		_, err = s.db.ExecContext(ctx, "DROP TABLE "+s.table)
	}
	return errors.Join(err, s.db.Close())
}
