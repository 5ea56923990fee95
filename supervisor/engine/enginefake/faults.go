package enginefake

import (
	"context"
	"reflect"
	"slices"
	"time"
)

// Call is one call of a method.
type Call struct {
	// Method is the name in engine.Engine, Object what it is about: the name (never the ID) of a container or network,
	// an image reference, a volume.
	Method, Object string
	Time           time.Time
}

// Fault is called before a method works; an error is what the method returns instead of working. It may block.
type Fault func(ctx context.Context, c Call) error

// Fail is a fault that returns err.
func Fail(err error) Fault { return func(context.Context, Call) error { return err } }

// Delay is a fault that only takes time.
func Delay(d time.Duration) Fault {
	return func(ctx context.Context, _ Call) error {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Hang is a fault that blocks until the caller gives up.
func Hang(ctx context.Context, _ Call) error {
	<-ctx.Done()
	return ctx.Err()
}

// Times makes a fault that happens n times, and then no more.
func Times(n int, f Fault) Fault {
	left := make(chan struct{}, n)
	for range n {
		left <- struct{}{}
	}
	return func(ctx context.Context, c Call) error {
		select {
		case <-left:
			return f(ctx, c)
		default:
			return nil
		}
	}
}

// Faults are the faults in force: one a method, Any for all of them (it comes first), and Lost for calls that did their
// work but whose answer does not arrive. nil is none.
type Faults struct {
	Any, Lost Fault

	Info, Ping, Events Fault

	CreateContainer, StartContainer, StopContainer, KillContainer, PauseContainer, UnpauseContainer                                 Fault
	RemoveContainer, RemoveContainerOnly, RenameContainer, InspectContainer, ListContainers, Logs, Exec, CopyTo, CopyOver, CopyFrom Fault
	Wait, Attach, ResizeTTY, Top, Stats                                                                                             Fault

	InspectImage, PullImage, ImportImage, ListImages, TagImage, RemoveImage Fault

	CreateNetwork, RemoveNetwork, InspectNetwork, ListNetworks, ConnectNetwork, DisconnectNetwork Fault

	CreateVolume, InspectVolume, RemoveVolume, ListVolumes Fault

	DiskUsage, PruneBuildCache Fault
}

// of is the field that has the method's name.
func (f *Faults) of(method string) Fault {
	return reflect.ValueOf(f).Elem().FieldByName(method).Interface().(Fault)
}

// Inject changes the faults in force.
func (e *Engine) Inject(change func(f *Faults)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(&e.faults)
}

// Heal removes every fault.
func (e *Engine) Heal() { e.Inject(func(f *Faults) { *f = Faults{} }) }

// Calls are the calls made so far, in order; with methods given, only theirs.
func (e *Engine) Calls(methods ...string) []Call {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []Call
	for _, c := range e.calls {
		if len(methods) == 0 || slices.Contains(methods, c.Method) {
			out = append(out, c)
		}
	}
	return out
}
