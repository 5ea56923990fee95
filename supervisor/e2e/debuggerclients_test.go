//go:build debuggers

package e2e_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/rpc/jsonrpc"
	"net/textproto"
	"strconv"
	"strings"
)

// dial connects to a debugger until ctx ends; everything that is read and written ends with ctx too.
func dial(ctx context.Context, at string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", at)
	if err == nil {
		if deadline, ok := ctx.Deadline(); ok {
			err = conn.SetDeadline(deadline)
		}
	}
	return conn, err
}

// dap is a connection of the Debug Adapter Protocol.
type dap struct {
	net.Conn
	in  *bufio.Reader
	seq int
}

type dapMessage struct {
	Type, Event, Command, Message string
	Success                       bool
	RequestSeq                    int `json:"request_seq"`
	Body                          struct {
		ThreadID int `json:"threadId"`
		Reason   string
	}
}

func (d *dap) send(command string, arguments any) error {
	d.seq++
	b, err := json.Marshal(map[string]any{"seq": d.seq, "type": "request", "command": command, "arguments": arguments})
	if err == nil {
		_, err = fmt.Fprintf(d, "Content-Length: %d\r\n\r\n%s", len(b), b)
	}
	return err
}

// until reads messages up to an event or the response to a command.
func (d *dap) until(what string) (m dapMessage, err error) {
	for {
		head, err := textproto.NewReader(d.in).ReadMIMEHeader()
		if err != nil {
			return m, fmt.Errorf("waiting for %s: %w", what, err)
		}
		n, _ := strconv.Atoi(head.Get("Content-Length"))
		b := make([]byte, n)
		if _, err := io.ReadFull(d.in, b); err != nil {
			return m, err
		}
		m = dapMessage{}
		if err := json.Unmarshal(b, &m); err != nil {
			return m, err
		}
		if m.Type == "response" && !m.Success {
			return m, fmt.Errorf("%s: %s", m.Command, m.Message)
		}
		if m.Type == "event" && m.Event == what || m.Type == "response" && m.Command == what {
			return m, nil
		}
	}
}

// attachDAP attaches to debugpy and sets a breakpoint at a line.
func attachDAP(file string, line int) func(context.Context, string, func()) (func() error, error) {
	return func(ctx context.Context, at string, hit func()) (func() error, error) {
		conn, err := dial(ctx, at)
		if err != nil {
			return nil, err
		}
		d := &dap{Conn: conn, in: bufio.NewReader(conn)}
		steps := []func() error{
			func() error { return d.send("initialize", map[string]any{"adapterID": "python", "pathFormat": "path"}) },
			func() error { _, err := d.until("initialize"); return err },
			func() error { return d.send("attach", map[string]any{"justMyCode": false}) },
			func() error { _, err := d.until("initialized"); return err },
			func() error {
				return d.send("setBreakpoints", map[string]any{
					"source": map[string]any{"path": file}, "breakpoints": []any{map[string]any{"line": line}},
				})
			},
			func() error { _, err := d.until("setBreakpoints"); return err },
			func() error { return d.send("configurationDone", nil) },
			func() error { _, err := d.until("configurationDone"); return err },
			func() error { hit(); return nil },
		}
		for _, step := range steps {
			if err := step(); err != nil {
				return nil, errors.Join(err, conn.Close())
			}
		}
		stopped, err := d.until("stopped")
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		return func() error {
			defer conn.Close()
			err := d.send("setBreakpoints", map[string]any{"source": map[string]any{"path": file}, "breakpoints": []any{}})
			return errors.Join(err, d.send("continue", map[string]any{"threadId": stopped.Body.ThreadID}),
				d.send("disconnect", map[string]any{"terminateDebuggee": false}), func() error { _, err := d.until("disconnect"); return err }())
		}, nil
	}
}

// attachDelve attaches to a headless dlv (API version 2) and sets a breakpoint at a function.
func attachDelve(function string) func(context.Context, string, func()) (func() error, error) {
	return func(ctx context.Context, at string, hit func()) (func() error, error) {
		conn, err := dial(ctx, at)
		if err != nil {
			return nil, err
		}
		c := jsonrpc.NewClient(conn)
		command := func(name string) error {
			var out struct{ State struct{ Exited bool } }
			return c.Call("RPCServer.Command", map[string]any{"name": name}, &out)
		}
		var made struct{ Breakpoint struct{ ID int } }
		err = command("halt")
		if err == nil {
			err = c.Call("RPCServer.CreateBreakpoint", map[string]any{"Breakpoint": map[string]any{"functionName": function, "line": -1}}, &made)
		}
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		hit()
		if err := command("continue"); err != nil { // it returns when the process stands
			return nil, errors.Join(err, c.Close())
		}
		return func() error {
			var out any
			err := c.Call("RPCServer.ClearBreakpoint", map[string]any{"Id": made.Breakpoint.ID}, &out)
			// A multi-client dlv goes on when a client leaves; RPCServer.Detach would end it, and with it the container.
			c.Go("RPCServer.Command", map[string]any{"name": "continue"}, &out, nil)
			return errors.Join(err, c.Close())
		}, nil
	}
}

// inspector is a WebSocket connection to Node's inspector.
type inspector struct {
	net.Conn
	in *bufio.Reader
	id int
}

func openInspector(ctx context.Context, at string) (*inspector, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at+"/json", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var targets []struct{ WebSocketDebuggerURL string }
	if err := json.NewDecoder(resp.Body).Decode(&targets); err != nil || len(targets) == 0 {
		return nil, fmt.Errorf("the inspector lists %d targets: %w", len(targets), err)
	}
	conn, err := dial(ctx, at)
	if err != nil {
		return nil, err
	}
	path := targets[0].WebSocketDebuggerURL[strings.LastIndexByte(targets[0].WebSocketDebuggerURL, '/'):]
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", path, at)
	i := &inspector{Conn: conn, in: bufio.NewReader(conn)}
	upgrade, err := http.ReadResponse(i.in, nil)
	if err != nil || upgrade.StatusCode != http.StatusSwitchingProtocols {
		return nil, errors.Join(fmt.Errorf("cannot open the WebSocket: %v, %w", upgrade, err), conn.Close())
	}
	return i, nil
}

// call sends a command and waits for its answer.
func (i *inspector) call(method string, params any) error {
	i.id++
	b, err := json.Marshal(map[string]any{"id": i.id, "method": method, "params": params})
	if err != nil {
		return err
	}
	frame := []byte{0x81, 0x80 | 126, 0, 0, 0, 0, 0, 0} // text, masked with zeros
	binary.BigEndian.PutUint16(frame[2:], uint16(len(b)))
	if _, err := i.Write(append(frame, b...)); err != nil {
		return err
	}
	return i.until(func(id int, _ string) bool { return id == i.id })
}

// until reads messages up to one that found accepts, by the number of the command that it answers or the name of the event.
func (i *inspector) until(found func(id int, event string) bool) error {
	for {
		head := make([]byte, 2)
		if _, err := io.ReadFull(i.in, head); err != nil {
			return err
		}
		n := int(head[1])
		if extra := map[int]int{126: 2, 127: 8}[n]; extra > 0 {
			b := make([]byte, 8)
			if _, err := io.ReadFull(i.in, b[8-extra:]); err != nil {
				return err
			}
			n = int(binary.BigEndian.Uint64(b))
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(i.in, b); err != nil {
			return err
		}
		var m struct {
			ID     int
			Method string
			Error  struct{ Message string }
		}
		if err := json.Unmarshal(b, &m); err != nil {
			return fmt.Errorf("the inspector says %q: %w", b, err)
		}
		if m.Error.Message != "" {
			return errors.New(m.Error.Message)
		}
		if found(m.ID, m.Method) {
			return nil
		}
	}
}

// attachInspector attaches to Node's inspector and sets a breakpoint at a line, from 1, of the scripts whose URL matches.
func attachInspector(url string, line int) func(context.Context, string, func()) (func() error, error) {
	return func(ctx context.Context, at string, hit func()) (func() error, error) {
		i, err := openInspector(ctx, at)
		if err != nil {
			return nil, err
		}
		err = i.call("Debugger.enable", map[string]any{})
		if err == nil {
			err = i.call("Debugger.setBreakpointByUrl", map[string]any{"lineNumber": line - 1, "urlRegex": url})
		}
		if err == nil {
			hit()
			err = i.until(func(_ int, event string) bool { return event == "Debugger.paused" })
		}
		if err != nil {
			return nil, errors.Join(err, i.Close())
		}
		return func() error {
			return errors.Join(i.call("Debugger.resume", map[string]any{}), i.call("Debugger.disable", map[string]any{}), i.Close())
		}, nil
	}
}
