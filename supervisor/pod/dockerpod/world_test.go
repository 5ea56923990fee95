package dockerpod_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/backoff"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
	"github.com/lyandev/lyandev/supervisor/probe"
)

const testImage = "debian:trixie-slim"

// world is a project on the real engine, with a network of its own; all of it goes at the end of the test.
type world struct {
	t       *testing.T
	engine  *engine.Docker
	project string
	cfg     dockerpod.Config
	runtime *dockerpod.Runtime
	objects *objects

	mu      sync.Mutex
	seen    *sync.Cond
	pods    map[string]*corev1.Pod
	gone    map[string]bool
	events  []string
	workers map[types.UID]*pod.Worker
	ips     map[string]netip.Addr
	subnet  netip.Prefix
	stop    context.CancelFunc
	running sync.WaitGroup
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a Docker engine; make test runs it")
	}
	docker, err := engine.NewDocker(false)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 3)
	_, _ = rand.Read(id)
	w := &world{
		t: t, engine: docker, project: "lytest-" + hex.EncodeToString(id), objects: &objects{},
		pods: map[string]*corev1.Pod{}, gone: map[string]bool{}, workers: map[types.UID]*pod.Worker{}, ips: map[string]netip.Addr{},
	}
	w.seen = sync.NewCond(&w.mu)
	t.Cleanup(w.cleanUp)
	w.network()
	w.cfg = dockerpod.Config{
		Engine: docker, Project: w.project, Dir: t.TempDir(), Network: w.project, PodIP: w.podIP,
		SandboxImage: func(context.Context) (string, error) { return sandboxImage(t, docker), nil },
		MessageDir:   filepath.Join(t.TempDir(), "messages"),
	}
	w.runtime = dockerpod.New(w.cfg)
	w.start()
	return w
}

// network makes the test's network in a subnet that nobody has.
func (w *world) network() {
	var err error
	for n := 10; n < 250; n++ {
		w.subnet = netip.MustParsePrefix(fmt.Sprintf("10.213.%d.0/24", n))
		_, err = w.engine.CreateNetwork(w.t.Context(), engine.NetworkSpec{
			Name: w.project, Subnet: w.subnet, Labels: map[string]string{services.ProjectLabel: w.project},
		})
		if !engine.IsOverlap(err) {
			break
		}
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) podIP(name string) (netip.Addr, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ip, ok := w.ips[name]; ok {
		return ip, nil
	}
	b := w.subnet.Addr().As4()
	b[3] = byte(20 + len(w.ips))
	w.ips[name] = netip.AddrFrom4(b)
	return w.ips[name], nil
}

// start begins to follow the engine's events, as a supervisor does.
func (w *world) start() {
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	ch, _, err := w.engine.Events(ctx, map[string]string{services.ProjectLabel: w.project})
	if err != nil {
		w.t.Fatal(err)
	}
	w.running.Go(func() {
		for e := range ch {
			uid, ev, ok := dockerpod.Event(e)
			w.mu.Lock()
			worker := w.workers[types.UID(uid)]
			w.mu.Unlock()
			if ok && worker != nil {
				worker.Notify(ev)
			}
		}
	})
}

// restart is the end of one supervisor and the beginning of the next.
func (w *world) restart() []*corev1.Pod {
	w.t.Helper()
	w.stop()
	w.running.Wait()
	w.mu.Lock()
	w.workers, w.pods = map[types.UID]*pod.Worker{}, map[string]*corev1.Pod{}
	w.mu.Unlock()
	w.runtime = dockerpod.New(w.cfg)
	pods, err := w.runtime.Observe(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.start()
	return pods
}

func (w *world) cleanUp() {
	w.stop()
	w.running.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	mine := map[string]string{services.ProjectLabel: w.project}
	list, _ := w.engine.ListContainers(ctx, mine)
	for _, c := range list {
		_ = w.engine.RemoveContainer(ctx, c.ID)
	}
	vols, _ := w.engine.ListVolumes(ctx, mine)
	for _, v := range vols {
		_ = w.engine.RemoveVolume(ctx, v.Name)
	}
	nets, _ := w.engine.ListNetworks(ctx, mine)
	for _, n := range nets {
		_ = w.engine.RemoveNetwork(ctx, n.ID)
	}
}

// run starts a worker for a pod.
func (w *world) run(p *corev1.Pod) *pod.Worker {
	worker := pod.New(p, pod.Deps{
		Runtime: w.runtime, Objects: w.objects, Sink: w, Probes: probe.Deps{Exec: w.runtime},
		BackOff: backoff.Kubelet(true, 0), Timing: probe.Fast, Node: pod.Node{Name: "test", MilliCPU: 2000, MemoryBytes: 1 << 30},
	})
	w.mu.Lock()
	w.workers[p.UID] = worker
	w.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	stop := w.stop
	w.stop = func() { cancel(); stop() }
	w.running.Go(func() { _ = worker.Run(ctx) })
	return worker
}

// pod reads a pod from YAML; every container has the test image, no grace to speak of, and a name of the pod's UID.
func (w *world) pod(text string) *corev1.Pod {
	w.t.Helper()
	p := new(corev1.Pod)
	if err := yaml.UnmarshalStrict([]byte(text), p); err != nil {
		w.t.Fatal(err)
	}
	p.UID = types.UID(w.project + "-" + p.Name)
	for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range list {
			if list[i].Image == "" {
				list[i].Image = testImage
			}
		}
	}
	return p
}

func (w *world) StatusChanged(p *corev1.Pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pods[p.Name] = p
	w.seen.Broadcast()
}

func (w *world) Event(_ *corev1.Pod, container, eventType, reason, message string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, fmt.Sprintf("%s %s %s: %s", eventType, reason, container, message))
	w.seen.Broadcast()
}

func (w *world) Gone(p *corev1.Pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone[p.Name] = true
	w.seen.Broadcast()
}

// until waits for a condition of the latest status of a pod.
func (w *world) until(name, what string, ok func(p *corev1.Pod) bool) *corev1.Pod {
	w.t.Helper()
	late := time.AfterFunc(40*time.Second, func() { w.mu.Lock(); w.seen.Broadcast(); w.mu.Unlock() })
	defer late.Stop()
	began := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		if p := w.pods[name]; p != nil && ok(p) {
			return p
		}
		if time.Since(began) > 40*time.Second {
			status, _ := yaml.Marshal(w.pods[name])
			w.t.Fatalf("%s: never %s; events:\n%s\n%s", name, what, strings.Join(w.events, "\n"), status)
		}
		w.seen.Wait()
	}
}

func (w *world) untilGone(name string) {
	w.t.Helper()
	w.until(name, "gone", func(*corev1.Pod) bool { return w.gone[name] })
}

func (w *world) hasEvent(part string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if strings.Contains(e, part) {
			return true
		}
	}
	return false
}

// sh runs a shell line in a running container of the pod.
func (w *world) sh(p *corev1.Pod, container, line string) string {
	w.t.Helper()
	for _, c := range p.Status.ContainerStatuses {
		if c.Name == container {
			_, out, err := w.runtime.Exec(w.t.Context(), c.ContainerID, []string{"sh", "-c", line}, 10*time.Second)
			if err != nil {
				w.t.Fatal(err)
			}
			return strings.TrimSpace(string(out))
		}
	}
	w.t.Fatalf("no container %s", container)
	return ""
}

func ready(p *corev1.Pod) bool {
	c := pod.FindCondition(&p.Status, corev1.PodReady)
	return c != nil && c.Status == corev1.ConditionTrue
}

func restarts(p *corev1.Pod, n int32) bool { return p.Status.ContainerStatuses[0].RestartCount >= n }

// objects are the ConfigMaps of the test.
type objects struct {
	mu      sync.Mutex
	configs map[string]map[string]string
}

func (o *objects) set(name string, data map[string]string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.configs == nil {
		o.configs = map[string]map[string]string{}
	}
	o.configs[name] = data
}

func (o *objects) ConfigMap(name string) (*corev1.ConfigMap, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	data, ok := o.configs[name]
	return &corev1.ConfigMap{Data: data}, ok
}
func (o *objects) Secret(string) (*corev1.Secret, bool) { return nil, false }
func (o *objects) Services() []*corev1.Service          { return nil }

// TestMain removes the sandbox image that the tests made.
func TestMain(m *testing.M) {
	code := m.Run()
	if docker, err := engine.NewDocker(false); err == nil {
		_ = docker.RemoveImage(context.Background(), sandboxRef)
		_ = docker.Close()
	}
	os.Exit(code)
}

var sandboxOnce sync.Once

// sandboxRef is this process's own: tests of several work trees may run at the same time.
var sandboxRef = fmt.Sprintf("lyandev-test/sandbox:%d", os.Getpid())

// sandboxProgram sleeps until SIGTERM, or gives volumes to a group.
const sandboxProgram = `package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/lyandev/lyandev/supervisor/pod/fsgroup"
)

func main() {
	if os.Args[1] == fsgroup.Command {
		if err := fsgroup.Main(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	<-c
}
`

// sandboxImage is an image of one static binary, sandboxProgram.
func sandboxImage(t *testing.T, docker *engine.Docker) string {
	sandboxOnce.Do(func() {
		dir := t.TempDir()
		source := filepath.Join(dir, "main.go")
		if err := os.WriteFile(source, []byte(sandboxProgram), 0o600); err != nil {
			t.Fatal(err)
		}
		build := exec.Command("go", "build", "-o", filepath.Join(dir, "sandbox"), source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		data, err := os.ReadFile(filepath.Join(dir, "sandbox"))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		tw := tar.NewWriter(&b)
		_ = tw.WriteHeader(&tar.Header{Name: "sandbox", Mode: 0o755, Size: int64(len(data))})
		_, _ = tw.Write(data)
		_ = tw.Close()
		if _, err := docker.ImportImage(context.Background(), sandboxRef, []string{`ENTRYPOINT ["/sandbox"]`}, &b); err != nil {
			t.Fatal(err)
		}
	})
	return sandboxRef
}
