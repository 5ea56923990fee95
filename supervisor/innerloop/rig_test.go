package innerloop

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/prepare"
	"github.com/lyandev/lyandev/supervisor/shim"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/watch"
)

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// fakeEngine is the fake engine with the call that replaces files of a created container.
type fakeEngine struct {
	*enginefake.Engine
	copyFails error
}

func (e *fakeEngine) CopyOver(ctx context.Context, id, dir string, tar io.Reader) error {
	if e.copyFails != nil {
		return e.copyFails
	}
	return e.CopyTo(ctx, id, dir, tar)
}

// fakeWatcher delivers the batches that a test makes.
type fakeWatcher struct {
	ready   chan struct{}
	batches chan watch.Batch
}

func (w *fakeWatcher) Run(ctx context.Context) error { <-ctx.Done(); return nil }
func (w *fakeWatcher) Ready() <-chan struct{}        { return w.ready }
func (w *fakeWatcher) Batches() <-chan watch.Batch   { return w.batches }

// rig is a loop whose pods run on a fake engine, in virtual time. It plays the workers and the controllers: a pod is
// ready a second after its process began or its probes were resumed.
type rig struct {
	t       *testing.T
	eng     *fakeEngine
	loop    *Loop
	store   *state.Store
	events  *state.Events
	src     string // the directory of the sources
	watcher *fakeWatcher
	ctx     context.Context
	wg      sync.WaitGroup
	changed int

	mu        sync.Mutex
	stack     *services.Stack
	pods      map[string]*corev1.Pod
	suspended map[string]bool
	log       []string
	serial    int
	// noShim: no shim answers in the containers. refuse is what the helper says to files, exitCode what commands end with.
	noShim   bool
	refuse   string
	exitCode int
	// crashes are pods whose process crashes when it is restarted, stuck those that never become ready again.
	crashes, stuck map[string]bool
	buildFails     error
}

const image = "img:1"

// withRules is a stack with the Deployment "web", whose container "c" has the rules and was built by the build "web".
func withRules(t *testing.T, eng *fakeEngine, replicas int32, rules ...services.WatchRule) *services.Stack {
	t.Helper()
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web"}}
	d.Spec.Replicas = &replicas
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "c", Image: image}}
	id := eng.AddImage(image, enginefake.Image{Image: engine.Image{Cmd: []string{"serve"}}})
	stack, err := prepare.Stack(&services.Stack{
		Name: "s", Workloads: []*services.Workload{{Object: d, Watch: rules}},
		Builds: []*services.Build{{Name: "web", Image: image, Context: "/absent"}},
	}, "s", map[string]string{image: id})
	if err != nil {
		t.Fatal(err)
	}
	return stack
}

// onRig runs a test with a running loop and as many ready pods. Paths of rules are relative to the sources.
func onRig(t *testing.T, pods int32, rules []services.WatchRule, test func(t *testing.T, r *rig)) {
	t.Helper()
	root, src := t.TempDir(), resolved(t.TempDir())
	write(t, root+"/lyandev", "binary")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root, src)
		for i := range rules {
			rules[i].Path = filepath.Join(src, rules[i].Path)
		}
		r.stack = withRules(t, r.eng, pods, rules...)
		r.eng.OnEach("s-*", func(int, engine.ContainerSpec) enginefake.Script { return enginefake.Script{Exec: r.exec} })
		ctx, cancel := context.WithCancel(t.Context())
		r.ctx = ctx
		r.loop.Use(r.stack)
		for i := range pods {
			r.newPod(fmt.Sprintf("web-%d", i))
		}
		r.pass(5 * time.Second)
		ended := make(chan error)
		go func() { ended <- r.loop.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			r.wg.Wait()
		}()
		r.pass(time.Second)
		r.log = nil
		test(t, r)
	})
}

func newRig(t *testing.T, root, src string) *rig {
	r := &rig{
		t: t, eng: &fakeEngine{Engine: enginefake.New()}, store: state.NewStore(&state.Status{}), events: state.NewEvents(), src: src,
		watcher: &fakeWatcher{ready: make(chan struct{}), batches: make(chan watch.Batch)}, pods: map[string]*corev1.Pod{},
		suspended: map[string]bool{}, crashes: map[string]bool{}, stuck: map[string]bool{},
	}
	close(r.watcher.ready)
	i, err := (&instance.Registry{Root: root}).Resolve(t.Context(), "s", root, "s")
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Save(); err != nil {
		t.Fatal(err)
	}
	r.eng.AddImage("helper", enginefake.Image{Dirs: []string{shim.MountPath}})
	r.loop = New(Config{
		Engine: r.eng, Instance: i, Binary: root + "/lyandev", Log: slog.New(slog.DiscardHandler),
		Statuses: r, Pods: r, Images: r,
		Event: func(kind, name, typ, reason, message string) {
			r.events.Add(time.Now(), kind, name, typ, reason, message)
		},
		Changed:     func() { r.mu.Lock(); defer r.mu.Unlock(); r.changed++ },
		HelperImage: func(context.Context) (string, string, error) { return "helper", "hash", nil },
		Labels:      func(kind string) map[string]string { return map[string]string{"kind": kind} },
		Watch:       func(watch.Config) Watcher { return r.watcher },
	})
	return r
}

func (r *rig) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (r *rig) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

// took returns what happened since the last call.
func (r *rig) took() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.log
	r.log = nil
	return out
}

func (r *rig) wants(want ...string) {
	r.t.Helper()
	if got := r.took(); !slices.Equal(got, want) {
		r.t.Fatalf("happened:\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// last is the latest record.
func (r *rig) last() Record {
	r.t.Helper()
	records := r.loop.Records()
	if len(records) == 0 {
		r.t.Fatal("there is no record")
	}
	return records[len(records)-1]
}

// edit writes files ("path text") and reports them as one batch.
func (r *rig) edit(files ...string) {
	r.t.Helper()
	b := watch.Batch{Seen: time.Now(), Complete: time.Now()}
	for _, f := range files {
		name, text, _ := strings.Cut(f, " ")
		write(r.t, filepath.Join(r.src, name), text)
		b.Changes = append(b.Changes, watch.Change{Op: watch.Written, Path: filepath.Join(r.src, name)})
	}
	r.watcher.batches <- b
	synctest.Wait()
}

// exec is every command in a container: the helper, or any other.
func (r *rig) exec(_ context.Context, x *enginefake.Execution) (int, error) {
	pod := podOf(x.Container)
	if len(x.Cmd) < 2 || x.Cmd[1] != shim.ControlCommand {
		as := strings.TrimSpace(strings.Join(append([]string{x.User, x.Dir}, x.Env...), " "))
		if as != "" {
			as = " as " + as
		}
		r.note("run %s in %s%s", strings.Join(x.Cmd, " "), pod, as)
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.exitCode, nil
	}
	in := bufio.NewReader(x.Stdin)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return 0, nil
		}
		var q shim.Request
		if err := json.Unmarshal(line, &q); err != nil {
			return 1, err
		}
		reply, err := r.serve(q, in, pod)
		if err != nil {
			return 1, err
		}
		text, _ := json.Marshal(reply)
		if _, err := x.Stdout.Write(append(text, '\n')); err != nil {
			return 1, err
		}
	}
}

func podOf(container string) string {
	parts := strings.Split(strings.TrimPrefix(container, "s-"), "_")
	return parts[0]
}

func (r *rig) serve(q shim.Request, in io.Reader, pod string) (shim.Reply, error) {
	r.mu.Lock()
	noShim, refuse := r.noShim, r.refuse
	r.mu.Unlock()
	switch q.Op {
	case shim.Hello:
		return shim.Reply{Shim: !noShim}, nil
	case shim.Restart:
		r.note("restart the process of %s", pod)
		time.Sleep(100 * time.Millisecond)
		return shim.Reply{}, nil
	}
	for _, f := range q.Files {
		text := make([]byte, f.Size)
		if _, err := io.ReadFull(in, text); err != nil {
			return shim.Reply{}, err
		}
		if refuse == "" {
			r.note("%s gets %s/%s: %s", pod, f.Root, f.Path, text)
		}
	}
	return shim.Reply{Error: refuse}, nil
}

// newPod makes a pod of the present stack, which is ready two seconds later.
func (r *rig) newPod(name string) {
	r.mu.Lock()
	r.serial++
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: name, UID: types.UID(fmt.Sprintf("uid-%d", r.serial)), Labels: map[string]string{services.WorkloadLabel: "web"},
	}}
	p.Spec = *r.stack.Workload("web").PodSpec().DeepCopy()
	r.pods[name] = p
	r.mu.Unlock()
	r.publish()
	r.wg.Go(func() { r.startContainer(p) })
}

// startContainer makes and starts a pod's container as a worker does.
func (r *rig) startContainer(p *corev1.Pod) {
	r.mu.Lock()
	r.serial++
	name := fmt.Sprintf("s-%s_%d", p.Name, r.serial)
	r.mu.Unlock()
	id, err := r.eng.CreateContainer(r.ctx, engine.ContainerSpec{Name: name, Image: p.Spec.Containers[0].Image})
	if err == nil {
		err = r.loop.BeforeStart(r.ctx, id, p, "c")
	}
	if r.wait(time.Second); r.ctx.Err() != nil {
		return
	}
	if err == nil {
		err = r.eng.StartContainer(r.ctx, id)
	}
	if err != nil {
		r.t.Error(err)
		return
	}
	r.change(p.Name, func(p *corev1.Pod) {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: "c", ContainerID: id, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		}}
	})
	r.becomeReady(p.Name)
}

func (r *rig) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.ctx.Done():
	}
}

// becomeReady makes a pod ready in a second, or has it crash.
func (r *rig) becomeReady(pod string) {
	if r.wait(time.Second); r.ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	crashes, stuck := r.crashes[pod], r.stuck[pod]
	r.mu.Unlock()
	if stuck {
		return
	}
	if !crashes {
		r.note("%s is ready", pod)
	}
	r.change(pod, func(p *corev1.Pod) {
		if crashes {
			p.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
			p.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{
				ExitCode: 3, Reason: "Error", ContainerID: fmt.Sprint("crashed ", time.Now()),
			}
			return
		}
		setReady(p, corev1.ConditionTrue)
	})
}

func setReady(p *corev1.Pod, to corev1.ConditionStatus) {
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: to}}
}

// change publishes a changed copy of a pod.
func (r *rig) change(name string, f func(p *corev1.Pod)) {
	r.mu.Lock()
	if p := r.pods[name]; p != nil {
		p = p.DeepCopy()
		f(p)
		r.pods[name] = p
	}
	r.mu.Unlock()
	r.publish()
}

func (r *rig) remove(name string) {
	r.mu.Lock()
	id := ""
	if c := r.pods[name].Status.ContainerStatuses; len(c) > 0 {
		id = c[0].ContainerID
	}
	delete(r.pods, name)
	r.mu.Unlock()
	if id != "" {
		_ = r.eng.RemoveContainer(r.ctx, id)
	}
	r.publish()
}

func (r *rig) publish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &state.Status{Workloads: []state.Workload{{Name: "web", Want: *r.stack.Workload("web").Object.(*appsv1.Deployment).Spec.Replicas}}}
	for _, p := range r.pods {
		s.Pods = append(s.Pods, p)
	}
	slices.SortFunc(s.Pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	r.store.Publish(s)
}
