// Package logs reads and follows the logs of a stack's containers, including containers that start later.
package logs

import (
	"bufio"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// Source is the part of engine.Engine that Stream needs.
type Source interface {
	ListContainers(ctx context.Context, labels map[string]string) ([]engine.Container, error)
	Logs(ctx context.Context, id string, opts engine.LogOptions) (io.ReadCloser, error)
	InspectContainer(ctx context.Context, id string) (engine.Container, error)
	Events(ctx context.Context, labels map[string]string) (<-chan engine.Event, func() error, error)
}

// Line is one log line of a container.
type Line struct {
	Pod, Container, Text string
}

// Options choose the lines.
type Options struct {
	Project string
	// Match selects containers by their names on the engine and their labels; nil selects all containers of pods.
	Match func(name string, labels map[string]string) bool
	// Follow continues until ctx ends. Tail is the number of last lines per container; < 0 is all.
	Follow bool
	Tail   int
	Since  time.Time
	// Until leaves later lines out; the zero time is no limit. It is meant for Follow false.
	Until      time.Time
	Timestamps bool
	// Previous chooses the run before the present one of each container (see previous.go). It does not go with Follow.
	Previous bool
	// Flush, if not nil, is called when no further line is waiting: the lines so far may be written out together.
	Flush func()
}

const (
	// maxLine bounds one line; the rest of a longer one is a line of its own.
	maxLine = 16 << 20
	// readAhead is how much of a log is read at once.
	readAhead = 64 << 10
)

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
	list = slices.DeleteFunc(list, func(c engine.Container) bool { // not started: nothing printed, and the start event follows
		return c.State == engine.StateCreated || !f.chosen(c.Name, c.Labels)
	})
	if !o.Follow {
		f.readAll(ctx, list)
		return f.err
	}
	for _, c := range list {
		f.follow(ctx, c.ID, c.Name, c.Labels, o.Tail, o.Since)
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
				f.follow(ctx, e.ID, e.Labels["name"], e.Labels, -1, later(f.opts.Since, died[e.ID]))
			case e.Type == "die": // after another start its log is followed again
				died[e.ID] = e.Time
				f.forget(e.ID)
			case e.Type == "destroy":
				delete(died, e.ID)
			}
		}
	}
}

// readAll reads the logs as they are: the instances of one container one after the other, the oldest first, and different
// containers side by side.
func (f *follower) readAll(ctx context.Context, list []engine.Container) {
	for _, instances := range byContainer(list) {
		var runs []run
		for _, c := range instances {
			runs = append(runs, run{id: c.ID})
		}
		if f.opts.Previous {
			runs = f.previous(ctx, instances)
		}
		labels := instances[0].Labels
		f.wg.Go(func() {
			for _, r := range runs {
				f.note(ctx, f.read(ctx, r, lineOf(labels), f.opts.Tail, f.opts.Since))
			}
		})
	}
	f.wg.Wait()
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

// chosen reports whether the labels are those of a pod's container that was asked for.
func (f *follower) chosen(name string, labels map[string]string) bool {
	return labels[services.PodLabel] != "" && labels[services.ContainerLabel] != "" && (f.opts.Match == nil || f.opts.Match(name, labels))
}

func lineOf(labels map[string]string) Line {
	shown := services.ShownName(labels["com.docker.compose.service"], labels[services.WorkloadLabel], labels[services.PodLabel])
	return Line{Pod: shown, Container: labels[services.ContainerLabel]}
}

func (f *follower) follow(ctx context.Context, id, name string, labels map[string]string, tail int, since time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.following[id] || !f.chosen(name, labels) {
		return
	}
	f.following[id] = true
	f.wg.Go(func() { f.note(ctx, f.read(ctx, run{id: id}, lineOf(labels), tail, since)) })
}

// note keeps the error of a log, unless the container is being removed (a conflict) or the reader was told to end.
func (f *follower) note(ctx context.Context, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && ctx.Err() == nil && !engine.IsNotFound(err) && !engine.IsConflict(err) {
		f.err = errors.Join(f.err, err)
	}
}

func (f *follower) read(ctx context.Context, what run, line Line, tail int, since time.Time) error {
	out := f.out
	if !what.until.IsZero() && tail >= 0 { // the engine counts the last lines of the whole log
		kept := &lastLines{n: tail}
		out, tail = kept.add, -1
		defer f.tell(kept)
	}
	r, err := f.src.Logs(ctx, what.id, engine.LogOptions{
		Follow: f.opts.Follow, Tail: tail, Since: since, Until: earlier(what.until, f.opts.Until), Timestamps: f.opts.Timestamps, Lines: true,
	})
	if err != nil {
		return err
	}
	defer r.Close()
	stop := context.AfterFunc(ctx, func() { _ = r.Close() })
	defer stop()
	defer f.flush()
	lines := bufio.NewReaderSize(r, readAhead)
	var long []byte
	for {
		if lines.Buffered() == 0 {
			f.flush()
		}
		text, more, err := lines.ReadLine()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if more && len(long)+len(text) < maxLine {
			long = append(long, text...)
			continue
		}
		if len(long) > 0 {
			text = append(long, text...)
		}
		line.Text, long = string(text), long[:0]
		f.mu.Lock()
		out(line)
		f.mu.Unlock()
	}
}

func (f *follower) flush() {
	if f.opts.Flush != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.opts.Flush()
	}
}

// earlier is the earlier of two times; the zero time is no limit.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// lastLines keeps the last n lines.
type lastLines struct {
	n     int
	lines []Line
}

func (k *lastLines) add(l Line) {
	if k.lines = append(k.lines, l); len(k.lines) > k.n {
		k.lines = k.lines[1:]
	}
}

// tell calls out with the lines that were kept.
func (f *follower) tell(kept *lastLines) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range kept.lines {
		f.out(l)
	}
}
