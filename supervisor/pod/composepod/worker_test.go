package composepod

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/probe"
)

func restart(mode string, tries int) func(*compose.Container) {
	return func(c *compose.Container) {
		c.Host.RestartPolicy = container.RestartPolicy{Name: container.RestartPolicyMode(mode), MaximumRetryCount: tries}
	}
}

func TestRunsOnceWithoutARestartPolicy(t *testing.T) {
	for code, want := range map[int]string{0: "Succeeded exit=0", 3: "Failed exit=3"} {
		onRig(t, func(r *rig) {
			r.On("p-web-1", enginefake.Script{Exit: &enginefake.Exit{After: 2 * time.Second, Code: code}})
			r.start("web-1", nil)
			r.want("web-1", "Running ready")
			r.pass(time.Hour)
			r.want("web-1", want)
			if n := len(r.Calls("StartContainer")); n != 1 {
				t.Errorf("started %d times", n)
			}
		})
	}
}

// TestTheEngineRestarts: it is the engine that restarts a container, and always the same one.
func TestTheEngineRestarts(t *testing.T) {
	onRig(t, func(r *rig) {
		r.On("p-web-1", enginefake.Script{Exit: &enginefake.Exit{After: time.Second, Code: 1}})
		r.start("web-1", restart("on-failure", 2))
		id := r.container("p-web-1").ID
		r.pass(time.Second + 10*time.Millisecond)
		r.want("web-1", "Running restarts=1 CrashLoopBackOff")
		r.pass(time.Hour)
		r.want("web-1", "Failed restarts=2 exit=1")
		if c := r.container("p-web-1"); c.ID != id || len(r.Calls("CreateContainer")) != 1 {
			t.Errorf("the container was made anew: %s, before %s", c.ID, id)
		}
	})
}

// TestHowItEnded: the last end of a container that runs again has its own exit code, and says whether somebody asked for it.
func TestHowItEnded(t *testing.T) {
	onRig(t, func(r *rig) {
		r.On("p-web-1", enginefake.Script{IgnoreStop: true})
		w := r.start("web-1", restart("always", 0))
		last := func() string {
			end := w.Pod().Status.ContainerStatuses[0].LastTerminationState.Terminated
			if end == nil {
				return "none"
			}
			return fmt.Sprintf("%d %s %s %s", end.ExitCode, end.Reason, end.Message, end.FinishedAt.Sub(end.StartedAt.Time).Round(time.Second))
		}
		r.pass(5 * time.Second)
		w.RestartContainer("web", "has changed files")
		r.pass(15 * time.Second)
		if got, want := last(), "137 Restarted it has changed files 15s"; got != want {
			t.Errorf("after a restart: %s, want %s", got, want)
		}
		_ = r.KillContainer(r.ctx, r.container("p-web-1").ID, "SIGKILL")
		r.pass(time.Second)
		_ = r.StartContainer(r.ctx, r.container("p-web-1").ID)
		r.pass(time.Second)
		if got := last(); got != "137 Error  5s" {
			t.Errorf("after a kill: %s", got)
		}
	})
}

// TestEndsAreEvents: an end that lyandev did not ask for is an event.
func TestEndsAreEvents(t *testing.T) {
	onRig(t, func(r *rig) {
		w := r.start("web-1", nil)
		w.RestartContainer("web", "was asked to")
		r.pass(time.Second)
		if text := strings.Join(r.events, "\n"); strings.Contains(text, "Exited") || strings.Contains(text, "Killed") {
			t.Errorf("a restart that was asked for gives %s", text)
		}
		_ = r.KillContainer(r.ctx, r.container("p-web-1").ID, "SIGKILL")
		r.pass(time.Second)
		r.On("p-job-1", enginefake.Script{Exit: &enginefake.Exit{After: time.Second, Code: 3}})
		r.start("job-1", nil)
		r.pass(time.Minute)
		for _, want := range []string{"Warning Killed: Container web was killed: it exited with code 137", "Warning Exited: Container job exited with code 3"} {
			if !slices.Contains(r.events, want) {
				t.Errorf("the events %q lack %q", r.events, want)
			}
		}
	})
}

func TestRestartKeepsTheContainer(t *testing.T) {
	onRig(t, func(r *rig) {
		w := r.start("web-1", nil)
		id := r.container("p-web-1").ID
		w.RestartContainer("web", "was asked to")
		r.pass(11 * time.Second)
		r.want("web-1", "Running ready restarts=1")
		w.Stop(nil)
		r.pass(11 * time.Second)
		if got := r.now("web-1"); !strings.HasPrefix(got, "Failed restarts=1 exit=") || !strings.HasSuffix(got, " Stopped") {
			t.Errorf("after a stop: %s", got)
		}
		r.pass(time.Hour)
		if c := r.container("p-web-1"); c.State != engine.StateExited {
			t.Errorf("a stopped container is %s", c.State)
		}
		w.Start()
		r.pass(time.Second)
		r.want("web-1", "Running ready restarts=2")
		if c := r.container("p-web-1"); c.ID != id {
			t.Error("the container was made anew")
		}
		if want := []string{id, id, id}; !slices.Equal(r.begun, want) {
			t.Errorf("synced files were written before the starts of %q, want %q", r.begun, want)
		}
	})
}

// TestRestartWithAGracePeriod: it replaces the file's, or Docker's 10 s.
func TestRestartWithAGracePeriod(t *testing.T) {
	onRig(t, func(r *rig) {
		r.On("p-web-1", enginefake.Script{IgnoreStop: true})
		w := r.start("web-1", nil)
		w.Restart(new(int64(2)), "is restarted by hand")
		r.pass(time.Second)
		r.want("web-1", "Running ready")
		r.pass(2 * time.Second)
		r.want("web-1", "Running ready restarts=1")
	})
}

// TestStopGrace: every stop that names no grace period gives the file's, or Docker's 10 s: stop, restart, and the end of the pod,
// which down, rm and a changed service ask for.
func TestStopGrace(t *testing.T) {
	for name, stop := range map[string]func(w *Worker){
		"stop":    func(w *Worker) { w.Stop(nil) },
		"restart": func(w *Worker) { w.Restart(nil, "is restarted by hand") },
		"delete":  func(w *Worker) { w.Delete(nil) },
	} {
		for _, own := range []time.Duration{0, 3500 * time.Millisecond} {
			t.Run(fmt.Sprint(name, own), func(t *testing.T) {
				onRig(t, func(r *rig) {
					r.On("p-web-1", enginefake.Script{IgnoreStop: true})
					wait := 10 * time.Second
					w := r.start("web-1", func(c *compose.Container) {
						if own != 0 {
							c.StopGrace, wait = &own, own
						}
					})
					began := r.container("p-web-1").Started
					r.pass(time.Second)
					stop(w)
					r.pass(wait - time.Millisecond)
					if c := r.container("p-web-1"); c.State != engine.StateRunning || !c.Started.Equal(began) {
						t.Errorf("the container was killed before %s", wait)
					}
					r.pass(2 * time.Millisecond)
					left := r.Containers(nil)
					if len(left) == 1 && left[0].State == engine.StateRunning && left[0].Started.Equal(began) {
						t.Errorf("the container was not killed after %s", wait)
					}
				})
			})
		}
	}
}

// TestSomebodyElse: what others do to the container with Docker's own commands is seen, and not undone.
func TestSomebodyElse(t *testing.T) {
	onRig(t, func(r *rig) {
		r.On("p-web-1", enginefake.Script{OnStop: &enginefake.Exit{Code: 0}})
		r.start("web-1", restart("unless-stopped", 0))
		id := r.container("p-web-1").ID
		_ = r.StopContainer(r.ctx, id, "", time.Second)
		r.pass(time.Hour)
		r.want("web-1", "Succeeded exit=0 Stopped")
		_ = r.StartContainer(r.ctx, id)
		r.pass(time.Second)
		r.want("web-1", "Running ready")
		_ = r.PauseContainer(r.ctx, id)
		r.pass(time.Second)
		r.want("web-1", "Running")
		_ = r.UnpauseContainer(r.ctx, id)
		r.pass(time.Second)
		r.want("web-1", "Running ready")
		_ = r.RemoveContainer(r.ctx, id)
		r.pass(time.Second)
		r.want("web-1", "Running ready")
		if c := r.container("p-web-1"); c.ID == id {
			t.Error("a removed container was not made again")
		}
	})
}

func TestReadinessIsTheEnginesHealth(t *testing.T) {
	onRig(t, func(r *rig) {
		r.On("p-web-1", enginefake.Script{Health: []enginefake.HealthChange{}})
		r.start("web-1", func(c *compose.Container) {
			c.Config.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "check"}, Interval: time.Hour}
		})
		r.want("web-1", "Running")
		for status, want := range map[string]string{"healthy": "Running ready", "unhealthy": "Running"} {
			r.SetHealth("p-web-1", status, "refused")
			r.pass(time.Second)
			r.want("web-1", want)
			if is, said := healthOf(r.workers["web-1"].Pod()); is != status || status == "unhealthy" && said != "refused" {
				t.Errorf("the health is %s: %q, want %s", is, said, status)
			}
		}
		r.start("plain-1", nil)
		if is, said := healthOf(r.workers["plain-1"].Pod()); is != services.HealthNone || said != "p-plain-1" {
			t.Errorf("without a health check the health is %s: %q", is, said)
		}
	})
}

// TestAPauseKeepsAHealthyContainerReady: the engine's health check goes on, and what it says does not count for a container that was
// healthy, until it is started again or the pause ends.
func TestAPauseKeepsAHealthyContainerReady(t *testing.T) {
	onRig(t, func(r *rig) {
		r.On("p-web-1", enginefake.Script{Health: []enginefake.HealthChange{}})
		r.start("web-1", func(c *compose.Container) {
			c.Config.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "check"}, Interval: time.Hour}
		})
		set := func(status, want string) {
			t.Helper()
			r.SetHealth("p-web-1", status, "timeout")
			r.pass(time.Second)
			r.want("web-1", want)
		}
		r.workers["web-1"].PauseProbes(pod.Pause{Probes: probe.PauseAll, Message: "by somebody"})
		r.pass(time.Second)
		r.want("web-1", "Running")
		set("healthy", "Running ready")
		set("unhealthy", "Running ready")
		if is, _ := healthOf(r.workers["web-1"].Pod()); is != services.HealthHealthy || services.PausedProbes(r.workers["web-1"].Pod()) == nil {
			t.Errorf("the health is %s, the pause %v", is, services.PausedProbes(r.workers["web-1"].Pod()))
		}
		r.workers["web-1"].PauseProbes(pod.Pause{})
		r.pass(time.Second)
		r.want("web-1", "Running")
		r.workers["web-1"].PauseProbes(pod.Pause{Probes: probe.PauseLiveness})
		set("healthy", "Running ready")
		set("unhealthy", "Running")
	})
}

// TestRefusedAsInvalid: the status says that trying again does not help, and the worker tries again all the same.
func TestRefusedAsInvalid(t *testing.T) {
	onRig(t, func(r *rig) {
		r.Inject(func(f *enginefake.Faults) {
			f.CreateContainer = func(context.Context, enginefake.Call) error {
				return fmt.Errorf("%w: mount path must be absolute", errdefs.ErrInvalidArgument)
			}
		})
		r.start("web-1", nil)
		r.want("web-1", "Pending InvalidContainer")
		r.Heal()
		r.pass(time.Minute)
		r.want("web-1", "Running ready")
	})
}

// TestRefusedLate: an engine that refuses a container late tells of its removal; that is no reason to try again at once.
func TestRefusedLate(t *testing.T) {
	onRig(t, func(r *rig) {
		r.Inject(func(f *enginefake.Faults) {
			f.CreateContainer = func(context.Context, enginefake.Call) error {
				if w := r.workers["web-1"]; w != nil {
					w.Notify(pod.ContainerEvent{Type: pod.ContainerRemoved, ID: "refused"})
				}
				return fmt.Errorf("invalid mount config for type \"volume\": destination can't be '/'")
			}
		})
		w := r.start("web-1", nil)
		r.pass(time.Minute)
		r.want("web-1", "Pending InvalidContainer")
		if n := len(r.Calls("CreateContainer")); n > 7 {
			t.Errorf("it was tried %d times in a minute", n)
		}
		r.Heal()
		w.Resync()
		r.pass(time.Minute)
		r.want("web-1", "Running ready")
	})
}

func TestDelete(t *testing.T) {
	onRig(t, func(r *rig) {
		r.On("p-web-1", enginefake.Script{IgnoreStop: true})
		w := r.start("web-1", nil)
		w.Delete(nil)
		r.pass(9 * time.Second)
		if len(r.gone) != 0 {
			t.Error("the grace period of 10 s was cut short")
		}
		w.Delete(new(int64(0)))
		r.pass(time.Second)
		if !slices.Equal(r.gone, []string{"web-1"}) || len(r.Containers(nil)) != 0 {
			t.Errorf("gone: %v, left: %v", r.gone, r.Containers(nil))
		}
	})
}

// TestAdoption: a worker for a pod whose container exists goes on with it.
func TestAdoption(t *testing.T) {
	onRig(t, func(r *rig) {
		w := r.start("web-1", nil)
		calls := len(r.Calls("CreateContainer", "StartContainer", "StopContainer"))
		r.run(w.Pod())
		r.pass(time.Hour)
		r.want("web-1", "Running ready")
		if n := len(r.Calls("CreateContainer", "StartContainer", "StopContainer")); n != calls {
			t.Errorf("%d calls more", n-calls)
		}
	})
}

func TestHold(t *testing.T) {
	onRig(t, func(r *rig) {
		r.Inject(func(f *enginefake.Faults) {
			f.CreateContainer = func(context.Context, enginefake.Call) error { return fmt.Errorf("no space") }
		})
		w := r.start("web-1", nil)
		r.want("web-1", "Pending CreateContainerError")
		w.Hold("waits for db")
		r.pass(time.Second)
		r.Heal()
		r.pass(time.Hour)
		r.want("web-1", "Pending Held")
		w.Hold("")
		r.pass(time.Second)
		r.want("web-1", "Running ready")
	})
}

// TestStartWhileHeld: a container that has ended is started when the hold ends; until then it waits, and its last end is not
// taken for one of this start.
func TestStartWhileHeld(t *testing.T) {
	onRig(t, func(r *rig) {
		w := r.start("web-1", nil)
		id := r.container("p-web-1").ID
		w.Halt()
		r.pass(11 * time.Second)
		w.Hold("waits for db")
		w.Start()
		r.pass(time.Hour)
		r.want("web-1", "Pending Held")
		w.Hold("")
		r.pass(time.Second)
		r.want("web-1", "Running ready restarts=1")
		if r.container("p-web-1").ID != id {
			t.Error("the container was made anew")
		}
	})
}

// TestHaltAbandonsAPull: a worker that pulls an image stops at once, and says that nothing runs.
func TestHaltAbandonsAPull(t *testing.T) {
	onRig(t, func(r *rig) {
		r.Inject(func(f *enginefake.Faults) {
			f.CreateContainer = func(ctx context.Context, _ enginefake.Call) error { <-ctx.Done(); return ctx.Err() }
		})
		w := r.start("web-1", nil)
		w.Halt()
		r.pass(time.Second)
		r.want("web-1", "Pending Stopped")
	})
}

// TestJoining: a container that uses the network of another one is made anew when that one is.
func TestJoining(t *testing.T) {
	onRig(t, func(r *rig) {
		db := r.start("db-1", nil)
		r.start("side-1", func(c *compose.Container) {
			c.Networks, c.Host.NetworkMode, c.NetworkOf = nil, "", "db"
		})
		r.want("side-1", "Running ready")
		first := r.container("p-side-1").ID
		db.Delete(nil)
		r.pass(time.Minute)
		r.start("db-1", nil)
		r.workers["side-1"].Resync()
		r.pass(time.Minute)
		r.want("side-1", "Running ready")
		if c := r.container("p-side-1"); c.ID == first || c.Labels[joinsLabel] != r.container("p-db-1").ID {
			t.Errorf("container %s joins %s", c.ID, c.Labels[joinsLabel])
		}
	})
}

func TestFilesAreWrittenBeforeTheStart(t *testing.T) {
	onRig(t, func(r *rig) {
		r.secret = &corev1.Secret{Data: map[string][]byte{"token": []byte("s3cret")}}
		r.start("web-1", func(c *compose.Container) {
			c.Files = []compose.File{{Target: "/run/secrets/token", Object: "token", Key: "token", Secret: true}}
		})
		r.want("web-1", "Running ready")
		if b, ok := r.File("p-web-1", "/run/secrets/token"); !ok || string(b) != "s3cret" {
			t.Errorf("the file is %q, %v", b, ok)
		}
	})
}

func TestTheHolderOfTheNameIsNamed(t *testing.T) {
	onRig(t, func(r *rig) {
		_, err := r.CreateContainer(r.ctx, engine.ContainerSpec{
			Name: "p-web-1", Image: "img:1", Labels: map[string]string{"com.docker.compose.project": "p"},
		})
		if err != nil {
			t.Fatal(err)
		}
		r.start("web-1", nil)
		r.want("web-1", "Pending CreateContainerError")
		if !strings.Contains(strings.Join(r.events, "\n"), "belongs to Compose project p") {
			t.Errorf("the events are %v", r.events)
		}
	})
}

// TestNameServersOfTheStack: a container that was made before the stack had Services of Kubernetes' semantics is made anew to find
// them, once, and again when there are none any more. One whose file names its servers stays.
func TestNameServersOfTheStack(t *testing.T) {
	onRig(t, func(r *rig) {
		web := r.start("web-1", nil)
		own := r.start("own-1", func(c *compose.Container) { c.Host.DNS = []string{"9.9.9.9"} })
		for _, w := range []*Worker{web, own} {
			w.deps.DNS = func(_, own []string) []string { return own }
		}
		r.pass(time.Second)
		check := func(what string, servers []string, anew bool) {
			t.Helper()
			before, other := r.container("p-web-1").ID, r.container("p-own-1").ID
			web.deps.DNS = func(_, own []string) []string { return append(own, servers...) }
			web.CheckNames()
			own.CheckNames()
			r.pass(time.Minute)
			if c := r.container("p-web-1"); c.ID != before != anew || !slices.Equal(c.DNS, servers) {
				t.Errorf("%s: made anew %v, want %v; it asks %v", what, c.ID != before, anew, c.DNS)
			}
			if r.container("p-own-1").ID != other {
				t.Errorf("%s: the container with servers of its own was made anew", what)
			}
		}
		check("nothing changed", nil, false)
		check("the first Service", []string{"10.9.0.2"}, true)
		check("another Service", []string{"10.9.0.2"}, false)
		check("no Service", nil, true)
	})
}

// TestUnstarted: the container of a pod that is not to be started is made, also by a later worker it is not started, and Start starts it.
// Once it has run, it is a container like any other.
func TestUnstarted(t *testing.T) {
	onRig(t, func(r *rig) {
		r.start("web-1", nil)
		p := r.workers["web-1"].Pod()
		r.workers["web-1"].Delete(nil)
		r.pass(time.Minute)
		p.UID, p.Status = "u", corev1.PodStatus{}
		p.Annotations[services.UnstartedAnnotation] = "true"
		r.run(p)
		for range 2 {
			r.pass(time.Hour)
			r.want("web-1", "Pending Stopped")
			if c := r.container("p-web-1"); c.State != engine.StateCreated {
				t.Fatalf("the container is %s", c.State)
			}
			r.run(r.workers["web-1"].Pod())
		}
		id := r.container("p-web-1").ID
		r.workers["web-1"].Start()
		r.pass(time.Second)
		r.want("web-1", "Running ready")
		r.workers["web-1"].Stop(nil)
		r.pass(time.Minute)
		w := r.run(r.workers["web-1"].Pod())
		w.RestartContainer("", "was asked to")
		r.pass(time.Second)
		if c := r.container("p-web-1"); c.State != engine.StateRunning || c.ID != id {
			t.Errorf("the container is %s, %s instead of %s", c.State, c.ID, id)
		}
	})
}
