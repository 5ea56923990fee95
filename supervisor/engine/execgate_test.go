package engine

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestExecGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		var g execGate
		var begun string
		looks := func(_ context.Context, id string) bool { return id == begun }
		name, leave, err := g.enter(ctx, "c")
		if err != nil {
			t.Fatal(err)
		}
		var open func()
		shut := make(chan struct{})
		go func() {
			defer close(shut)
			var err error
			if open, err = g.shut(ctx, "c", looks); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		select {
		case <-shut:
			t.Error("a container is frozen while a command begins in it")
		default:
		}
		if _, leave, err := g.enter(ctx, "other"); err != nil {
			t.Error("another container's commands are kept out: ", err)
		} else {
			leave()
		}
		entered := make(chan struct{})
		go func() {
			defer close(entered)
			_, leave, err := g.enter(ctx, "c")
			if err != nil {
				t.Error(err)
				return
			}
			leave()
		}()
		begun = "x"
		name("x")
		<-shut
		synctest.Wait()
		select {
		case <-entered:
			t.Error("a command begins while its container is frozen")
		default:
		}
		open()
		<-entered
		leave()
		if len(g.doors) != 0 {
			t.Errorf("left: %v", g.doors)
		}
	})
}

func TestExecGateEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g execGate
		never := func(context.Context, string) bool { return false }
		_, leave, err := g.enter(t.Context(), "c")
		if err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := g.shut(short, "c", never); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a command that never begins: %v", err)
		}
		leave()
		open, err := g.shut(t.Context(), "c", never)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := g.enter(short, "c"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a container that stays frozen: %v", err)
		}
		open()
		if len(g.doors) != 0 {
			t.Errorf("left: %v", g.doors)
		}
	})
}

// Commands that begin while their container is frozen again and again: without the gate, engine 20.10 soon answers nothing
// about the container any more.
func TestPauseWhileCommandsBegin(t *testing.T) {
	b := newBench(t)
	id := b.run(ContainerSpec{}, "sleep 600")
	ctx, cancel := context.WithCancel(b.ctx)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := b.Exec(ctx, id, ExecSpec{Cmd: []string{"true"}}); err != nil && !errors.Is(err, ErrExecNotStarted) && ctx.Err() == nil {
					t.Errorf("a command in a container that is frozen now and then: %v", err)
				}
			}
		})
	}
	for range 10 {
		b.must(b.PauseContainer(b.ctx, id))
		_, err := b.InspectContainer(b.ctx, id)
		b.must(err)
		b.must(b.UnpauseContainer(b.ctx, id))
		// The engine hears late that the container was paused, and takes it to be so again for a moment.
		for err = ErrExecNotStarted; errors.Is(err, ErrExecNotStarted) && b.ctx.Err() == nil; {
			_, err = b.Exec(b.ctx, id, ExecSpec{Cmd: []string{"true"}})
		}
		b.must(err)
	}
	cancel()
	wg.Wait()
}
