package dockerpod

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/probe"
)

const groupedPod = `
metadata: {name: db-0, namespace: default}
spec:
  securityContext: {fsGroup: 2000}
  containers:
  - name: app
    image: img:1
    volumeMounts: [{name: data, mountPath: /data}, {name: logs, mountPath: /logs, readOnly: true}, {name: again, mountPath: /again}]
  volumes:
  - {name: data, persistentVolumeClaim: {claimName: data}}
  - {name: again, persistentVolumeClaim: {claimName: data}}
  - {name: logs, persistentVolumeClaim: {claimName: logs}}
`

// used puts a file into a volume, as a container of a plain service does. The volume's root has the group and mode.
func used(t *testing.T, e *enginefake.Engine, spec engine.VolumeSpec, group *int64, mode int64) {
	t.Helper()
	if err := e.CreateVolume(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	id, err := e.CreateContainer(t.Context(), engine.ContainerSpec{Name: "plain", Image: "img:1", Mounts: []engine.Mount{{Volume: spec.Name, Target: "/v"}}})
	if err != nil {
		t.Fatal(err)
	}
	dir := containerDir{eng: e, id: id, target: "/v"}
	if err := dir.setMode(t.Context(), 0, gid(group), mode); err != nil {
		t.Fatal(err)
	}
	if err := dir.write(t.Context(), pod.Files{"f": {Mode: 0o600}}, nil); err != nil {
		t.Fatal(err)
	}
	if err := e.RemoveContainer(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

// helpers notes the specs of the helper containers that are started.
func helpers(e *enginefake.Engine, exit int, output string) *[]engine.ContainerSpec {
	var seen []engine.ContainerSpec
	e.OnEach("*-fsgroup", func(_ int, spec engine.ContainerSpec) enginefake.Script {
		seen = append(seen, spec)
		return enginefake.Script{Output: []enginefake.Output{{Text: output}}, Exit: &enginefake.Exit{After: time.Second, Code: exit}}
	})
	return &seen
}

func claimSpec(name string) engine.VolumeSpec {
	return engine.VolumeSpec{Name: name, Labels: map[string]string{services.ProjectLabel: "s"}}
}

func request(p *corev1.Pod) pod.CreateRequest {
	return pod.CreateRequest{Pod: p, Container: &p.Spec.Containers[0]}
}

// onFakeWithPods is onFake with addresses for pods.
func onFakeWithPods(t *testing.T, test func(t *testing.T, e *enginefake.Engine, r *Runtime)) {
	t.Helper()
	onFake(t, func(t *testing.T, e *enginefake.Engine, r *Runtime) {
		r.cfg.PodIP = func(string) (netip.Addr, error) { return netip.MustParseAddr("10.9.0.9"), nil }
		test(t, e, r)
	})
}

// TestClaimsAreGivenToTheGroupR154: one helper container gives all volumes of a container to the group before it starts, each once,
// also those that are mounted read-only. It is not done again when the container restarts, but when the pod gets a new sandbox.
func TestClaimsAreGivenToTheGroupR154(t *testing.T) {
	onFakeWithPods(t, func(t *testing.T, e *enginefake.Engine, r *Runtime) {
		used(t, e, claimSpec("s_data"), nil, 0o755)
		used(t, e, claimSpec("s_logs"), nil, 0o755)
		seen := helpers(e, 0, "")
		p := testPod(t, groupedPod)
		create := func(attempt int) {
			q := request(p)
			q.Attempt = attempt
			if _, err := r.CreateContainer(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.RunSandbox(t.Context(), p, 0); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		create(0)
		if len(*seen) != 1 || time.Since(began) < time.Second {
			t.Fatalf("%d helpers, after %s", len(*seen), time.Since(began))
		}
		got := (*seen)[0]
		want := engine.ContainerSpec{
			Image: "sandbox:1", User: "0:0", Cmd: []string{"fs-group", "2000", "/volumes/s_data", "/volumes/s_logs"}, Network: "none", ReadOnlyRootFS: true,
			Mounts: []engine.Mount{
				{Volume: "s_data", Target: "/volumes/s_data", NoCopy: true}, {Volume: "s_logs", Target: "/volumes/s_logs", NoCopy: true},
			},
		}
		if d := cmp.Diff(want, engine.ContainerSpec{
			Image: got.Image, User: got.User, Cmd: got.Cmd, Network: got.Network, ReadOnlyRootFS: got.ReadOnlyRootFS, Mounts: got.Mounts,
		}, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
			t.Error(d)
		}
		if got.Labels[services.ProjectLabel] != "s" || got.Labels[services.PodUIDLabel] != "" {
			t.Errorf("a helper is of the project, and no container of the pod: %v", got.Labels)
		}
		if _, there := e.Spec(got.Name); there {
			t.Error("the helper is still there")
		}
		create(1)
		if len(*seen) != 1 {
			t.Error("a restart of the container began a helper")
		}
		if _, err := r.RunSandbox(t.Context(), p, 1); err != nil {
			t.Fatal(err)
		}
		create(2)
		if len(*seen) != 2 {
			t.Error("a new sandbox began no helper")
		}
	})
}

func TestWhenAHelperGivesVolumesAwayR154(t *testing.T) {
	group, other := int64(2000), int64(7)
	always, mismatch := corev1.FSGroupChangeAlways, corev1.FSGroupChangeOnRootMismatch
	bind := claimSpec("s_data")
	bind.Options = map[string]string{"type": "none", "o": "bind", "device": "/home/me/data"}
	driver := claimSpec("s_data")
	driver.Driver = "sshfs"
	tests := []struct {
		name   string
		spec   engine.VolumeSpec
		group  *int64
		mode   int64
		policy *corev1.PodFSGroupChangePolicy
		change func(p *corev1.Pod)
		want   bool
	}{
		{name: "no policy, the root is right", group: &group, mode: 0o2775, want: true},
		{name: "Always, the root is right", group: &group, mode: 0o2775, policy: &always, want: true},
		{name: "OnRootMismatch, the root is right", group: &group, mode: 0o2775, policy: &mismatch},
		{name: "OnRootMismatch, another group", group: &other, mode: 0o2775, policy: &mismatch, want: true},
		{name: "OnRootMismatch, no setgid", group: &group, mode: 0o777, policy: &mismatch, want: true},
		{name: "read-only root", change: func(p *corev1.Pod) {
			yes := true
			p.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{ReadOnlyRootFilesystem: &yes}
		}, want: true},
		{name: "no fsGroup", change: func(p *corev1.Pod) { p.Spec.SecurityContext = nil }},
		{name: "a claim that is read-only for the pod", change: func(p *corev1.Pod) { p.Spec.Volumes[0].PersistentVolumeClaim.ReadOnly = true }},
		{name: "a hostPath", change: func(p *corev1.Pod) {
			p.Spec.Volumes[0].VolumeSource = corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/data"}}
		}},
		{name: "a directory of the host", spec: bind},
		{name: "a volume of a plugin", spec: driver},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onFakeWithPods(t, func(t *testing.T, e *enginefake.Engine, r *Runtime) {
				if tt.spec.Name == "" {
					tt.spec = claimSpec("s_data")
				}
				used(t, e, tt.spec, tt.group, max(tt.mode, 0o755))
				seen := helpers(e, 0, "")
				p := testPod(t, groupedPod)
				p.Spec.Containers[0].VolumeMounts = p.Spec.Containers[0].VolumeMounts[:1]
				p.Spec.SecurityContext.FSGroupChangePolicy = tt.policy
				if tt.change != nil {
					tt.change(p)
				}
				if _, err := r.CreateContainer(t.Context(), request(p)); err != nil {
					t.Fatal(err)
				}
				if got := len(*seen) == 1; got != tt.want {
					t.Errorf("%d helpers", len(*seen))
				}
			})
		})
	}
}

// TestAnEmptyVolumeNeedsNoHelperR154: only its root is given to the group.
func TestAnEmptyVolumeNeedsNoHelperR154(t *testing.T) {
	onFakeWithPods(t, func(t *testing.T, e *enginefake.Engine, r *Runtime) {
		seen := helpers(e, 0, "")
		p := testPod(t, groupedPod)
		p.Spec.Containers[0].VolumeMounts = p.Spec.Containers[0].VolumeMounts[:1]
		id, err := r.CreateContainer(t.Context(), request(p))
		if err != nil {
			t.Fatal(err)
		}
		root, err := engine.Stat(t.Context(), e, id, "/data")
		if err != nil || root.Gid != 2000 || root.Mode&0o7777 != 0o2775 || len(*seen) != 0 {
			t.Fatalf("%+v %v, %d helpers", root, err, len(*seen))
		}
	})
}

// TestAHelperOfAKilledSupervisorIsReplaced: it has the name of the next one.
func TestAHelperOfAKilledSupervisorIsReplaced(t *testing.T) {
	onFakeWithPods(t, func(t *testing.T, e *enginefake.Engine, r *Runtime) {
		used(t, e, claimSpec("s_data"), nil, 0o755)
		old, err := e.CreateContainer(t.Context(), engine.ContainerSpec{Name: "s-db-0-fsgroup", Image: "sandbox:1"})
		if err != nil {
			t.Fatal(err)
		}
		seen := helpers(e, 0, "")
		if _, err := r.CreateContainer(t.Context(), request(testPod(t, groupedPod))); err != nil || len(*seen) != 1 {
			t.Fatal(err, len(*seen))
		}
		if _, there := e.Spec(old); there {
			t.Error("the old helper is still there")
		}
	})
}

// sink keeps what a worker says.
type sink struct {
	mu     sync.Mutex
	last   *corev1.Pod
	events []string
}

func (s *sink) StatusChanged(p *corev1.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = p
}

func (s *sink) Event(_ *corev1.Pod, container, _, reason, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, strings.TrimSpace(reason+" "+container)+": "+message)
}

func (s *sink) Gone(*corev1.Pod) {}

func (s *sink) said(part string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(s.events), func(e string) bool { return !strings.Contains(e, part) }))
}

// TestAFailedHelperIsAFailedMountR142: the container waits with the reason in its status, and the mount is tried again.
func TestAFailedHelperIsAFailedMountR142(t *testing.T) {
	onFakeWithPods(t, func(t *testing.T, e *enginefake.Engine, r *Runtime) {
		used(t, e, claimSpec("s_data"), nil, 0o755)
		helpers(e, 1, "cannot give /volumes/s_data to group 2000: lchown /volumes/s_data/f: operation not permitted")
		said := &sink{}
		w := pod.New(testPod(t, groupedPod), pod.Deps{Runtime: r, Objects: oneOffObjects{}, Sink: said, Timing: probe.Fast})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = w.Run(ctx) })
		time.Sleep(20 * time.Second)
		const text = `FailedMount: MountVolume.SetUp failed for volume "data" : cannot apply fsGroup: container s-db-0-fsgroup`
		if n := said.said(text); n < 3 || said.said("lchown /volumes/s_data/f: operation not permitted") != n {
			t.Errorf("%d events: %s", n, strings.Join(said.events, "\n"))
		}
		state := w.Pod().Status.ContainerStatuses[0].State.Waiting
		if state == nil || state.Reason != "ContainerCreating" || !strings.Contains(state.Message, "operation not permitted") {
			t.Errorf("%+v", state)
		}
		if said.said("Started app") != 0 {
			t.Error("the container was started")
		}
		helpers(e, 0, "")
		time.Sleep(time.Minute)
		if c := w.Pod().Status.ContainerStatuses[0]; c.State.Running == nil || c.RestartCount != 0 {
			t.Errorf("%+v", c)
		}
		cancel()
		running.Wait()
	})
}

func TestMountErrorKeepsItsCause(t *testing.T) {
	cause := errors.New("cause")
	if err := mountError("data", cause); !errors.Is(err, cause) {
		t.Fatal(err)
	}
}
