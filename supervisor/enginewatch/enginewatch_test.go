package enginewatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
)

// watched is a Watch on a fake engine in virtual time, and what it said.
type watched struct {
	*enginefake.Engine
	t *testing.T

	mu   sync.Mutex
	said []string
	// backFails is what Back returns.
	backFails error
}

// onWatch runs a test with a container on the engine that is watched.
func onWatch(t *testing.T, test func(w *watched, container string)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &watched{Engine: enginefake.New(), t: t}
		w.AddImage("app", enginefake.Image{})
		id, err := w.CreateContainer(t.Context(), engine.ContainerSpec{Name: "app-0", Image: "app"})
		if err == nil {
			err = w.StartContainer(t.Context(), id)
		}
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		watch := Watch{
			Engine: w.Engine, Broken: func(error) { w.say("broken") }, Lost: func(error) { w.say("lost") },
			Back: func(context.Context) error {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.said = append(w.said, "back")
				return w.backFails
			},
			Event: func(e engine.Event) { w.say(e.Type) },
		}
		go func() { ended <- watch.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		w.pass(time.Minute)
		w.want("back")
		test(w, id)
	})
}

func (w *watched) say(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, what)
}

func (w *watched) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// want compares what was said since the last time, what is said several times in a row counted once.
func (w *watched) want(what ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if got := slices.Compact(w.said); strings.Join(got, " ") != strings.Join(what, " ") {
		w.t.Fatalf("it said %v, want %v", got, what)
	}
	w.said = nil
}

func TestAnEventStreamThatIsCutIsTakenUpAtOnce(t *testing.T) {
	onWatch(t, func(w *watched, id string) {
		w.CutEvents(errors.New("unexpected EOF"))
		synctest.Wait()
		w.want("broken", "back")
		if err := w.PauseContainer(w.t.Context(), id); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		w.want("pause")
	})
}

// TestAStreamThatDoesNotLast: it is not tried in a tight loop.
func TestAStreamThatDoesNotLast(t *testing.T) {
	onWatch(t, func(w *watched, _ string) {
		before := len(w.Calls("Events"))
		for range 1000 {
			w.CutEvents(errors.New("unexpected EOF"))
			w.pass(10 * time.Millisecond)
		}
		if n := len(w.Calls("Events")) - before; n < 3 || n > 20 {
			t.Errorf("%d subscriptions in 10 s", n)
		}
	})
}

func TestAnEngineThatIsAway(t *testing.T) {
	onWatch(t, func(w *watched, _ string) {
		w.Down()
		synctest.Wait()
		w.want("broken", "lost")
		before := len(w.Calls("Events"))
		w.pass(time.Minute)
		w.want("lost")
		if n := len(w.Calls("Events")) - before; n < 20 || n > 60 {
			t.Errorf("%d tries in a minute", n)
		}
		w.Up(false)
		w.pass(retryLast)
		w.want("back")
	})
}

func TestAnEngineThatHangs(t *testing.T) {
	onWatch(t, func(w *watched, _ string) {
		w.Inject(func(f *enginefake.Faults) { f.Any = hangFor(subscribeTakes) })
		w.pass(pingEvery + pingLimit)
		w.want("broken", "lost")
		w.Heal()
		w.pass(subscribeTakes + retryLast)
		if w.said[len(w.said)-1] != "back" {
			t.Errorf("it said %v", w.said)
		}
	})
}

// subscribeTakes is how long a subscription to an engine that hangs takes to fail.
const subscribeTakes = 5 * time.Second

func hangFor(limit time.Duration) enginefake.Fault {
	return func(ctx context.Context, c enginefake.Call) error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return enginefake.Hang(ctx, c)
	}
}

// TestAnEngineThatShutsDown: it stops every container before it goes, and tells of it; nobody must hear and start them again.
func TestAnEngineThatShutsDown(t *testing.T) {
	onWatch(t, func(w *watched, id string) {
		refused := fmt.Errorf("cannot reach the Docker engine: %w", errors.New("connection refused"))
		w.Inject(func(f *enginefake.Faults) { f.Ping, f.Events = enginefake.Fail(refused), enginefake.Fail(refused) })
		if err := w.KillContainer(w.t.Context(), id, "SIGTERM"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.want("kill", "broken", "lost")
		w.Heal()
		w.pass(retryLast)
		w.want("back")
	})
}

// TestAListThatFails: as long as what there is cannot be listed nothing is known, so the engine is not back.
func TestAListThatFails(t *testing.T) {
	onWatch(t, func(w *watched, _ string) {
		w.mu.Lock()
		w.backFails = errors.New("cannot list")
		w.mu.Unlock()
		w.CutEvents(errors.New("unexpected EOF"))
		synctest.Wait()
		w.want("broken", "back", "lost")
		w.mu.Lock()
		w.backFails = nil
		w.mu.Unlock()
		w.pass(retryLast)
		if w.said[len(w.said)-1] != "back" || w.Subscribers() != 1 {
			t.Errorf("it said %v, with %d subscriptions", w.said, w.Subscribers())
		}
	})
}
