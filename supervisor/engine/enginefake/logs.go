package enginefake

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
)

type logLine struct {
	at     time.Time
	text   string
	stderr bool
}

// print adds a line to the log; the engine's mutex is held.
func (c *container) print(text string, stderr bool) {
	c.log = append(c.log, logLine{at: time.Now(), text: text, stderr: stderr})
	c.notify()
}

// printDue prints the lines of the script whose time has come.
func (c *container) printDue() {
	for len(c.unprinted) > 0 && c.unprinted[0].After <= time.Since(c.started) {
		c.print(c.unprinted[0].Text, c.unprinted[0].Stderr)
		c.unprinted = c.unprinted[1:]
	}
}

// notify wakes those who follow the log.
func (c *container) notify() {
	close(c.printed)
	c.printed = make(chan struct{})
}

// Print lets a container print a line, on stdout. It reports whether there is such a container.
func (e *Engine) Print(ref, text string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.find(ref)
	if c != nil {
		c.print(text, false)
	}
	return c != nil
}

// Logs implements engine.Containers.
func (e *Engine) Logs(ctx context.Context, id string, o engine.LogOptions) (io.ReadCloser, error) {
	var c *container
	next := 0
	err := e.call(ctx, "Logs", id, func() error {
		var err error
		if c, err = e.need(id); err != nil {
			return err
		}
		for next < len(c.log) && c.log[next].at.Before(o.Since) {
			next++
		}
		if o.Tail >= 0 {
			next = max(next, len(c.log)-o.Tail)
		}
		return nil
	})
	if err != nil {
		return nil, wrap(err, "read the log of container %s", short(id))
	}
	r, w := io.Pipe()
	s := &logStream{PipeReader: r, closed: make(chan struct{})}
	go func() { _ = w.CloseWithError(e.copyLog(ctx, c, next, o, w, s.closed)) }()
	return s, nil
}

// copyLog writes a log from a line on, to its end, or to the end of the run that goes on.
func (e *Engine) copyLog(ctx context.Context, c *container, next int, o engine.LogOptions, stdout io.Writer, closed chan struct{}) error {
	stderr := o.StderrTo
	if stderr == nil {
		stderr = stdout
	}
	for {
		e.mu.Lock()
		lines := append([]logLine(nil), c.log[next:]...)
		until := len(lines)
		for until > 0 && !o.Until.IsZero() && lines[until-1].at.After(o.Until) {
			until--
		}
		lines = lines[:until]
		alive, printed, down := c.alive() || c.state == engine.StateRestarting, c.printed, e.down
		e.mu.Unlock()
		next += len(lines)
		for _, l := range lines {
			if !o.Until.IsZero() && l.at.After(o.Until) {
				return nil
			}
			text := l.text + "\n"
			if o.Timestamps {
				text = l.at.UTC().Format("2006-01-02T15:04:05.000000000Z07:00") + " " + text
			}
			to := stdout
			if l.stderr {
				to = stderr
			}
			if _, err := io.WriteString(to, text); err != nil {
				return err
			}
		}
		if !o.Follow || !alive {
			return nil
		}
		select {
		case <-printed:
		case <-closed:
			return nil
		case <-down:
			return io.ErrUnexpectedEOF
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// logStream ends the goroutine behind it when it is closed.
type logStream struct {
	*io.PipeReader
	once   sync.Once
	closed chan struct{}
}

func (l *logStream) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.PipeReader.Close()
}
