package dockerpod

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/backoff"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
)

func testRuntime() *Runtime {
	return New(Config{
		Project: "proj", Dir: "/src", Network: "proj_default",
		PodIP: func(string) (netip.Addr, error) { return netip.MustParseAddr("10.1.0.7"), nil },
		DNS:   func() netip.Addr { return netip.MustParseAddr("10.1.0.2") },
	})
}

func testPod(t *testing.T, text string) *corev1.Pod {
	t.Helper()
	p := new(corev1.Pod)
	if err := yaml.UnmarshalStrict([]byte(text), p); err != nil {
		t.Fatal(err)
	}
	p.UID = "uid"
	return p
}

func TestMounts(t *testing.T) {
	tests := []struct {
		name, volume, mount string
		want                engine.Mount
		volumeName          string
	}{
		{"claim", "persistentVolumeClaim: {claimName: data-db-0}", "", engine.Mount{Volume: "proj_data-db-0"}, "proj_data-db-0"},
		{"claim, read only", "persistentVolumeClaim: {claimName: c, readOnly: true}", "", engine.Mount{Volume: "proj_c", ReadOnly: true}, "proj_c"},
		{"claim, a part", "persistentVolumeClaim: {claimName: c}", "subPath: a/b", engine.Mount{Volume: "proj_c.a_b"}, "proj_c.a_b"},
		{"emptyDir", "emptyDir: {}", "", engine.Mount{Volume: "proj_db-0_v", NoCopy: true}, "proj_db-0_v"},
		{"memory", "emptyDir: {medium: Memory, sizeLimit: 1Mi}", "", engine.Mount{Tmpfs: true, TmpfsBytes: 1 << 20}, ""},
		{"hostPath is no path of this host", "hostPath: {path: /mnt/data}", "", engine.Mount{Volume: "proj_host_mnt_data"}, "proj_host_mnt_data"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := testPod(t, fmt.Sprintf("metadata: {name: db-0}\nspec:\n  containers:\n  - {name: app, volumeMounts: [{name: v, mountPath: /x, %s}]}\n  volumes: [{name: v, %s}]", tt.mount, tt.volume))
			got, err := testRuntime().mounts(pod.CreateRequest{Pod: p, Container: &p.Spec.Containers[0]})
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Target = "/x"
			if d := cmp.Diff([]engine.Mount{tt.want}, got.mounts); d != "" {
				t.Fatal(d)
			}
			if tt.volumeName != "" && (len(got.volumes) != 1 || got.volumes[0].name != tt.volumeName || got.volumes[0].labels[services.ProjectLabel] != "proj") {
				t.Fatalf("%+v", got.volumes)
			}
		})
	}
}

// TestMemoryOfAGroup: an emptyDir in memory belongs to the pod's fsGroup, as one on disk does; it had no group.
func TestMemoryOfAGroup(t *testing.T) {
	p := testPod(t, `
metadata: {name: web}
spec:
  securityContext: {fsGroup: 4711}
  containers: [{name: app, volumeMounts: [{name: v, mountPath: /x}]}]
  volumes: [{name: v, emptyDir: {medium: Memory}}]
`)
	got, err := testRuntime().mounts(pod.CreateRequest{Pod: p, Container: &p.Spec.Containers[0]})
	if d := cmp.Diff([]engine.Mount{{Tmpfs: true, TmpfsGroup: new(int64(4711)), Target: "/x"}}, got.mounts); d != "" || err != nil {
		t.Fatal(d, err)
	}
}

func TestBindMountsOnlyWhereTheAnnotationSaysSo(t *testing.T) {
	p := testPod(t, `
metadata: {name: web, annotations: {dev.lyandev/bind: "src, other"}}
spec:
  containers: [{name: app, volumeMounts: [{name: src, mountPath: /app, subPath: lib}, {name: sock, mountPath: /run/x}]}]
  volumes: [{name: src, hostPath: {path: /home/me/src}}, {name: sock, hostPath: {path: /var/run/docker.sock}}]
`)
	got, err := testRuntime().mounts(pod.CreateRequest{Pod: p, Container: &p.Spec.Containers[0]})
	want := []engine.Mount{{Bind: "/home/me/src/lib", Target: "/app"}, {Volume: "proj_host_var_run_docker.sock", Target: "/run/x"}}
	if d := cmp.Diff(want, got.mounts); d != "" || err != nil {
		t.Fatal(d, err)
	}
}

func TestUnknownVolumesAreRefused(t *testing.T) {
	p := testPod(t, "metadata: {name: p}\nspec: {containers: [{name: app, volumeMounts: [{name: v, mountPath: /x}]}], volumes: [{name: v, nfs: {server: s, path: /p}}]}")
	if _, err := testRuntime().mounts(pod.CreateRequest{Pod: p, Container: &p.Spec.Containers[0]}); err == nil {
		t.Fatal("an nfs volume was accepted")
	}
}

func TestConfigFilesAreAVolumeOfTheirContentsR143(t *testing.T) {
	p := testPod(t, `
metadata: {name: web}
spec:
  containers: [{name: app, volumeMounts: [{name: v, mountPath: /etc/x}, {name: v, mountPath: /one.conf, subPath: a}, {name: v, mountPath: /dir, subPath: d}]}]
  volumes: [{name: v, configMap: {name: cm}}]
`)
	files := func(text string) map[string]pod.Files {
		return map[string]pod.Files{"v": {"a": {Data: []byte(text), Mode: 0o644}, "d/b": {Data: []byte("b"), Mode: 0o600}}}
	}
	plan := func(text string) plan {
		got, err := testRuntime().mounts(pod.CreateRequest{Pod: p, Container: &p.Spec.Containers[0], Volumes: files(text)})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	one, two := plan("1"), plan("2")
	if len(one.mounts) != 1 || one.mounts[0].Volume == two.mounts[0].Volume || !one.mounts[0].NoCopy {
		t.Fatalf("%+v\n%+v", one.mounts, two.mounts)
	}
	var dirs []string
	for _, c := range one.copies {
		for name := range c.files {
			dirs = append(dirs, c.dir+" "+name)
		}
	}
	slices.Sort(dirs)
	if d := cmp.Diff([]string{"/ one.conf", "/dir b", "/etc/x a", "/etc/x d/b"}, dirs); d != "" {
		t.Fatal(d)
	}
}

func TestArchiveR154(t *testing.T) {
	group := int64(2000)
	r := tar.NewReader(bytes.NewReader(archive(pod.Files{"d/e/f": {Data: []byte("x"), Mode: 0o600}, "a": {Mode: 0o644}}, &group)))
	var got []string
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %o %d", h.Name, h.Mode, h.Gid))
	}
	if d := cmp.Diff([]string{"d/ 755 2000", "d/e/ 755 2000", "a 644 2000", "d/e/f 640 2000"}, got); d != "" {
		t.Fatal(d)
	}
}

func TestNamesAndLabels(t *testing.T) {
	r := testRuntime()
	p := testPod(t, "metadata: {name: db-2, labels: {dev.lyandev.workload: db}}\nspec: {containers: [{name: app}]}")
	q := pod.CreateRequest{Pod: p, Container: &p.Spec.Containers[0], Attempt: 3, BackOff: &backoff.Entry{Wait: 20 * time.Second, Updated: time.Unix(5, 0).UTC()}}
	if n := r.containerName(q); n != "proj-db-2-3" {
		t.Fatal(n)
	}
	l := r.containerLabels(q)
	for k, want := range map[string]string{
		services.ProjectLabel: "proj", services.WorkloadLabel: "db", services.PodLabel: "db-2", services.PodUIDLabel: "uid", services.ContainerLabel: "app",
		AttemptLabel: "3", services.KindLabel: "container", "com.docker.compose.project": "proj", "com.docker.compose.service": "db",
		"com.docker.compose.container-number": "3", "com.docker.compose.oneoff": "False",
	} {
		if l[k] != want {
			t.Errorf("%s is %q, want %q", k, l[k], want)
		}
	}
	if e := backOffOf(&engine.Container{Labels: l}); e == nil || *e != *q.BackOff {
		t.Fatalf("%+v", e)
	}
	p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "b"})
	if n := r.containerName(q); n != "proj-db-2-app-3" {
		t.Fatal(n)
	}
}

func TestNeedsSandbox(t *testing.T) {
	for text, want := range map[string]bool{
		"spec: {containers: [{name: a}]}":                                                              false,
		"spec: {initContainers: [{name: i}], containers: [{name: a}]}":                                 false,
		"spec: {containers: [{name: a}, {name: b}]}":                                                   true,
		"spec: {initContainers: [{name: i, restartPolicy: Always}], containers: [{name: a}]}":          true,
		"metadata: {annotations: {dev.lyandev/sandbox: \"true\"}}\nspec: {containers: [{name: a}]}":    true,
		"metadata: {annotations: {dev.lyandev/localhost: \"1=a:1\"}}\nspec: {containers: [{name: a}]}": true,
		"spec: {hostNetwork: true, containers: [{name: a}, {name: b}]}":                                false,
		"spec: {shareProcessNamespace: true, containers: [{name: a}]}":                                 true,
	} {
		if pod.NeedsSandbox(testPod(t, text)) != want {
			t.Errorf("%s: want %v", text, want)
		}
	}
}

func TestSandboxServesThePortsOfTheLoopback(t *testing.T) {
	for text, want := range map[string]string{
		"spec: {containers: [{name: a}]}": "sandbox",
		"metadata: {annotations: {dev.lyandev/localhost: \"6379=redis:6379\"}}\nspec: {containers: [{name: a}]}": "sandbox 6379=redis:6379",
	} {
		if got := strings.Join(sandboxCommand(testPod(t, text)), " "); got != want {
			t.Errorf("%s: runs %q", text, got)
		}
	}
}

func TestNetworkR128(t *testing.T) {
	p := testPod(t, "metadata: {name: web-0}\nspec: {subdomain: web, hostname: web-0, containers: [{name: a}], hostAliases: [{ip: 1.2.3.4, hostnames: [x]}]}")
	var spec engine.ContainerSpec
	if err := testRuntime().onNetwork(p, &spec); err != nil {
		t.Fatal(err)
	}
	want := engine.ContainerSpec{
		Network: "proj_default", IP: netip.MustParseAddr("10.1.0.7"), Hostname: "web-0",
		DNS: []netip.Addr{netip.MustParseAddr("10.1.0.2")}, DNSOptions: []string{"ndots:5"},
		DNSSearch:  []string{"default.svc.cluster.local", "svc.cluster.local", "cluster.local"},
		ExtraHosts: []string{"web-0.web.default.svc.cluster.local:10.1.0.7", "x:1.2.3.4"},
	}
	if d := cmp.Diff(want, spec, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Fatal(d)
	}
}

func TestSecurityR153R154(t *testing.T) {
	p := testPod(t, `
spec:
  securityContext: {fsGroup: 5, supplementalGroups: [6], seccompProfile: {type: Unconfined}}
  containers: [{name: a, securityContext: {privileged: true, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {add: [NET_ADMIN], drop: [ALL]}}}]
`)
	var spec engine.ContainerSpec
	secure(p, &p.Spec.Containers[0], &spec)
	want := engine.ContainerSpec{
		GroupAdd: []string{"5", "6"}, SecurityOpt: []string{"seccomp=unconfined", "no-new-privileges"}, Privileged: true,
		ReadOnlyRootFS: true, CapAdd: []string{"NET_ADMIN"}, CapDrop: []string{"ALL"},
	}
	if d := cmp.Diff(want, spec, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Fatal(d)
	}
}

func TestMissingImageTellsWhatToDo(t *testing.T) {
	r := New(Config{MadeHere: func(ref string) bool { return ref == "web:dev" }})
	if !strings.Contains(r.MissingImage("web:dev"), "lyandev build") || r.MissingImage("redis:7") != "" || r.MissingImage("sha256:abc") == "" {
		t.Fatal("wrong advice")
	}
}

func TestLastKeepsTheEndR160(t *testing.T) {
	got, err := last(strings.NewReader(strings.Repeat("x", 100000)+"end"), 10)
	if err != nil || got != "xxxxxxxend" {
		t.Fatal(got, err)
	}
}
