package main

import (
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/state"
)

func somePod(name, workload string, phase corev1.PodPhase, code int32) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{services.WorkloadLabel: workload}}}
	p.Status.Phase, p.Status.PodIP = phase, "10.0.0.1"
	if phase == corev1.PodFailed || phase == corev1.PodSucceeded {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}}}}
	}
	return p
}

// TestEndsOf: wait ends when no pod of the services runs and none is still to come.
func TestEndsOf(t *testing.T) {
	job := state.Workload{Name: "job", Kind: "Job", Want: 1}
	for name, c := range map[string]struct {
		pods    []*corev1.Pod
		right   bool
		former  []podEnd
		retries map[string]int
		over    bool
		codes   []int32
	}{
		"its pod is to be made":            {},
		"runs":                             {pods: []*corev1.Pod{somePod("job-1", "job", corev1.PodRunning, 0)}},
		"ended":                            {pods: []*corev1.Pod{somePod("job-1", "job", corev1.PodFailed, 7)}, over: true, codes: []int32{7}},
		"succeeded":                        {pods: []*corev1.Pod{somePod("job-1", "job", corev1.PodSucceeded, 0)}, right: true, over: true, codes: []int32{0}},
		"failed, and is tried again":       {pods: []*corev1.Pod{somePod("job-1", "job", corev1.PodFailed, 7)}, retries: map[string]int{"job": 1}, codes: []int32{7}},
		"failed as often as it may":        {pods: []*corev1.Pod{somePod("job-1", "job", corev1.PodFailed, 7), somePod("job-2", "job", corev1.PodFailed, 8)}, retries: map[string]int{"job": 1}, over: true, codes: []int32{7, 8}},
		"gone since, and the Job is right": {former: []podEnd{{Pod: "job-1", ExitCode: 7}}, right: true, over: true, codes: []int32{7}},
		"another service runs":             {pods: []*corev1.Pod{somePod("job-1", "job", corev1.PodSucceeded, 0), somePod("web-1", "web", corev1.PodRunning, 0)}, right: true, over: true, codes: []int32{0}},
	} {
		w := job
		w.Right = c.right
		ends, over := endsOf(&state.Status{Workloads: []state.Workload{w}, Pods: c.pods}, []string{"job"}, c.former, c.retries)
		var codes []int32
		for _, e := range ends {
			codes = append(codes, e.ExitCode)
		}
		if over != c.over || !slices.Equal(codes, c.codes) {
			t.Errorf("%s: got %v %v, want %v %v", name, over, codes, c.over, c.codes)
		}
	}
}

// TestUsageBetween: a pod's containers are added up, and only what ran between the samples counts as CPU.
func TestUsageBetween(t *testing.T) {
	of := func(id, pod string, cpu, system, memory uint64) sample {
		return sample{
			engine.Container{ID: id, Labels: map[string]string{services.PodLabel: pod, services.WorkloadLabel: "web"}},
			engine.Stats{CPUNanos: cpu, SystemNanos: system, CPUs: 2, Memory: memory, MemoryLimit: 100, NetRx: 1, PIDs: 3},
		}
	}
	got := usageBetween(
		map[string]sample{"a": of("a", "web-0", 100, 1000, 1), "b": of("b", "web-0", 0, 1000, 1)},
		map[string]sample{"a": of("a", "web-0", 600, 2000, 10), "b": of("b", "web-0", 250, 2000, 5), "c": of("c", "web-1", 900, 2000, 7)},
	)
	want := []podUsage{
		{Pod: "web-0", Service: "web", CPUPercent: 150, Memory: 15, MemoryLimit: 100, NetRx: 2, PIDs: 6},
		{Pod: "web-1", Service: "web", Memory: 7, MemoryLimit: 100, NetRx: 1, PIDs: 3},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestWhereTo(t *testing.T) {
	ready := somePod("web-1", "web", corev1.PodRunning, 0)
	ready.Status.PodIP = "10.0.0.2"
	ready.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	s := &state.Status{
		Pods:     []*corev1.Pod{somePod("web-0", "web", corev1.PodRunning, 0), ready, somePod("job-1", "job", corev1.PodFailed, 1)},
		Services: []*corev1.Service{{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}}}},
		Bound:    []services.HostPort{{HostIP: "127.0.0.1", HostPort: 9000, Service: "web", Port: 80, Protocol: corev1.ProtocolTCP}},
	}
	for _, c := range []struct {
		name string
		port int32
		want string
	}{{"web", 80, "web:80"}, {"web", 5000, "10.0.0.2:5000"}, {"web-0", 80, "10.0.0.1:80"}, {"job", 80, ""}} {
		if got, err := whereTo(s, c.name, c.port); got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s:%d: got %s (%v), want %s", c.name, c.port, got, err, c.want)
		}
	}
	for port, want := range map[int32]string{80: "127.0.0.1:9000", 8080: "127.0.0.1:9000", 81: ""} {
		if got := strings.Join(publishedAt(s, "web", port, "tcp"), " "); got != want {
			t.Errorf("port %d: got %s, want %s", port, got, want)
		}
	}
}

func TestConnectionURL(t *testing.T) {
	env := map[string]string{"POSTGRES_USER": "app", "POSTGRES_PASSWORD": "p@ss", "POSTGRES_DB": "shop", "MARIADB_ROOT_PASSWORD": "r"}
	for _, c := range []struct {
		port    int32
		secrets bool
		want    string
	}{
		{5432, false, "postgres://app:PASSWORD@127.0.0.1:1/shop"},
		{5432, true, "postgres://app:p%40ss@127.0.0.1:1/shop"},
		{3306, true, "mysql://root:r@127.0.0.1:1"},
		{6379, false, "redis://127.0.0.1:1"},
		{8000, false, "http://127.0.0.1:1"},
	} {
		if got := connectionURL("127.0.0.1:1", c.port, env, c.secrets); got != c.want {
			t.Errorf("%d: got %s, want %s", c.port, got, c.want)
		}
	}
}

func TestParsePlace(t *testing.T) {
	for text, want := range map[string]place{
		"web:/etc/hosts": {"web", "/etc/hosts"}, "web:a:b": {"web", "a:b"}, "web:rel": {"web", "rel"},
		"./a:b": {path: "./a:b"}, "/a:b": {path: "/a:b"}, "dir/a:b": {path: "dir/a:b"}, "-": {path: "-"}, "file": {path: "file"},
	} {
		if got := parsePlace(text); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

// TestForwarder: what is sent comes back through the target, whose end of the stream is passed on; after the end nothing listens.
func TestForwarder(t *testing.T) {
	target, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	go func() {
		for {
			c, err := target.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	f := forwarder{dial: func(ctx context.Context, _ int32) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", target.Addr().String())
	}}
	at, err := f.listen([]forward{{remote: 80}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { f.serve(ctx); close(done) }()
	c, err := net.Dial("tcp", at[0])
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(c, "hello")
	_ = c.(*net.TCPConn).CloseWrite()
	if b, err := io.ReadAll(c); string(b) != "hello" || err != nil {
		t.Errorf("got %q (%v)", b, err)
	}
	end()
	<-done
	if _, err := net.Dial("tcp", at[0]); err == nil {
		t.Error("it still listens")
	}
}
