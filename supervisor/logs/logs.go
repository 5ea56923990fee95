// Package logs reads and follows the logs of a stack's containers, including containers that start later.
package logs

import (
	"bufio"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// Source is the part of engine.Engine that Stream needs.
type Source interface {
	ListContainers(ctx context.Context, labels map[string]string) ([]engine.Container, error)
	Logs(ctx context.Context, id string, opts engine.LogOptions) (io.ReadCloser, error)
	Events(ctx context.Context, labels map[string]string) (<-chan engine.Event, func() error, error)
}

// Line is one log line of a container.
type Line struct {
	Pod, Container, Text string
}

// Options choose the lines.
type Options struct {
	Project string
	// Match selects containers by their labels; nil selects all containers of pods.
	Match func(labels map[string]string) bool
	// Follow continues until ctx ends. Tail is the number of last lines per container; < 0 is all.
	Follow bool
	Tail   int
	Since  time.Time
	// Until leaves later lines out; the zero time is no limit. It is meant for Follow false.
	Until      time.Time
	Timestamps bool
}

// Labels of pods' containers.
const (
	PodLabel       = "dev.lyandev.pod"
	ContainerLabel = "dev.lyandev.container"
)

// maxLine bounds one line; the rest of a longer one is a line of its own.
const maxLine = 256 << 10

// Stream calls out with each line, one call at a time. Without Follow it returns after the last existing line. With Follow it
// blocks until ctx ends (nil) or the engine becomes unavailable.
func Stream(ctx context.Context, src Source, o Options, out func(Line)) error {
	ctx, cancel := context.WithCancel(ctx)
	f := &follower{src: src, opts: o, out: out, following: map[string]bool{}}
	defer f.wg.Wait()
	defer cancel()
	labels := map[string]string{services.ProjectLabel: o.Project}
	var events <-chan engine.Event
	var why func() error
	if o.Follow {
		var err error
		if events, why, err = src.Events(ctx, labels); err != nil {
			return err
		}
	}
	list, err := src.ListContainers(ctx, labels)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.State != engine.StateCreated { // not started: nothing printed, and the start event follows
			f.follow(ctx, c.ID, c.Labels, o.Tail, o.Since)
		}
	}
	if !o.Follow {
		f.wg.Wait()
		return f.err
	}
	return f.watch(ctx, events, why)
}

type follower struct {
	src  Source
	opts Options
	wg   sync.WaitGroup

	mu        sync.Mutex
	out       func(Line)
	following map[string]bool
	err       error
}

// watch follows containers that start, until ctx or the event stream ends.
func (f *follower) watch(ctx context.Context, events <-chan engine.Event, why func() error) error {
	died := map[string]time.Time{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-events:
			switch {
			case !ok:
				return why()
			case e.Type == "start":
				f.follow(ctx, e.ID, e.Labels, -1, later(f.opts.Since, died[e.ID]))
			case e.Type == "die": // after another start its log is followed again
				died[e.ID] = e.Time
				f.forget(e.ID)
			case e.Type == "destroy":
				delete(died, e.ID)
			}
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (f *follower) forget(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.following, id)
}

func (f *follower) follow(ctx context.Context, id string, labels map[string]string, tail int, since time.Time) {
	pod, container := labels[PodLabel], labels[ContainerLabel]
	f.mu.Lock()
	defer f.mu.Unlock()
	if pod == "" || container == "" || f.following[id] || (f.opts.Match != nil && !f.opts.Match(labels)) {
		return
	}
	f.following[id] = true
	f.wg.Go(func() {
		err := f.read(ctx, id, Line{Pod: pod, Container: container}, tail, since)
		f.mu.Lock()
		defer f.mu.Unlock()
		// A conflict means that the container is being removed.
		if err != nil && ctx.Err() == nil && !engine.IsNotFound(err) && !engine.IsConflict(err) {
			f.err = errors.Join(f.err, err)
		}
	})
}

func (f *follower) read(ctx context.Context, id string, line Line, tail int, since time.Time) error {
	r, err := f.src.Logs(ctx, id, engine.LogOptions{
		Follow: f.opts.Follow, Tail: tail, Since: since, Until: f.opts.Until, Timestamps: f.opts.Timestamps,
	})
	if err != nil {
		return err
	}
	defer r.Close()
	stop := context.AfterFunc(ctx, func() { _ = r.Close() })
	defer stop()
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		text, _, err := lines.ReadLine()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		line.Text = string(text)
		f.mu.Lock()
		f.out(line)
		f.mu.Unlock()
	}
}
