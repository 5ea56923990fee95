package engine_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/timeline"
)

// TestTimed: each call leaves a span with its method, what it is about by name, its pod, its length and its error.
func TestTimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := enginefake.New()
		fake.AddImage("app", enginefake.Image{})
		fake.On("s-*", enginefake.Script{Exec: func(context.Context, *enginefake.Execution) (int, error) { return 0, nil }})
		r := new(timeline.Recorder)
		e := engine.Timed(fake, r)
		ctx := timeline.With(t.Context(), r, "web-0")
		end := r.Open("up", "", time.Now())
		id, err := e.CreateContainer(ctx, engine.ContainerSpec{Name: "s-web-0", Image: "app"})
		if err != nil {
			t.Fatal(err)
		}
		fake.Inject(func(f *enginefake.Faults) { f.StartContainer = enginefake.Delay(3 * time.Second) })
		if err := e.StartContainer(ctx, id); err != nil {
			t.Fatal(err)
		}
		_, _ = e.Exec(ctx, id, engine.ExecSpec{Cmd: []string{"/bin/cat", "secret"}})
		_, _ = e.Exec(ctx, id, engine.ExecSpec{Cmd: []string{"serve"}, Stdin: strings.NewReader(""), Stdout: new(strings.Builder)})
		if _, err := e.InspectImage(t.Context(), "none"); !engine.IsNotFound(err) {
			t.Errorf("the error does not get through: %v", err)
		}
		_, _ = e.InspectContainer(ctx, strings.Repeat("f", 64))
		_ = e.Ping(ctx)
		if err := e.RemoveContainer(ctx, id); err != nil {
			t.Fatal(err)
		}
		end(time.Now(), nil)
		var got []string
		for _, s := range r.Last("up", time.Now()).Spans {
			text := strings.TrimSpace(strings.Join([]string{string(s.Kind), s.Name, s.Object, s.Of}, " "))
			if s.Failed {
				text += " failed"
			}
			if s.Name == "StartContainer" && s.Took() != 3*time.Second {
				t.Errorf("the start took %s", s.Took())
			}
			if s.Failed != (s.Detail != "") || strings.Contains(text+s.Detail, "secret") {
				t.Errorf("%+v", s)
			}
			got = append(got, text)
		}
		want := []string{
			"engine CreateContainer s-web-0 web-0", "engine StartContainer s-web-0 web-0", "engine Exec cat s-web-0 web-0",
			"engine InspectImage none failed", "engine InspectContainer ffffffffffff web-0 failed", "engine RemoveContainer s-web-0 web-0",
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// TestTimedIsWhole: a method that the wrapper does not have would leave its calls out of every trace.
func TestTimedIsWhole(t *testing.T) {
	left := []string{"Ping", "Events", "Close", "Stats", "ResizeTTY", "Top"}
	r := new(timeline.Recorder)
	e := engine.Timed(refusing{}, r)
	v := reflect.ValueOf(e)
	for i := range v.NumMethod() {
		name := v.Type().Method(i).Name
		recorded := func() (is bool) {
			defer func() { _ = recover() }() // there is no engine below
			end := r.Open("up", name, time.Now())
			defer func() {
				end(time.Now(), errors.New(name))
				is = len(r.Last("up", time.Now()).Spans) > 0
			}()
			m := v.Method(i)
			args := make([]reflect.Value, m.Type().NumIn())
			for j := range args {
				args[j] = reflect.Zero(m.Type().In(j))
			}
			if len(args) > 0 {
				args[0] = reflect.ValueOf(t.Context())
			}
			m.Call(args)
			return is
		}
		is := recorded()
		if leaves := slices.Contains(left, name); is == leaves {
			t.Errorf("%s: recorded %v, to be left out %v", name, is, leaves)
		}
	}
}

// refusing is an engine without an implementation.
type refusing struct{ engine.Engine }
