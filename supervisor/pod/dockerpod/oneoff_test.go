package dockerpod

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/go-connections/nat"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// oneOffTemplate has everything of which a one-off container takes a part, and much of which it takes none.
const oneOffTemplate = `
metadata: {name: s-web-run-1, namespace: default, labels: {app: web}}
spec:
  hostname: web
  subdomain: web-svc
  restartPolicy: Always
  initContainers:
  - {name: proxy, image: "img:1", restartPolicy: Always}
  - {name: wait, image: "img:1", volumeMounts: [{name: scratch, mountPath: /shared}]}
  containers:
  - {name: other, image: "img:1"}
  - name: web
    image: img:1
    command: [python]
    args: [app.py, $(MODE)]
    workingDir: /app
    env:
    - {name: MODE, value: dev}
    - {name: KEY, valueFrom: {secretKeyRef: {name: keys, key: k}}}
    securityContext: {runAsUser: 1000}
    livenessProbe: {exec: {command: ["false"]}}
    ports: [{containerPort: 8000}]
    volumeMounts:
    - {name: scratch, mountPath: /tmp/x}
    - {name: data, mountPath: /data}
    - {name: conf, mountPath: /etc/conf}
  volumes:
  - {name: scratch, emptyDir: {}}
  - {name: data, persistentVolumeClaim: {claimName: data}}
  - {name: conf, configMap: {name: conf}}
`

type oneOffObjects struct{}

func (oneOffObjects) Services() []*corev1.Service { return nil }

func (oneOffObjects) ConfigMap(string) (*corev1.ConfigMap, bool) {
	return &corev1.ConfigMap{Data: map[string]string{"f": "text"}}, true
}

func (oneOffObjects) Secret(string) (*corev1.Secret, bool) {
	return &corev1.Secret{Data: map[string][]byte{"k": []byte("secret")}}, true
}

// onFake runs a test with a runtime on a fake engine.
func onFake(t *testing.T, test func(t *testing.T, e *enginefake.Engine, r *Runtime)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := enginefake.New()
		e.AddImage("img:1", enginefake.Image{})
		e.AddImage("sandbox:1", enginefake.Image{})
		if _, err := e.CreateNetwork(t.Context(), engine.NetworkSpec{Name: "s_default", Subnet: netip.MustParsePrefix("10.9.0.0/24")}); err != nil {
			t.Fatal(err)
		}
		test(t, e, New(Config{
			Engine: e, Project: "s", Dir: "/src", Network: "s_default",
			DNS:          func() netip.Addr { return netip.MustParseAddr("10.9.0.2") },
			SandboxImage: func(context.Context) (string, error) { return "sandbox:1", nil },
		}))
	})
}

func someOneOff(t *testing.T, o compose.OneOff) OneOff {
	t.Helper()
	p := testPod(t, oneOffTemplate)
	p.UID = ""
	return OneOff{
		Pod: p, Container: "web", Objects: oneOffObjects{}, Options: o,
		Published: nat.PortMap{"8000/tcp": {{HostIP: "127.0.0.1", HostPort: "8000"}}},
		Labels:    map[string]string{services.ProjectLabel: "s", services.KindLabel: KindOneOff},
	}
}

// TestOneOffOfATemplate: a one-off container has what the template's container has, and nothing that makes it a pod.
func TestOneOffOfATemplate(t *testing.T) {
	onFake(t, func(t *testing.T, e *enginefake.Engine, r *Runtime) {
		e.On("*-wait", enginefake.Script{Exit: &enginefake.Exit{After: 5 * time.Second}})
		began := time.Now()
		id, err := r.CreateOneOff(t.Context(), someOneOff(t, compose.OneOff{
			Command: []string{"-V"}, Env: []string{"MODE=test"}, Remove: true, TTY: true, Stdin: true,
		}))
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 5*time.Second {
			t.Errorf("it did not wait for the init container: %s", took)
		}
		spec, _ := e.Spec(id)
		x := spec.Exact
		got := []any{
			[]string(x.Config.Entrypoint), []string(x.Config.Cmd), x.Config.Env, x.Config.WorkingDir, x.Config.User, x.Config.Tty, x.Host.AutoRemove,
			string(x.Host.RestartPolicy.Name), len(x.Host.PortBindings), x.Host.DNS, x.Config.Hostname, spec.Labels[services.PodUIDLabel], spec.Labels[OneOffLabel],
		}
		want := []any{
			[]string{"python"},
			[]string{"-V"},
			[]string{"KEY=secret", "MODE=test"},
			"/app", "1000", true, true,
			"", 0,
			[]string{"10.9.0.2"},
			"web", "", "s-web-run-1",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("the container (-want +got):\n%s", d)
		}
		var mounts []string
		for _, m := range x.Host.Mounts {
			mounts = append(mounts, m.Target+" "+m.Source)
		}
		if want := []string{"/tmp/x s_s-web-run-1_scratch", "/data s_data"}; !slices.Equal(mounts[:2], want) || len(mounts) != 3 {
			t.Errorf("mounts %v, want %v and the config", mounts, want)
		}
		if text, _ := e.File(id, "/etc/conf/f"); string(text) != "text" {
			t.Errorf("the config is %q", text)
		}
		if c := r.left(t, e); !slices.Equal(c, []string{"s-web-run-1"}) {
			t.Errorf("containers %v", c)
		}
		if ended, err := e.InspectContainer(t.Context(), id); err != nil || ended.State != engine.StateCreated {
			t.Errorf("it is %s, %v", ended.State, err)
		}
	})
}

// left are the names of the project's containers.
func (r *Runtime) left(t *testing.T, e *enginefake.Engine) (out []string) {
	t.Helper()
	list, err := e.ListContainers(t.Context(), map[string]string{services.ProjectLabel: "s"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		out = append(out, c.Name)
	}
	slices.Sort(out)
	return out
}

// TestOneOffSandbox: a template that needs its address, or has ports of its loopback, has a sandbox, with the published ports.
func TestOneOffSandbox(t *testing.T) {
	onFake(t, func(t *testing.T, e *enginefake.Engine, r *Runtime) {
		x := someOneOff(t, compose.OneOff{ServicePorts: true})
		x.NoInit = true
		x.Pod.Annotations = map[string]string{services.LocalhostAnnotation: "6379=redis:6379"}
		x.Pod.Spec.Containers[1].Env = append(x.Pod.Spec.Containers[1].Env, corev1.EnvVar{
			Name: "POD_IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}},
		})
		id, err := r.CreateOneOff(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		sandbox, err := e.InspectContainer(t.Context(), "s-web-run-1-sandbox")
		if err != nil || sandbox.State != engine.StateRunning {
			t.Fatalf("the sandbox is %s, %v", sandbox.State, err)
		}
		own, _ := e.Spec(id)
		holds, _ := e.Spec(sandbox.ID)
		if ip := sandbox.IPs["s_default"]; !slices.Contains(own.Exact.Config.Env, "POD_IP="+ip.String()) || !ip.IsValid() {
			t.Errorf("environment %v, address %s", own.Exact.Config.Env, ip)
		}
		if string(own.Exact.Host.NetworkMode) != "container:"+sandbox.ID || len(own.Exact.Host.PortBindings) != 0 {
			t.Errorf("network %s, ports %v", own.Exact.Host.NetworkMode, own.Exact.Host.PortBindings)
		}
		if len(holds.Exact.Host.PortBindings) != 1 || !slices.Equal([]string(holds.Exact.Config.Cmd), []string{"sandbox", "6379=redis:6379"}) {
			t.Errorf("the sandbox has ports %v and runs %q", holds.Exact.Host.PortBindings, holds.Exact.Config.Cmd)
		}
		if err := r.SweepOneOffs(t.Context()); err != nil || len(r.left(t, e)) != 2 {
			t.Errorf("after a sweep: %v, %v", r.left(t, e), err)
		}
		_ = e.RemoveContainer(t.Context(), id)
		if err := r.SweepOneOffs(t.Context()); err != nil || len(r.left(t, e)) != 0 {
			t.Errorf("after its removal: %v, %v", r.left(t, e), err)
		}
		vols, _ := e.ListVolumes(t.Context(), map[string]string{services.ProjectLabel: "s"})
		if len(vols) != 1 || vols[0].Name != "s_data" {
			t.Errorf("volumes %v, want the claim's only", vols)
		}
	})
}

// TestOneOffErrors: what an error leaves behind, and what it says.
func TestOneOffErrors(t *testing.T) {
	for _, c := range []struct {
		name, want string
		breaks     func(e *enginefake.Engine, x *OneOff)
	}{
		{"a failed init container", "init container wait of s-web-run-1 exited with 3: no server", func(e *enginefake.Engine, _ *OneOff) {
			e.On("*-wait", enginefake.Script{Output: []enginefake.Output{{Text: "no server"}}, Exit: &enginefake.Exit{After: time.Second, Code: 3}})
		}},
		{"a volume that is none", "must be SOURCE:TARGET", func(_ *enginefake.Engine, x *OneOff) { x.Options.Volumes = []string{"a:b"} }},
		{"root is forbidden", "image will run as root", func(_ *enginefake.Engine, x *OneOff) {
			yes := true
			x.Pod.Spec.Containers[1].SecurityContext = &corev1.SecurityContext{RunAsNonRoot: &yes}
		}},
		{"no such container", `has none of that name`, func(_ *enginefake.Engine, x *OneOff) { x.Container = "nothere" }},
	} {
		onFake(t, func(t *testing.T, e *enginefake.Engine, r *Runtime) {
			x := someOneOff(t, compose.OneOff{})
			c.breaks(e, &x)
			if _, err := r.CreateOneOff(t.Context(), x); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: error %v", c.name, err)
			}
			vols, _ := e.ListVolumes(t.Context(), map[string]string{services.KindLabel: KindOneOffPart})
			if left := r.left(t, e); len(left) != 0 || len(vols) != 0 {
				t.Errorf("%s: left behind: %v, %v", c.name, left, vols)
			}
		})
	}
}

// TestOneOffVolumeOverFiles: what --volume is mounted over is not written to.
func TestOneOffVolumeOverFiles(t *testing.T) {
	p := plan{
		setup: []setup{{volume: "a", target: "/data"}, {volume: "b", target: "/database"}},
		copies: []copying{
			{dir: "/etc/conf", files: pod.Files{"f": {}}}, {dir: "/etc", files: pod.Files{"one": {}, "two": {}}}, {dir: "/srv/x", files: pod.Files{"f": {}}},
		},
	}
	p.without([]string{"/home:/data/", "/my/one:/etc/one:ro", "/srv", "vol:/etc/conf"})
	want := plan{setup: []setup{{volume: "b", target: "/database"}}, copies: []copying{{dir: "/etc", files: pod.Files{"two": {}}}}}
	if d := cmp.Diff(want, p, cmp.AllowUnexported(plan{}, setup{}, copying{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
