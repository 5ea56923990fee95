package throwaway

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/probe"
	"github.com/lyandev/lyandev/supervisor/state"
)

func service(name string, selector map[string]string, ports ...int32) *corev1.Service {
	v := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{Selector: selector}}
	for _, p := range ports {
		v.Spec.Ports = append(v.Spec.Ports, corev1.ServicePort{Port: p})
	}
	return v
}

func TestIsolate(t *testing.T) {
	app := map[string]string{"app": "x"}
	stack := &services.Stack{
		Name:      "lyanna",
		Services:  []*corev1.Service{service("web", app, 80, 443), service("db", app, 3306), service("outside", nil, 1)},
		HostPorts: []services.HostPort{{HostIP: "0.0.0.0", HostPort: 8000, Service: "web", Port: 80, Protocol: corev1.ProtocolTCP}},
		Workloads: []*services.Workload{{Object: &corev1.Pod{}, Watch: []services.WatchRule{{Path: "/x"}}}},
		Volumes:   []*compose.Volume{{Key: "a", Name: compose.Project + "_a"}, {Key: "b", Name: "corp"}, {Key: "c", Name: "c", External: true}},
	}
	got := isolate(stack, "copy")
	if got.Name != "copy" || stack.Name != "lyanna" || stack.HostPorts[0].HostPort != 8000 {
		t.Errorf("names are %s and %s; the original must stay as it was", got.Name, stack.Name)
	}
	var volumes []string
	for _, v := range got.Volumes {
		volumes = append(volumes, fmt.Sprint(v.Name, v.External))
	}
	if want := compose.Project + "_a false " + compose.Project + "_b false " + compose.Project + "_c false"; strings.ReplaceAll(strings.Join(volumes, " "), "false", " false") != want {
		t.Errorf("a copy has the volumes %v: not all are its own", volumes)
	}
	if got.Workloads[0].Watch != nil {
		t.Error("a copy follows edits of files")
	}
	var ports []string
	for _, p := range got.HostPorts {
		ports = append(ports, fmt.Sprintf("%s:%d->%s:%d", p.HostIP, p.HostPort, p.Service, p.Port))
	}
	if want := "127.0.0.1:0->web:80 127.0.0.1:0->web:443 127.0.0.1:0->db:3306"; strings.Join(ports, " ") != want {
		t.Errorf("host ports are %v; want %s", ports, want)
	}
	if err := choosePorts(got.HostPorts); err != nil {
		t.Fatal(err)
	}
	seen := map[int32]bool{}
	for _, p := range got.HostPorts {
		if p.HostPort == 0 || seen[p.HostPort] {
			t.Errorf("host ports are %v; want different ones", got.HostPorts)
		}
		seen[p.HostPort] = true
	}
}

func TestNewName(t *testing.T) {
	for _, project := range []string{"lyanna", "", "A very long Name_of_a project that does not fit anywhere", strings.Repeat("a-", 30)} {
		name := NewName(project)
		if err := instance.CheckName(name); err != nil {
			t.Error(err)
		}
		if name == NewName(project) {
			t.Errorf("the name %s came twice", name)
		}
	}
}

func TestRewrite(t *testing.T) {
	ports := []services.HostPort{
		{Service: "db", Port: 3306, HostPort: 40001},
		{Service: "redis", Port: 6379, HostPort: 40002},
		{Service: "cache", Port: 11211, HostPort: 40003},
		{Service: "web", Port: 80, HostPort: 40004},
		{Service: "web", Port: 9000, HostPort: 40005},
	}
	for _, c := range []struct{ env, want map[string]string }{
		{map[string]string{"U": "mysql://a:b@db:3306/test?charset=utf8"}, map[string]string{"U": "mysql://a:b@127.0.0.1:40001/test?charset=utf8"}},
		{map[string]string{"U": "redis://redis.default.svc.cluster.local:6379/0"}, map[string]string{"U": "redis://127.0.0.1:40002/0"}},
		{map[string]string{"U": "http://web/x"}, map[string]string{"U": "http://127.0.0.1:40004/x"}},
		{map[string]string{"U": "http://web:9000"}, map[string]string{"U": "http://127.0.0.1:40005"}},
		{map[string]string{"L": "cache:11211,db:3306"}, map[string]string{"L": "127.0.0.1:40003,127.0.0.1:40001"}},
		{map[string]string{"C_HOST": "cache", "C_PORT": "11211"}, map[string]string{"C_HOST": "127.0.0.1", "C_PORT": "40003"}},
		{map[string]string{"C_HOST": "cache"}, map[string]string{"C_HOST": "127.0.0.1", "C_PORT": "40003"}},
		{map[string]string{"W": "web.default"}, map[string]string{"W": "127.0.0.1", "W_PORT": "40004"}},
		// What is no Service, or no port of one, stays.
		{
			map[string]string{"A": "example.org:3306", "B": "db.example.org:3306", "C": "mydb:3306", "D": "db:1", "E": "cached", "F": "", "G": "12:30"},
			map[string]string{"A": "example.org:3306", "B": "db.example.org:3306", "C": "mydb:3306", "D": "db:1", "E": "cached", "F": "", "G": "12:30"},
		},
		{map[string]string{"C_HOST": "cache", "C_PORT": "9"}, map[string]string{"C_HOST": "cache", "C_PORT": "9"}},
	} {
		if got := rewrite(c.env, ports); !maps.Equal(got, c.want) {
			t.Errorf("rewrite(%v) = %v; want %v", c.env, got, c.want)
		}
	}
}

func TestTestPod(t *testing.T) {
	probe := &corev1.Probe{}
	w := &services.Workload{Object: &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.StatefulSetSpec{Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}},
			Spec: corev1.PodSpec{
				InitContainers: []corev1.Container{{Name: "wait"}},
				Containers: []corev1.Container{{
					Name: "app", Image: "i", Args: []string{"serve"}, ReadinessProbe: probe, LivenessProbe: probe,
					Ports: []corev1.ContainerPort{{ContainerPort: 80}}, Env: []corev1.EnvVar{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}},
					VolumeMounts: []corev1.VolumeMount{{Name: "conf"}, {Name: "data"}},
				}, {Name: "beside"}},
				Volumes:        []corev1.Volume{{Name: "conf"}},
				ReadinessGates: []corev1.PodReadinessGate{{ConditionType: services.RightGate}},
			},
		}},
	}}
	before := w.DeepCopy()
	got := testPod(w, "web-test-0", services.TestCommand{Command: []string{"pytest", "-q"}, Env: map[string]string{"B": "3", "C": "4"}})
	spec, c := got.PodSpec(), got.PodSpec().Containers[0]
	if got.Kind() != "Pod" || got.Name() != "web-test-0" || got.PodMeta().Labels["app"] != "" {
		t.Errorf("%s %s with labels %v would get the Service's traffic", got.Kind(), got.Name(), got.PodMeta().Labels)
	}
	if len(spec.Containers) != 1 || len(spec.InitContainers) != 0 || spec.RestartPolicy != corev1.RestartPolicyNever || spec.ReadinessGates != nil {
		t.Errorf("the pod is %+v", spec)
	}
	if strings.Join(c.Command, " ") != "pytest -q" || c.Args != nil || c.ReadinessProbe != nil || c.LivenessProbe != nil || c.Ports != nil {
		t.Errorf("the container is %+v", c)
	}
	if len(c.VolumeMounts) != 1 || c.VolumeMounts[0].Name != "conf" {
		t.Errorf("mounts are %v; the claim of a template belongs to its own pod", c.VolumeMounts)
	}
	env := map[string]string{}
	for _, e := range c.Env {
		env[e.Name] += e.Value
	}
	if !maps.Equal(env, map[string]string{"A": "1", "B": "3", "C": "4"}) {
		t.Errorf("the environment is %v", env)
	}
	if fmt.Sprint(before.PodSpec()) != fmt.Sprint(w.PodSpec()) {
		t.Error("the workload was changed")
	}
}

func podWith(c corev1.ContainerStatus, ready bool) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", OwnerReferences: []metav1.OwnerReference{{}}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: c.Name}}},
		Status:     corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{c}},
	}
	if ready {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	}
	return p
}

func TestReadiness(t *testing.T) {
	waiting := func(reason string, restarts int32) corev1.ContainerStatus {
		return corev1.ContainerStatus{
			Name: "c", RestartCount: restarts, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: "why"}},
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 5}},
		}
	}
	for _, c := range []struct {
		name  string
		snap  *state.Status
		pod   string
		ready bool
		err   string
	}{
		{name: "starting", snap: &state.Status{Phase: state.Starting}},
		{name: "ready", snap: &state.Status{Phase: state.Ready}, ready: true},
		{name: "first crash", snap: &state.Status{Pods: []*corev1.Pod{podWith(waiting("CrashLoopBackOff", 1), false)}}},
		{name: "third crash", snap: &state.Status{Pods: []*corev1.Pod{podWith(waiting("CrashLoopBackOff", 2), false)}}, err: "keeps exiting with code 5"},
		{name: "no image", snap: &state.Status{Pods: []*corev1.Pod{podWith(waiting("ErrImageNeverPull", 0), false)}}, err: "ErrImageNeverPull: why"},
		{name: "no pod", snap: &state.Status{Phase: state.Ready}, pod: "p"},
		{name: "its pod", snap: &state.Status{Pods: []*corev1.Pod{podWith(corev1.ContainerStatus{}, true)}}, pod: "p", ready: true},
	} {
		ready, err := readiness(c.snap, c.pod)
		if ready != c.ready || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: readiness = %v, %v", c.name, ready, err)
		}
	}
}

func TestUnsettled(t *testing.T) {
	now := time.Now()
	c := corev1.ContainerStatus{Name: "c", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now.Add(-time.Second))}}}
	s := &state.Status{Pods: []*corev1.Pod{podWith(c, true)}}
	if got := unsettled(s, "", now); got != 500*time.Millisecond {
		t.Errorf("unsettled = %s", got)
	}
	if got := unsettled(s, "other", now); got != 0 {
		t.Errorf("unsettled of another pod = %s", got)
	}
	s.Pods[0].Spec.Containers[0].ReadinessProbe = &corev1.Probe{}
	if got := unsettled(s, "", now); got != 0 {
		t.Errorf("unsettled with a readiness probe = %s", got)
	}
}

func TestDirectSQL(t *testing.T) {
	for text, want := range map[string]bool{
		"INSERT INTO a VALUES ('x');\n":                  true,
		"INSERT INTO a VALUES ('DELIMITER ');\n":         true,
		"SELECT 1;\nDELIMITER ;;\nCREATE TRIGGER x ;;\n": false,
		strings.Repeat("x", maxStatements+1):             false,
	} {
		if direct(text) != want {
			t.Errorf("%.40q: sent to the server: %v, want %v", text, !want, want)
		}
	}
}

func TestDatabasesWithKeys(t *testing.T) {
	got := databases("# Keyspace\r\ndb0:keys=2,expires=1,avg_ttl=3\r\ndb15:keys=1,expires=0\r\n")
	if len(got) != 2 || !got[0] || !got[15] || len(databases("# Keyspace\r\n")) != 0 {
		t.Errorf("databases with keys are %v", got)
	}
}

func TestResetSQL(t *testing.T) {
	prints := func(text string) mariadbMemory { return readPrints([]byte(text)) }
	before := prints("app\tposts\napp.posts\t11\nposts\tCREATE 1\napp\tusers\napp.users\t22\nusers\tCREATE 2\n")
	if len(before) != 2 || before["app.posts"].print != "app.posts\t11\nposts\tCREATE 1" {
		t.Fatalf("readPrints = %+v", before)
	}
	for key, sql := range splitDump([]byte("-- TABLE\tapp\tposts\nINSERT 'a';\nINSERT '-- TABLE\\t';\n-- TABLE\tapp\tusers\nINSERT 'b';\n")) {
		x := before[key]
		x.sql = sql
		before[key] = x
	}
	for _, c := range []struct {
		name, now string
		want      []string
		not       []string
	}{
		{name: "nothing changed", now: "app\tposts\napp.posts\t11\nposts\tCREATE 1\napp\tusers\napp.users\t22\nusers\tCREATE 2\n"},
		{
			name: "a row", now: "app\tposts\napp.posts\t12\nposts\tCREATE 1\napp\tusers\napp.users\t22\nusers\tCREATE 2\n",
			want: []string{"lock_wait_timeout", "USE `app`", "INSERT 'a';\nINSERT '-- TABLE\\t';"}, not: []string{"INSERT 'b'"},
		},
		{
			name: "a column and a table gone", now: "app\tposts\napp.posts\t11\nposts\tCREATE 3\n",
			want: []string{"INSERT 'a'", "INSERT 'b'"}, not: []string{"DROP"},
		},
		{
			name: "a table too many", now: "app\tposts\napp.posts\t11\nposts\tCREATE 1\napp\tusers\napp.users\t22\nusers\tCREATE 2\napp\tx`y\n1\n2\n",
			want: []string{"DROP TABLE `app`.`x``y`"}, not: []string{"INSERT"},
		},
		{name: "an empty server", now: "", want: []string{"CREATE DATABASE IF NOT EXISTS `app`", "INSERT 'a'", "INSERT 'b'"}},
	} {
		got := string(resetSQL(before, prints(c.now)))
		if len(c.want) == 0 && got != "" {
			t.Errorf("%s: %q; want nothing", c.name, got)
		}
		for _, w := range c.want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: %q lacks %q", c.name, got, w)
			}
		}
		for _, w := range c.not {
			if strings.Contains(got, w) {
				t.Errorf("%s: %q has %q", c.name, got, w)
			}
		}
	}
}

func TestHomesOfTheDeadGo(t *testing.T) {
	parent := t.TempDir()
	alive, release, err := newHome(parent)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	dead, releaseDead, err := newHome(parent)
	if err != nil {
		t.Fatal(err)
	}
	releaseDead() // as the end of its process does
	beingMade := filepath.Join(parent, homePrefix+"new")
	if err := os.Mkdir(beingMade, 0o700); err != nil {
		t.Fatal(err)
	}
	_, releaseNext, err := newHome(parent)
	if err != nil {
		t.Fatal(err)
	}
	defer releaseNext()
	for dir, want := range map[string]bool{alive: true, dead: false, beingMade: true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestImagesAreMadeOnce(t *testing.T) {
	i := &Images{made: map[string]bool{"null": true}}
	if err := i.Make(context.Background(), nil); err != nil {
		t.Error(err)
	}
}

func TestEventLines(t *testing.T) {
	events := []state.Event{
		{Kind: "Pod", Name: "a", Type: "Warning", Reason: "Unhealthy", Message: "probe", Count: 3},
		{Kind: "Pod", Name: "a", Type: "Normal", Reason: "Pulled", Message: "image", Count: 1},
	}
	got := string(eventLines(events, aboutHealth))
	if !strings.Contains(got, "Unhealthy: probe") || strings.Contains(got, "Pulled") || !strings.Contains(got, "x3") {
		t.Errorf("eventLines = %q", got)
	}
}

func TestProbeLines(t *testing.T) {
	at := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	got := string(probeLines(map[string][]probe.Answer{
		"b": {{Container: "app", Type: probe.Liveness, At: at, Took: time.Millisecond, Verdict: probe.Passed}},
		"a": {{Container: "db", Type: probe.Readiness, At: at, Verdict: probe.Failed, Output: "no\nway", Early: true}},
	}))
	want := "2026-05-04T12:00:00Z  a/db  Readiness (early)  failure in 0s  no\\nway\n2026-05-04T12:00:00Z  b/app  Liveness  success in 1ms  \n"
	if got != want {
		t.Errorf("%q", got)
	}
}
