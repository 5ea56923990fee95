package pod_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/pod"
)

// things are a ConfigMap "cm" {k: v, A: $(B)}, a Secret "s" {k: secret} and a Service "web".
type things struct{}

func (things) ConfigMap(name string) (*corev1.ConfigMap, bool) {
	return &corev1.ConfigMap{Data: map[string]string{"k": "v", "A": "$(B)", "dir-f": "file"}}, name == "cm"
}

func (things) Secret(name string) (*corev1.Secret, bool) {
	return &corev1.Secret{Data: map[string][]byte{"k": []byte("secret")}}, name == "s"
}

func (things) Services() []*corev1.Service {
	s := &corev1.Service{Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.5", Ports: []corev1.ServicePort{{Port: 80, Protocol: corev1.ProtocolTCP}}}}
	s.Name, s.Namespace = "web", "default"
	return []*corev1.Service{s}
}

func inputOf(t *testing.T, spec string) pod.EnvInput {
	p := podOf(t, spec)
	p.Labels = map[string]string{"app": "x", "tier": "web"}
	return pod.EnvInput{
		Pod: p, Container: &p.Spec.Containers[0], Objects: things{}, PodIP: "10.0.0.7",
		Node: pod.Node{Name: "laptop", IP: "10.0.0.1", MilliCPU: 2000, MemoryBytes: 1 << 30},
	}
}

func TestEnv(t *testing.T) {
	tests := []struct{ name, env, want, err string }{
		{"R131 in order, later ones stay", "env: [{name: B, value: '$(A) $(C) $$(A)'}, {name: A, value: '1'}, {name: C, value: '$(A)2'}]", "B=$(A) $(C) $(A);A=1;C=12", ""},
		{"R130 the last wins, the one between sees the first", "env: [{name: A, value: '1'}, {name: B, value: $(A)}, {name: A, value: '2'}]", "B=1;A=2", ""},
		{"R130 env over envFrom; R131 sources are not expanded", "envFrom: [{configMapRef: {name: cm}}]\nenv: [{name: k, value: mine}]", "A=$(B);dir-f=file;k=mine", ""},
		{"R132 prefix and order", "envFrom: [{prefix: X_, configMapRef: {name: cm}}, {prefix: X_, secretRef: {name: s}}]", "X_A=$(B);X_dir-f=file;X_k=secret", ""},
		{"R133 fields", "env: [{name: NN, valueFrom: {fieldRef: {fieldPath: metadata.name}}}, {name: L, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['app']\"}}}, {name: I, valueFrom: {fieldRef: {fieldPath: status.podIP}}}, {name: H, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]", "NN=p;L=x;I=10.0.0.7;H=laptop", ""},
		{"R133 resources, rounded up", "resources: {limits: {cpu: 250m}, requests: {memory: 100Mi}}\nenv: [{name: C, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}, {name: M, valueFrom: {resourceFieldRef: {resource: requests.memory, divisor: 1Mi}}}, {name: NN, valueFrom: {resourceFieldRef: {resource: limits.memory}}}]", "C=1;M=100;NN=1073741824", ""},
		{"R140 no such object", "env: [{name: X, valueFrom: {configMapKeyRef: {name: none, key: k}}}]", "", `configmaps "none" not found`},
		{"R140 no such key", "env: [{name: X, valueFrom: {secretKeyRef: {name: s, key: none}}}]", "", `couldn't find key none in Secret default/s`},
		{"R140 envFrom", "envFrom: [{secretRef: {name: none}}]", "", `secrets "none" not found`},
		{"R141 optional", "env: [{name: X, valueFrom: {configMapKeyRef: {name: none, key: k, optional: true}}}, {name: W, value: '$(X)'}, {name: Z, valueFrom: {secretKeyRef: {name: s, key: none, optional: true}}}]", "W=$(X)", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := inputOf(t, "enableServiceLinks: false\ncontainers:\n- name: app\n  "+strings.ReplaceAll(tt.env, "\n", "\n  "))
			got, err := pod.Env(in)
			var wait *pod.WaitError
			if tt.err != "" {
				if !errors.As(err, &wait) || wait.Reason != pod.ReasonConfigError || wait.Message != tt.err {
					t.Fatalf("error %v", err)
				}
				return
			}
			var lines []string
			for _, v := range got {
				lines = append(lines, v.Name+"="+v.Value)
			}
			if text := strings.Join(lines, ";"); err != nil || text != tt.want {
				t.Fatalf("%s (%v)", text, err)
			}
		})
	}
}

func TestServiceVariablesAreLowestAndExpandInCommandsR130R134R136(t *testing.T) {
	in := inputOf(t, "containers: [{name: app, command: [run, $(WEB_SERVICE_HOST)], args: [$(NOPE), $(LATER)], env: [{name: WEB_SERVICE_PORT, value: mine}, {name: LATER, value: x}]}]")
	env, err := pod.Env(in)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for _, v := range env {
		values[v.Name] = v.Value
	}
	if values["WEB_SERVICE_PORT"] != "mine" || values["WEB_PORT_80_TCP_ADDR"] != "10.96.0.5" {
		t.Fatal(values)
	}
	c, err := pod.ExpandContainer(in.Container, env)
	if d := cmp.Diff([]string{"run", "10.96.0.5", "$(NOPE)", "x"}, append(c.Command, c.Args...)); d != "" || err != nil {
		t.Fatal(d, err)
	}
}

func TestSubPathExprR137(t *testing.T) {
	in := inputOf(t, "containers: [{name: app, volumeMounts: [{name: v, mountPath: /x, subPathExpr: a/$(P)}]}]")
	c, err := pod.ExpandContainer(in.Container, []pod.EnvVar{{Name: "P", Value: "b"}})
	if err != nil || c.VolumeMounts[0].SubPath != "a/b" || c.VolumeMounts[0].SubPathExpr != "" {
		t.Fatalf("%+v %v", c.VolumeMounts, err)
	}
	if _, err := pod.ExpandContainer(in.Container, nil); err == nil {
		t.Fatal("a missing variable is no error")
	}
}

func TestVolumeFilesR142(t *testing.T) {
	in := inputOf(t, `
initContainers: [{name: i, volumeMounts: [{name: maybe, mountPath: /m}]}]
containers: [{name: app, volumeMounts: [{name: all, mountPath: /a}, {name: some, mountPath: /s}, {name: info, mountPath: /i}, {name: both, mountPath: /b}, {name: other, mountPath: /o}]}]
volumes:
- {name: unused, configMap: {name: none}}
- {name: all, configMap: {name: cm, defaultMode: 256}}
- {name: some, secret: {secretName: s, items: [{key: k, path: d/x, mode: 384}]}}
- {name: info, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
- {name: both, projected: {sources: [{configMap: {name: cm, items: [{key: k, path: a}]}}, {secret: {name: s}}]}}
- {name: maybe, configMap: {name: none, optional: true}}
- {name: other, emptyDir: {}}
`)
	got, err := pod.VolumeFiles(in)
	if err != nil {
		t.Fatal(err)
	}
	text := func(s string, mode int32) pod.File { return pod.File{Data: []byte(s), Mode: mode} }
	want := map[string]pod.Files{
		"all":   {"k": text("v", 0o400), "A": text("$(B)", 0o400), "dir-f": text("file", 0o400)},
		"some":  {"d/x": text("secret", 0o600)},
		"info":  {"labels": text("app=\"x\"\ntier=\"web\"", 0o644)},
		"both":  {"a": text("v", 0o644), "k": text("secret", 0o644)},
		"maybe": {},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
}

func TestVolumeFilesRefuseWhatIsMissingOrOutsideR142(t *testing.T) {
	for spec, want := range map[string]string{
		"configMap: {name: none}":                                             `MountVolume.SetUp failed for volume "v" : configmaps "none" not found`,
		"configMap: {name: cm, items: [{key: none, path: x}]}":                `for volume "v" : configmap references non-existent config key: none`,
		"secret: {secretName: s, items: [{key: none, path: x}]}":              `for volume "v" : references non-existent secret key: none`,
		"projected: {sources: [{configMap: {name: a}}, {secret: {name: b}}]}": `for volume "v" : [configmaps "a" not found, secrets "b" not found]`,
		"configMap: {name: cm, items: [{key: k, path: ../../etc}]}":           "must be relative",
		"secret: {secretName: none}":                                          `secrets "none" not found`,
	} {
		in := inputOf(t, "containers: [{name: app, volumeMounts: [{name: v, mountPath: /v}]}]\nvolumes: [{name: v, "+spec+"}]")
		if _, err := pod.VolumeFiles(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", spec, err)
		}
	}
}

func TestNonRootR153R155(t *testing.T) {
	tests := []struct{ name, pod, container, user, want string }{
		{"not asked", "", "", "", ""},
		{"image is root", "runAsNonRoot: true", "", "", "image will run as root"},
		{"image is root by number", "runAsNonRoot: true", "", "0:0", "image will run as root"},
		{"image has a number", "runAsNonRoot: true", "", "1000:1000", ""},
		{"image has a name", "runAsNonRoot: true", "", "bob", "non-numeric user (bob), cannot verify user is non-root"},
		{"explicit root", "runAsNonRoot: true", "runAsUser: 0", "bob", "container's runAsUser breaks non-root policy"},
		{"explicit user", "runAsNonRoot: true", "runAsUser: 5", "bob", ""},
		{"container overrides pod", "runAsNonRoot: true", "runAsNonRoot: false", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := podOf(t, "securityContext: {"+tt.pod+"}\ncontainers: [{name: app, securityContext: {"+tt.container+"}}]")
			err := pod.NonRoot(p, &p.Spec.Containers[0], pod.Image{User: tt.user})
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%v", err)
			}
		})
	}
}
