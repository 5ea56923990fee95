package images

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/state"
)

// rig is a Maker on a fake engine, in virtual time. It is its own builder.
type rig struct {
	*enginefake.Engine
	*Maker
	t *testing.T

	mu sync.Mutex
	// builds are the calls of the builder, progress what was reported, in order.
	builds, progress []string
	buildErr         error
}

func onRig(t *testing.T, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{Engine: enginefake.New(), t: t}
		r.Maker = New(Config{
			Engine: r.Engine, Builder: builder{r},
			BuildsBegin: func(list []*services.Build, all bool) {
				var names []string
				for _, b := range list {
					names = append(names, b.Name)
				}
				r.report("begin %v all=%v", names, all)
			},
			BuildProgress: func(p build.Progress) { r.report("build %s %s", p.Build, p.State) },
			PullProgress: func(b state.Build) {
				if !b.Pull || b.Name != b.Image || b.Started.IsZero() {
					t.Errorf("not the progress of a pull: %+v", b)
				}
				r.report("%s", strings.TrimSpace(fmt.Sprintf("pull %s %s %s%s after %s", b.Name, b.State, b.Step, b.Error, b.Took)))
			},
		})
		test(r)
	})
}

func (r *rig) report(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress = append(r.progress, fmt.Sprintf(format, args...))
}

// wantProgress checks what was reported since the last check.
func (r *rig) wantProgress(want ...string) {
	r.t.Helper()
	if !slices.Equal(r.progress, want) {
		r.t.Errorf("reported was\n  %s\nwant\n  %s", strings.Join(r.progress, "\n  "), strings.Join(want, "\n  "))
	}
	r.progress = nil
}

// builder makes images of which the ID says what they were built with.
type builder struct{ r *rig }

func (b builder) All(ctx context.Context, list []*services.Build, opts build.Options, sink build.Sink) ([]build.Result, error) {
	var out []build.Result
	for _, x := range list {
		res, err := b.Build(ctx, x, opts, sink)
		if err != nil {
			return out, err
		}
		out = append(out, res)
	}
	return out, nil
}

func (b builder) Build(_ context.Context, x *services.Build, opts build.Options, sink build.Sink) (build.Result, error) {
	b.r.builds = append(b.r.builds, fmt.Sprintf("%s force=%v refs=%v", x.Name, opts.Force, opts.Refs))
	sink(build.Progress{Build: x.Name, State: "done"})
	return build.Result{Name: x.Name, Image: x.Image, ImageID: "id of " + x.Image}, b.r.buildErr
}

// pods is a stack with a bare pod an image, declared in the lines of a file; images that begin with "init-" are an init
// container's.
func pods(refs ...string) *services.Stack {
	s := &services.Stack{Name: "s"}
	for i, ref := range refs {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p%d", i)}}
		c := corev1.Container{Name: "c", Image: ref}
		if strings.HasPrefix(ref, "init-") {
			p.Spec.InitContainers = []corev1.Container{c}
			c.Image = refs[0]
		}
		p.Spec.Containers = []corev1.Container{c}
		s.Workloads = append(s.Workloads, &services.Workload{Object: p, Source: fmt.Sprintf("compose.yaml:%d", i+1)})
	}
	return s
}

func withBuilds(s *services.Stack, names ...string) *services.Stack {
	for _, n := range names {
		s.Builds = append(s.Builds, &services.Build{Name: n, Image: n + ":dev"})
	}
	return s
}

// TestBuiltImages are built, forced if that is asked for, and never pulled.
func TestBuiltImages(t *testing.T) {
	for _, force := range []bool{false, true} {
		onRig(t, func(r *rig) {
			got, err := r.Make(r.t.Context(), withBuilds(pods("web:dev", "db:dev"), "web", "db"), Options{Force: force})
			if err != nil || !maps.Equal(got, map[string]string{"web:dev": "id of web:dev", "db:dev": "id of db:dev"}) {
				t.Errorf("%v, %v", got, err)
			}
			refs := "refs=map[db:db:dev web:web:dev]"
			if want := []string{fmt.Sprintf("web force=%v %s", force, refs), fmt.Sprintf("db force=%v %s", force, refs)}; !slices.Equal(r.builds, want) {
				t.Errorf("built %v, want %v", r.builds, want)
			}
			r.wantProgress("begin [web db] all=true", "build web done", "build db done")
			if calls := r.Calls("PullImage"); len(calls) != 0 {
				t.Errorf("pulled %v", calls)
			}
		})
	}
}

// TestOneBuild is shown beside the others, and knows the references of all.
func TestOneBuild(t *testing.T) {
	onRig(t, func(r *rig) {
		s := withBuilds(pods("web:dev"), "web", "base")
		got, err := r.Build(r.t.Context(), s, s.Builds[0])
		if err != nil || got.ImageID != "id of web:dev" {
			t.Errorf("%v, %v", got, err)
		}
		if want := []string{"web force=false refs=map[base:base:dev web:web:dev]"}; !slices.Equal(r.builds, want) {
			t.Errorf("built %v, want %v", r.builds, want)
		}
		r.wantProgress("begin [web] all=false", "build web done")
	})
}

// TestABuildThatFails pulls nothing.
func TestABuildThatFails(t *testing.T) {
	onRig(t, func(r *rig) {
		r.buildErr = errors.New("step 3 failed")
		r.Publish("redis:8", enginefake.Image{})
		if _, err := r.Make(r.t.Context(), withBuilds(pods("web:dev", "redis:8"), "web"), Options{}); !errors.Is(err, r.buildErr) {
			t.Errorf("%v", err)
		}
		if calls := r.Calls("PullImage"); len(calls) != 0 {
			t.Errorf("pulled %v", calls)
		}
	})
}

// TestWithoutBuilding uses the images that are there, and names all that are not, with what to do.
func TestWithoutBuilding(t *testing.T) {
	onRig(t, func(r *rig) {
		id := r.AddImage("web:dev", enginefake.Image{})
		s := withBuilds(pods("web:dev"), "web")
		got, err := r.Make(r.t.Context(), s, Options{NoBuild: true})
		if err != nil || !maps.Equal(got, map[string]string{"web:dev": id}) {
			t.Errorf("%v, %v", got, err)
		}
		_, err = r.Make(r.t.Context(), withBuilds(s, "db", "cache"), Options{NoBuild: true})
		for _, name := range []string{"db", "cache"} {
			want := fmt.Sprintf("cannot use image %[1]s:dev of %[1]s without building it: ", name)
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "run `lyandev build "+name+"`") {
				t.Errorf("%v, want %q", err, want)
			}
		}
		if r.builds != nil || r.progress != nil {
			t.Errorf("built %v, reported %v", r.builds, r.progress)
		}
	})
}

// TestMissingImagesArePulled side by side, each once; what is there is left alone. The progress tells of each line.
func TestMissingImagesArePulled(t *testing.T) {
	onRig(t, func(r *rig) {
		r.AddImage("here:1", enginefake.Image{})
		r.Publish("a:1", enginefake.Image{PullTakes: 3 * time.Second})
		r.Publish("init-b:1", enginefake.Image{PullTakes: 2 * time.Second})
		began := time.Now()
		built, err := r.Make(r.t.Context(), pods("here:1", "a:1", "a:1", "init-b:1"), Options{})
		if err != nil || len(built) != 0 {
			t.Errorf("%v, %v", built, err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("it took %s", took)
		}
		r.progress = slices.DeleteFunc(r.progress, func(s string) bool { return strings.Contains(s, "after 0s") })
		r.wantProgress(
			"begin [] all=true",
			"pull init-b:1 running Status: Downloaded newer image for init-b:1 after 2s", "pull init-b:1 done  after 2s",
			"pull a:1 running Status: Downloaded newer image for a:1 after 3s", "pull a:1 done  after 3s",
		)
		if _, err := r.InspectImage(r.t.Context(), "init-b:1"); err != nil {
			t.Error(err)
		}
	})
}

// TestAllPullsThatFailAreReported in the order of the file, with their lines, and one that works is not lost.
func TestAllPullsThatFailAreReported(t *testing.T) {
	onRig(t, func(r *rig) {
		r.Publish("good:1", enginefake.Image{PullTakes: time.Second})
		r.Inject(func(f *enginefake.Faults) {
			f.PullImage = func(ctx context.Context, c enginefake.Call) error {
				if c.Object == "slow:1" {
					return enginefake.Delay(time.Minute)(ctx, c)
				}
				return nil
			}
		})
		s := pods("slow:1", "good:1", "init-bad:1", "never:1")
		s.Workloads[3].PodSpec().Containers[0].ImagePullPolicy = corev1.PullNever
		_, err := r.Make(r.t.Context(), s, Options{})
		if err == nil {
			t.Fatal("no error")
		}
		lines := strings.Split(err.Error(), "\n")
		for i, want := range []string{
			"compose.yaml:1: container c of p0: cannot pull image slow:1: ", "compose.yaml:3: container c of p2: cannot pull image init-bad:1: ",
			"compose.yaml:4: container c of p3: cannot find image never:1, and its pull policy is Never",
		} {
			if len(lines) != 3 || !strings.HasPrefix(lines[i], want) {
				t.Errorf("errors are\n%s\nwant %q", err, want)
			}
		}
		if !strings.Contains(lines[0], "correct the name, give the service a build, or load it with `docker load`") {
			t.Errorf("it does not say what to do: %s", lines[0])
		}
		failed := 0
		for _, p := range r.progress {
			if strings.Contains(p, " failed ") {
				failed++
			}
			if strings.Contains(p, "never:1") {
				t.Errorf("pulled although its policy is Never: %s", p)
			}
		}
		if failed != 2 || !slices.Contains(r.progress, "pull good:1 done  after 1s") {
			t.Errorf("reported was %v", r.progress)
		}
	})
}

// plainService is a plain service with an image.
func plainService(t *testing.T, image, policy string, c compose.Container) *services.Workload {
	t.Helper()
	text, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	s := &services.ComposeService{ObjectMeta: metav1.ObjectMeta{Name: "web"}}
	s.Spec.Template.Annotations = map[string]string{compose.Annotation: text}
	if policy != "" {
		s.Spec.Template.Annotations[pullPolicyAnnotation] = policy
	}
	s.Spec.Template.Spec.Containers = []corev1.Container{{Name: "web", Image: image}}
	return &services.Workload{Object: s, Source: "compose.yaml:3"}
}

// TestPullPoliciesOfPlainServices are Compose's: by default an image that is there is never pulled.
func TestPullPoliciesOfPlainServices(t *testing.T) {
	for _, c := range []struct {
		policy string
		// age is the time since the image was tagged here, 0 if it is not here.
		age  time.Duration
		want bool
		err  string
	}{
		{policy: "", age: 1000 * time.Hour},
		{policy: "", want: true},
		{policy: "missing", age: time.Hour},
		{policy: "if_not_present", want: true},
		{policy: "always", age: time.Hour, want: true},
		{policy: "never", err: "compose.yaml:3: container web of web: cannot find image x:latest, and its pull policy is never; "},
		{policy: "build", err: "and its pull policy is build"},
		{policy: "daily", age: 23 * time.Hour},
		{policy: "daily", age: 25 * time.Hour, want: true},
		{policy: "weekly", age: 25 * time.Hour},
		{policy: "every_1h", age: 2 * time.Hour, want: true},
		{policy: "sometimes", age: time.Hour, err: `invalid pull_policy "sometimes"`},
	} {
		onRig(t, func(r *rig) {
			r.Publish("x:latest", enginefake.Image{})
			if c.age > 0 {
				r.AddImage("x:latest", enginefake.Image{})
				time.Sleep(c.age)
			}
			_, err := r.Make(r.t.Context(), &services.Stack{Name: "s", Workloads: []*services.Workload{
				plainService(r.t, "x:latest", c.policy, compose.Container{}), plainService(r.t, "x:latest", c.policy, compose.Container{}),
			}}, Options{})
			if (c.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.err) {
				r.t.Errorf("%s after %s: %v, want %q", c.policy, c.age, err, c.err)
			}
			if got := len(r.Calls("PullImage")); got != map[bool]int{true: 1}[c.want] {
				r.t.Errorf("%s after %s: pulled %d times, want %v", c.policy, c.age, got, c.want)
			}
		})
	}
}

// TestPullOption: it takes the place of the policies of the file, and what the stack builds is not pulled.
func TestPullOption(t *testing.T) {
	for pull, want := range map[string]int{"": 0, "always": 1, "missing": 0, "never": 0} {
		onRig(t, func(r *rig) {
			r.Publish("x:1", enginefake.Image{})
			r.AddImage("x:1", enginefake.Image{})
			s := withBuilds(pods("x:1", "web:dev"), "web")
			if _, err := r.Make(r.t.Context(), s, Options{Pull: pull}); err != nil {
				t.Errorf("--pull %s: %v", pull, err)
			}
			if got := len(r.Calls("PullImage")); got != want {
				t.Errorf("--pull %s: pulled %d times, want %d", pull, got, want)
			}
		})
	}
	onRig(t, func(r *rig) {
		r.Publish("x:1", enginefake.Image{})
		_, err := r.Make(r.t.Context(), pods("x:1"), Options{Pull: "never"})
		if err == nil || !strings.Contains(err.Error(), "its pull policy is never") || len(r.Calls("PullImage")) != 0 {
			t.Errorf("a missing image with --pull never: %v, %v", err, r.Calls("PullImage"))
		}
	})
}

// TestPlatformOfPlainServices is asked for; an image of another one counts as missing. Images of pre_start and mounted images are
// pulled too.
func TestPlatformOfPlainServices(t *testing.T) {
	onRig(t, func(r *rig) {
		eng := &platforms{Engine: r.Engine}
		r.Maker.cfg.Engine = eng
		for _, ref := range []string{"x:1", "hook:1", "mounted:1"} {
			r.Publish(ref, enginefake.Image{})
		}
		r.AddImage("x:1", enginefake.Image{Image: engine.Image{OS: "linux", Arch: "amd64"}})
		_, err := r.Make(r.t.Context(), &services.Stack{Name: "s", Workloads: []*services.Workload{plainService(r.t, "x:1", "", compose.Container{
			Platform: "linux/arm64", PreStart: []compose.PreStart{{Image: "hook:1"}, {}},
			Host: container.HostConfig{Mounts: []mount.Mount{{Type: mount.TypeImage, Source: "mounted:1"}, {Type: mount.TypeVolume, Source: "v"}}},
		})}}, Options{})
		if err != nil {
			r.t.Fatal(err)
		}
		slices.Sort(eng.pulled)
		if want := []string{"hook:1 linux/arm64", "mounted:1 ", "x:1 linux/arm64"}; !slices.Equal(eng.pulled, want) {
			r.t.Errorf("pulled %q, want %q", eng.pulled, want)
		}
	})
}

// platforms notes the platform of each pull.
type platforms struct {
	Engine
	mu     sync.Mutex
	pulled []string
}

func (p *platforms) PullImage(ctx context.Context, ref string, opts engine.PullOptions) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pulled = append(p.pulled, ref+" "+opts.Platform)
	return p.Engine.PullImage(ctx, ref, opts)
}

// TestAPullThatFails of an image that is there says that it is.
func TestAPullThatFails(t *testing.T) {
	onRig(t, func(r *rig) {
		r.AddImage("x:1", enginefake.Image{})
		_, err := r.Make(r.t.Context(), &services.Stack{Name: "s", Workloads: []*services.Workload{
			plainService(r.t, "x:1", "always", compose.Container{}),
		}}, Options{})
		if err == nil || !strings.Contains(err.Error(), "it is on this machine, but its pull policy is always") {
			r.t.Errorf("%v", err)
		}
	})
}

// TestAnEngineThatDoesNotAnswer is not taken for a missing image.
func TestAnEngineThatDoesNotAnswer(t *testing.T) {
	onRig(t, func(r *rig) {
		r.Inject(func(f *enginefake.Faults) { f.InspectImage = enginefake.Fail(errors.New("no answer")) })
		_, err := r.Make(r.t.Context(), pods("a:1"), Options{})
		if err == nil || !strings.Contains(err.Error(), "no answer") || len(r.Calls("PullImage")) != 0 {
			t.Errorf("%v, %v", err, r.Calls("PullImage"))
		}
	})
}

// TestBuildsAtTheSameTime is for the race detector: an apply's builds and a rebuild share the builder.
func TestBuildsAtTheSameTime(t *testing.T) {
	m := New(Config{
		Engine: enginefake.New(), Builder: &build.Builder{Log: slog.New(slog.DiscardHandler)},
		BuildsBegin: func([]*services.Build, bool) {}, BuildProgress: func(build.Progress) {}, PullProgress: func(state.Build) {},
	})
	s := &services.Stack{Builds: []*services.Build{{Name: "web", Image: "img:1", Context: t.TempDir() + "/absent"}}}
	var both sync.WaitGroup
	both.Go(func() { _, _ = m.Make(t.Context(), s, Options{}) })
	both.Go(func() { _, _ = m.Build(t.Context(), s, s.Builds[0]) })
	both.Wait()
}
