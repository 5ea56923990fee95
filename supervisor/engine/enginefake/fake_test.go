package enginefake_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
)

// bubble runs a test in virtual time with an engine that has one image, "app".
func bubble(t *testing.T, f func(t *testing.T, e *enginefake.Engine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := enginefake.New()
		e.AddImage("app", enginefake.Image{})
		f(t, e)
	})
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, e *enginefake.Engine, name string) string {
	t.Helper()
	id, err := e.CreateContainer(t.Context(), engine.ContainerSpec{Name: name, Image: "app", Labels: map[string]string{"of": "test"}})
	ok(t, err)
	ok(t, e.StartContainer(t.Context(), id))
	return id
}

func inspect(t *testing.T, e *enginefake.Engine, id string) engine.Container {
	t.Helper()
	c, err := e.InspectContainer(t.Context(), id)
	ok(t, err)
	return c
}

func TestScriptedProcesses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		script enginefake.Script
		grace  time.Duration
		// want is the exit code and the time of the stop call, which comes after 5 s; "" for one that has ended before.
		want string
	}{
		{"by default ends at once", enginefake.Script{}, 30 * time.Second, "143 after 0s"},
		{"takes its time", enginefake.Script{OnStop: &enginefake.Exit{After: 2 * time.Second}}, 30 * time.Second, "0 after 2s"},
		{"takes too long", enginefake.Script{OnStop: &enginefake.Exit{After: 2 * time.Minute}}, 30 * time.Second, "137 after 30s"},
		{"ignores it", enginefake.Script{IgnoreStop: true}, 3 * time.Second, "137 after 3s"},
		{"has crashed", enginefake.Script{Exit: &enginefake.Exit{After: time.Second, Code: 2}}, 3 * time.Second, "2 after 0s"},
		{"has no memory", enginefake.Script{Exit: &enginefake.Exit{After: time.Second, OOM: true}}, 3 * time.Second, "137 after 0s"},
		{"crashes meanwhile", enginefake.Script{IgnoreStop: true, Exit: &enginefake.Exit{After: 6 * time.Second, Code: 9}}, time.Minute, "9 after 1s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, e *enginefake.Engine) {
				e.On("x-*", tc.script)
				id := run(t, e, "x-1")
				time.Sleep(5 * time.Second)
				began := time.Now()
				ok(t, e.StopContainer(t.Context(), id, "", tc.grace))
				c := inspect(t, e, id)
				if got := fmt.Sprint(c.ExitCode, " after ", time.Since(began)); got != tc.want {
					t.Errorf("got %s, want %s", got, tc.want)
				}
				if c.OOMKilled != strings.Contains(tc.name, "memory") {
					t.Errorf("OOMKilled is %v", c.OOMKilled)
				}
			})
		})
	}
}

func TestScriptsByNameAndByStart(t *testing.T) {
	bubble(t, func(t *testing.T, e *enginefake.Engine) {
		e.On("app*", enginefake.Script{Exit: &enginefake.Exit{Code: 1}})
		e.OnEach("db-*", func(start int, _ engine.ContainerSpec) enginefake.Script {
			return enginefake.Script{Exit: &enginefake.Exit{Code: start + 10}}
		})
		web, db, other := run(t, e, "web"), run(t, e, "db-0"), run(t, e, "db-1")
		ok(t, e.StartContainer(t.Context(), db))
		for id, want := range map[string]int{web: 1, db: 11, other: 10} {
			if c := inspect(t, e, id); c.ExitCode != want || c.State != engine.StateExited {
				t.Errorf("%s: %s with %d, want %d", c.Name, c.State, c.ExitCode, want)
			}
		}
	})
}

func TestPauseFreezesTheProcess(t *testing.T) {
	bubble(t, func(t *testing.T, e *enginefake.Engine) {
		e.On("app*", enginefake.Script{Exit: &enginefake.Exit{After: time.Second, Code: 4}})
		id := run(t, e, "aa")
		ok(t, e.PauseContainer(t.Context(), id))
		time.Sleep(time.Hour)
		if c := inspect(t, e, id); c.State != engine.StatePaused {
			t.Fatalf("state %s", c.State)
		}
		ok(t, e.UnpauseContainer(t.Context(), id))
		if c := inspect(t, e, id); c.ExitCode != 4 {
			t.Errorf("exit code %d", c.ExitCode)
		}
	})
}

func TestStartThatTakesTimeAndFails(t *testing.T) {
	bubble(t, func(t *testing.T, e *enginefake.Engine) {
		e.On("app*", enginefake.Script{StartTakes: 3 * time.Second, StartError: "no such device"})
		id, err := e.CreateContainer(t.Context(), engine.ContainerSpec{Name: "aa", Image: "app"})
		ok(t, err)
		began := time.Now()
		if err := e.StartContainer(t.Context(), id); err == nil || time.Since(began) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestFaults(t *testing.T) {
	bubble(t, func(t *testing.T, e *enginefake.Engine) {
		boom := errors.New("boom")
		id := run(t, e, "aa")
		e.Inject(func(f *enginefake.Faults) {
			f.StopContainer = enginefake.Times(1, enginefake.Fail(boom))
			f.InspectContainer = enginefake.Delay(4 * time.Second)
			f.RemoveContainer = enginefake.Hang
			f.Any = func(_ context.Context, c enginefake.Call) error {
				if c.Method == "KillContainer" && c.Object == "aa" {
					return boom
				}
				return nil
			}
		})
		began := time.Now()
		inspect(t, e, id)
		if d := time.Since(began); d != 4*time.Second {
			t.Errorf("the delay took %v", d)
		}
		if err := e.KillContainer(t.Context(), id, "SIGKILL"); !errors.Is(err, boom) {
			t.Errorf("kill: %v", err)
		}
		if err := e.StopContainer(t.Context(), id, "", time.Second); !errors.Is(err, boom) {
			t.Errorf("first stop: %v", err)
		}
		ok(t, e.StopContainer(t.Context(), id, "", time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := e.RemoveContainer(ctx, id); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) < time.Minute {
			t.Errorf("remove: %v", err)
		}
		e.Heal()
		e.Inject(func(f *enginefake.Faults) { f.Lost = enginefake.Fail(boom) })
		if err := e.RemoveContainer(t.Context(), id); !errors.Is(err, boom) {
			t.Errorf("lost answer: %v", err)
		}
		e.Heal()
		if _, err := e.InspectContainer(t.Context(), id); !engine.IsNotFound(err) {
			t.Errorf("it did its work, though: %v", err)
		}
		if n := len(e.Calls("RemoveContainer", "KillContainer")); n != 3 {
			t.Errorf("%d calls noted", n)
		}
	})
}

// TestEveryMethodHasAFault calls each method of the interface with a fault that its name alone chooses.
func TestEveryMethodHasAFault(t *testing.T) {
	e := enginefake.New()
	seen := map[string]bool{}
	e.Inject(func(f *enginefake.Faults) {
		f.Any = func(_ context.Context, c enginefake.Call) error { seen[c.Method] = true; return errors.New("no") }
	})
	ctx := t.Context()
	_, err := e.Info(ctx)
	errs := []error{
		err, e.Ping(ctx), e.StartContainer(ctx, "x"), e.StopContainer(ctx, "x", "", 0), e.KillContainer(ctx, "x", ""), e.PauseContainer(ctx, "x"),
		e.UnpauseContainer(ctx, "x"), e.RemoveContainer(ctx, "x"), e.RemoveContainerOnly(ctx, "x"), e.RenameContainer(ctx, "x", "y"), e.CopyTo(ctx, "x", "/", strings.NewReader("")),
		e.CopyOver(ctx, "x", "/", strings.NewReader("")),
		e.PullImage(ctx, "x", engine.PullOptions{}), e.TagImage(ctx, "x", "y"), e.RemoveImage(ctx, "x"), e.RemoveNetwork(ctx, "x"), e.RemoveVolume(ctx, "x"),
		e.ConnectNetwork(ctx, "x", "y", engine.EndpointAt(netip.Addr{})), e.DisconnectNetwork(ctx, "x", "y"), e.CreateVolume(ctx, engine.VolumeSpec{Name: "x"}),
		e.ResizeTTY(ctx, "x", 1, 1),
	}
	also := func(_ any, err error) { errs = append(errs, err) }
	also(e.CreateContainer(ctx, engine.ContainerSpec{}))
	also(e.InspectContainer(ctx, "x"))
	also(e.ListContainers(ctx, nil))
	also(e.Logs(ctx, "x", engine.LogOptions{}))
	also(e.Exec(ctx, "x", engine.ExecSpec{Cmd: []string{"x"}}))
	also(e.CopyFrom(ctx, "x", "/"))
	also(e.Wait(ctx, "x", engine.UntilStopped))
	also(e.Attach(ctx, "x", engine.AttachOptions{}))
	also(e.Top(ctx, "x", nil))
	also(e.Stats(ctx, "x"))
	also(e.InspectNetwork(ctx, "x"))
	also(e.InspectVolume(ctx, "x"))
	also(e.InspectImage(ctx, "x"))
	also(e.ImportImage(ctx, "x", nil, strings.NewReader("")))
	also(e.ListImages(ctx, nil))
	also(e.CreateNetwork(ctx, engine.NetworkSpec{}))
	also(e.ListNetworks(ctx, nil))
	also(e.ListVolumes(ctx, nil))
	_, _, err = e.Events(ctx, nil)
	errs = append(errs, err)
	for i, err := range errs {
		if err == nil {
			t.Errorf("call %d succeeded", i)
		}
	}
	all := reflect.TypeFor[engine.Engine]()
	for i := range all.NumMethod() {
		if name := all.Method(i).Name; name != "Close" && !seen[name] {
			t.Errorf("no fault for %s", name)
		}
	}
}

func TestDownAndUp(t *testing.T) {
	bubble(t, func(t *testing.T, e *enginefake.Engine) {
		e.On("always", enginefake.Script{IgnoreStop: true, Exec: enginefake.Succeed})
		id := run(t, e, "once")
		again, err := e.CreateContainer(t.Context(), engine.ContainerSpec{Name: "always", Image: "app", RestartPolicy: "always"})
		ok(t, err)
		ok(t, e.StartContainer(t.Context(), again))
		events, why, err := e.Events(t.Context(), nil)
		ok(t, err)
		log, err := e.Logs(t.Context(), id, engine.LogOptions{Follow: true, Tail: -1})
		ok(t, err)
		stop := make(chan error, 1)
		go func() { stop <- e.StopContainer(t.Context(), again, "", time.Hour) }()
		synctest.Wait()
		e.Down()
		var told []string
		for ev := range events {
			told = append(told, ev.Type)
		}
		if d := cmp.Diff([]string{"kill"}, told); d != "" || !engine.IsUnavailable(why()) {
			t.Errorf("events %s, %v", d, why())
		}
		if _, err := io.ReadAll(log); !engine.IsUnavailable(err) {
			t.Errorf("log: %v", err)
		}
		if err := <-stop; !engine.IsUnavailable(err) {
			t.Errorf("stop: %v", err)
		}
		if err := e.Ping(t.Context()); !engine.IsUnavailable(err) {
			t.Errorf("ping: %v", err)
		}
		if _, err := e.Info(t.Context()); !engine.IsUnavailable(err) {
			t.Errorf("info: %v", err)
		}
		e.Up(false)
		if c := inspect(t, e, id); c.State != engine.StateRunning {
			t.Errorf("after a short absence: %s", c.State)
		}
		e.Down()
		e.Up(true)
		time.Sleep(time.Second)
		if c := inspect(t, e, id); c.State != engine.StateExited || c.ExitCode != 0 {
			t.Errorf("after a crash of the daemon: %s with %d", c.State, c.ExitCode)
		}
		if c := inspect(t, e, again); c.State != engine.StateRunning {
			t.Errorf("restart policy always: %s", c.State)
		}
	})
}

func TestEventsCutAndLost(t *testing.T) {
	bubble(t, func(t *testing.T, e *enginefake.Engine) {
		events, why, err := e.Events(t.Context(), map[string]string{"of": "test"})
		ok(t, err)
		run(t, e, "aa")
		e.CutEvents(errors.New("unexpected EOF"))
		var got []string
		for ev := range events {
			got = append(got, ev.Type)
		}
		if strings.Join(got, " ") != "create start" || why() == nil {
			t.Errorf("%v, then %v", got, why())
		}
		if n := e.Subscribers(); n != 0 {
			t.Errorf("%d subscribers left", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		events, why, err = e.Events(ctx, nil)
		ok(t, err)
		for i := range 1000 { // nobody reads, nobody waits
			run(t, e, fmt.Sprint("many-", i))
		}
		cancel()
		for range events {
		}
		ok(t, why())
	})
}

func TestTheOutsideWorld(t *testing.T) {
	bubble(t, func(t *testing.T, e *enginefake.Engine) {
		ctx := t.Context()
		at := netip.MustParseAddrPort("127.0.0.1:80")
		e.Occupy(netip.MustParseAddrPort("0.0.0.0:80"))
		id, err := e.CreateContainer(ctx, engine.ContainerSpec{
			Name: "aa", Image: "app", Network: "bridge", Publish: []engine.PortBinding{{HostIP: at.Addr(), HostPort: 80, ContainerPort: 80}},
		})
		ok(t, err)
		if err := e.StartContainer(ctx, id); !engine.IsPortTaken(err) {
			t.Errorf("start: %v", err)
		}
		e.Vacate(netip.MustParseAddrPort("0.0.0.0:80"))
		ok(t, e.StartContainer(ctx, id))
		if !e.Print("aa", "hello") || e.Print("nobody", "hello") {
			t.Error("Print did not tell who is there")
		}
		if !e.Exit("aa", 5) || e.Exit("aa", 6) || e.OOM("aa") {
			t.Error("Exit did not tell what runs")
		}
		if c := inspect(t, e, id); c.ExitCode != 5 || len(c.Ports) != 0 {
			t.Errorf("%+v", c)
		}
		ok(t, e.StartContainer(ctx, id))
		e.OOM("aa")
		if c := inspect(t, e, id); !c.OOMKilled {
			t.Error("not out of memory")
		}
	})
}

func TestPullFromTheRegistry(t *testing.T) {
	bubble(t, func(t *testing.T, e *enginefake.Engine) {
		if err := e.PullImage(t.Context(), "redis:8", engine.PullOptions{}); !engine.IsNotFound(err) {
			t.Errorf("pull of nothing: %v", err)
		}
		e.Publish("redis:8", enginefake.Image{Image: engine.Image{User: "redis"}, PullTakes: time.Minute})
		var out strings.Builder
		began := time.Now()
		ok(t, e.PullImage(t.Context(), "docker.io/library/redis:8", engine.PullOptions{Out: &out}))
		img, err := e.InspectImage(t.Context(), "redis:8")
		ok(t, err)
		if time.Since(began) != time.Minute || img.User != "redis" || img.Tags[0] != "redis:8" || out.Len() == 0 {
			t.Errorf("%v, %+v, %q", time.Since(began), img, out.String())
		}
	})
}

func TestAddressesRunOut(t *testing.T) {
	bubble(t, func(t *testing.T, e *enginefake.Engine) {
		ctx := t.Context()
		_, err := e.CreateNetwork(ctx, engine.NetworkSpec{
			Name: "tiny", Subnet: netip.MustParsePrefix("10.1.0.0/24"), IPRange: netip.MustParsePrefix("10.1.0.128/30"),
		})
		ok(t, err)
		for i := range 4 { // the gateway has one of the four
			id, err := e.CreateContainer(ctx, engine.ContainerSpec{Name: fmt.Sprint("c-", i), Image: "app", Network: "tiny"})
			ok(t, err)
			if err := e.StartContainer(ctx, id); (err != nil) != (i == 3) {
				t.Errorf("start of %d: %v", i, err)
			}
		}
	})
}
