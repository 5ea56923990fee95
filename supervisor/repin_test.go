package supervisor

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/prepare"
)

// builtStack is a stack of a profile whose workload runs the image that the build "web" made before.
func builtStack(t *testing.T, profile string, others ...*services.Workload) *services.Stack {
	t.Helper()
	s := &services.Stack{
		Name: "s", Profile: profile, Workloads: append(others, deployment("web", 1)),
		Builds: []*services.Build{{Name: "web", Image: "img:1"}},
	}
	s, err := prepare.Stack(s, "s", map[string]string{"img:1": "sha256:old"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// served is a supervisor whose loop is the test: serve runs the next message.
func served(t *testing.T) (s *Supervisor, serve func()) {
	t.Helper()
	s = idle(t, t.TempDir())
	return s, func() { (<-s.inbox).handle(s) }
}

// TestARebuildUndoesNothing changes the wanted stack between repin's read and its write.
func TestARebuildUndoesNothing(t *testing.T) {
	for _, c := range []struct {
		name      string
		meanwhile func(t *testing.T, s *Supervisor)
		profile   string
		restarted bool
		changed   []string
	}{
		{"nothing", func(*testing.T, *Supervisor) {}, "dev", false, []string{"web"}},
		{
			"a switch", func(t *testing.T, s *Supervisor) { want(t, s, builtStack(t, "ha", deployment("new", 1))) },
			"ha", false,
			[]string{"new", "web"},
		},
		{
			"a switch to what does not use the image", func(t *testing.T, s *Supervisor) { want(t, s, prepared(t, deployment("web", 1))) },
			"", false, nil,
		},
		{"a restart", func(t *testing.T, s *Supervisor) {
			if err := s.cluster.Restart("web", time.Now()); err != nil {
				t.Fatal(err)
			}
		}, "dev", true, []string{"web"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, serve := served(t)
			want(t, s, builtStack(t, "dev"))
			type result struct {
				changed []string
				err     error
			}
			ended := make(chan result, 1)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				changed, err := s.repin(ctx, "img:1", "sha256:new", time.Now())
				ended <- result{changed, err}
			}()
			serve()
			c.meanwhile(t, s)
			var got result
			for done := false; !done; {
				select {
				case m := <-s.inbox:
					m.handle(s)
				case got = <-ended:
					done = true
				}
			}
			if got.err != nil || !slices.Equal(got.changed, c.changed) {
				t.Fatalf("changed %v, %v; want %v", got.changed, got.err, c.changed)
			}
			x := s.cluster.Stack().Workload("web")
			if p := s.cluster.Stack().Profile; p != c.profile {
				t.Errorf("the profile is %q, want %q", p, c.profile)
			}
			if _, ok := x.PodMeta().Annotations[services.RestartedAtAnnotation]; ok != c.restarted {
				t.Errorf("restarted: %t, want %t", ok, c.restarted)
			}
			if image := x.PodSpec().Containers[0].Image; (image == "sha256:new") != (c.changed != nil) {
				t.Errorf("the image is %s", image)
			}
			var saved services.Stack
			if b, err := os.ReadFile(s.cfg.Instance.File(savedStack)); err != nil || json.Unmarshal(b, &saved) != nil {
				t.Fatalf("cannot read the saved stack: %v", err)
			}
			if saved.Profile != c.profile || saved.Workload("web").PodSpec().Containers[0].Image != x.PodSpec().Containers[0].Image {
				t.Errorf("saved is %s with %s", saved.Profile, saved.Workload("web").PodSpec().Containers[0].Image)
			}
		})
	}
}
