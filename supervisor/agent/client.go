package agent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrStale means that the agent has a newer table than the pushed one.
var ErrStale = errors.New("the agent has a newer table")

// ErrForbidden means that the address to dial is outside the project's subnet.
var ErrForbidden = errors.New("outside the project's subnet")

// Client is a client for the control API of one agent. It is safe for concurrent use.
type Client struct {
	address, token string
	http           *http.Client
	dialer         net.Dialer

	mu      sync.Mutex
	version int64
}

// NewClient returns a client for the control API at address, the host:port that Docker published.
func NewClient(address, token string) *Client {
	return &Client{
		address: address, token: token, dialer: net.Dialer{Timeout: 5 * time.Second},
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute}},
	}
}

// Address returns the address of the control API.
func (c *Client) Address() string { return c.address }

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Push makes t the agent's current table, and blocks until it has taken effect. A Version of 0 is replaced by a version newer
// than the agent's: the time in nanoseconds, or the agent's version plus one if that is in the future (the clock was set back).
// With a Version set by the caller, the error is ErrStale if the agent has a newer table.
func (c *Client) Push(ctx context.Context, t *Table) (Pushed, error) {
	out := *t
	out.Format = TableFormat
	if out.Version != 0 {
		return c.push(ctx, &out)
	}
	out.Version = c.nextVersion(0)
	pushed, err := c.push(ctx, &out)
	if errors.Is(err, ErrStale) {
		out.Version = c.nextVersion(pushed.Version)
		pushed, err = c.push(ctx, &out)
	}
	return pushed, err
}

func (c *Client) push(ctx context.Context, out *Table) (Pushed, error) {
	body, err := json.Marshal(out)
	if err != nil {
		return Pushed{}, fmt.Errorf("cannot push table: %w", err)
	}
	var pushed Pushed
	err = c.do(ctx, http.MethodPut, "/table", body, &pushed)
	if err != nil {
		return pushed, fmt.Errorf("cannot push table to agent at %s: %w", c.address, err)
	}
	return pushed, nil
}

func (c *Client) nextVersion(after int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version = max(c.version+1, after+1, time.Now().UnixNano())
	return c.version
}

// Health returns the agent's version, instance and table version.
func (c *Client) Health(ctx context.Context) (Health, error) {
	var h Health
	if err := c.do(ctx, http.MethodGet, "/healthz", nil, &h); err != nil {
		return h, fmt.Errorf("cannot reach agent at %s: %w", c.address, err)
	}
	return h, nil
}

// Stats returns the agent's counters.
func (c *Client) Stats(ctx context.Context) (Stats, error) {
	var s Stats
	if err := c.do(ctx, http.MethodGet, "/stats", nil, &s); err != nil {
		return s, fmt.Errorf("cannot read stats of agent at %s: %w", c.address, err)
	}
	return s, nil
}

// Table returns the current table.
func (c *Client) Table(ctx context.Context) (*Table, error) {
	t := new(Table)
	if err := c.do(ctx, http.MethodGet, "/table", nil, t); err != nil {
		return nil, fmt.Errorf("cannot read table of agent at %s: %w", c.address, err)
	}
	return t, nil
}

func (c *Client) do(ctx context.Context, method, path string, body []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.address+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, 4*MaxTableBytes))
	switch {
	case err != nil:
		return err
	case resp.StatusCode == http.StatusConflict:
		_ = json.Unmarshal(reply, into)
		return ErrStale
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(reply)))
	}
	return json.Unmarshal(reply, into)
}

// DialContext connects to addr in the project's network, through the agent. Network is "tcp" or "tcp4"; addr is host:port
// with an address of the project's subnet or a name of the stack. The errors are those of net.Dialer: syscall.ECONNREFUSED for a
// refused connection, Timeout() true for a timeout. It blocks until ctx ends, at most 30 s.
func (c *Client) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	if network != "tcp" && network != "tcp4" {
		return nil, &net.OpError{Op: "dial", Net: network, Err: net.UnknownNetworkError(network)}
	}
	conn, err := c.dialer.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return nil, fmt.Errorf("cannot reach agent at %s to dial %s: %w", c.address, addr, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	through, err := c.connect(ctx, conn.(*net.TCPConn), network, addr)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		if ctx.Err() != nil {
			err = dialError(network, addr, endOf(ctx))
		}
		return nil, err
	}
	return through, nil
}

func (c *Client) connect(ctx context.Context, conn *net.TCPConn, network, addr string) (net.Conn, error) {
	req := "CONNECT " + addr + " HTTP/1.1\r\nHost: " + addr + "\r\nProxy-Authorization: Bearer " + c.token + "\r\n"
	if strings.ContainsAny(addr, " \r\n") {
		return nil, dialError(network, addr, errors.New("invalid address"))
	}
	if deadline, ok := ctx.Deadline(); ok {
		req += dialTimeoutHeader + ": " + strconv.FormatInt(max(1, time.Until(deadline).Milliseconds()), 10) + "\r\n"
	}
	if _, err := io.WriteString(conn, req+"\r\n"); err != nil {
		return nil, fmt.Errorf("cannot ask agent at %s to dial %s: %w", c.address, addr, err)
	}
	in := bufio.NewReaderSize(conn, 1024)
	resp, err := http.ReadResponse(in, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, fmt.Errorf("cannot ask agent at %s to dial %s: %w", c.address, addr, err)
	}
	if resp.StatusCode == http.StatusOK {
		return withRest(conn, in), nil
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
	resp.Body.Close()
	return nil, dialError(network, addr, codeError(resp, strings.TrimSpace(string(text))))
}

func codeError(resp *http.Response, text string) error {
	switch resp.Header.Get(dialErrorHeader) {
	case dialRefused:
		return os.NewSyscallError("connect", syscall.ECONNREFUSED)
	case dialTimeout:
		return timeoutError{}
	case dialForbidden:
		return fmt.Errorf("%w: %s", ErrForbidden, text)
	case dialUnknown:
		return &net.DNSError{Err: "no such host", Name: text, IsNotFound: true}
	case dialUnreachable:
		if strings.Contains(text, syscall.EHOSTUNREACH.Error()) {
			return os.NewSyscallError("connect", syscall.EHOSTUNREACH)
		}
	}
	return fmt.Errorf("the agent answered %s: %s", resp.Status, text)
}

// dialError has the form of net.Dialer's errors: "dial tcp 10.0.0.5:80: connect: connection refused".
func dialError(network, addr string, err error) error {
	op := &net.OpError{Op: "dial", Net: network, Err: err}
	if tcp, resolveErr := net.ResolveTCPAddr("tcp", literal(addr)); resolveErr == nil {
		op.Addr = tcp
	} else {
		op.Addr = named(addr)
	}
	return op
}

// literal returns addr if its host is an IP address, else an address that causes no DNS lookup.
func literal(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err != nil || net.ParseIP(host) == nil {
		return "["
	}
	return addr
}

// named is a net.Addr made of text.
type named string

func (n named) Network() string { return "tcp" }
func (n named) String() string  { return string(n) }

// timeoutError is the error of net.Dialer after a timeout.
type timeoutError struct{}

func (timeoutError) Error() string        { return "i/o timeout" }
func (timeoutError) Timeout() bool        { return true }
func (timeoutError) Temporary() bool      { return true }
func (timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

func endOf(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return timeoutError{}
	}
	return ctx.Err()
}

// withRest returns conn with the bytes that were already read from it.
func withRest(conn *net.TCPConn, in *bufio.Reader) net.Conn {
	if in.Buffered() == 0 {
		return conn
	}
	return &restConn{TCPConn: conn, in: in}
}

type restConn struct {
	*net.TCPConn
	in *bufio.Reader
}

// Read returns the bytes already read first.
func (c *restConn) Read(p []byte) (int, error) {
	if c.in.Buffered() > 0 {
		return c.in.Read(p)
	}
	return c.TCPConn.Read(p)
}

// WriteTo hides the embedded method, which would skip the bytes already read.
func (c *restConn) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{c})
}
