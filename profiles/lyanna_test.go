package profiles

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/goldentest"
)

func lyanna(t *testing.T, profile string, env ...string) *services.Stack {
	t.Helper()
	s, err := Load(context.Background(), Options{Files: []string{"../lyanna.dev.yaml"}, Profiles: []string{profile}, Env: env})
	if err != nil {
		t.Fatalf("cannot load lyanna.dev.yaml:\n%v", err)
	}
	return s
}

// TestLyannaRestartsOnAnotherRedisMaster: lyanna itself keeps the master it found at its start; the demo app follows, and the
// file says so.
func TestLyannaRestartsOnAnotherRedisMaster(t *testing.T) {
	for src, want := range map[string][]string{"": {}, t.TempDir(): {"redis-master-changed"}} {
		for _, name := range []string{"lyanna-deployment", "lyanna-arq"} {
			if d := cmp.Diff(want, lyanna(t, "ha", "LYANNA_SRC="+src).Workload(name).RestartOn); d != "" {
				t.Errorf("%s with LYANNA_SRC=%q (-want +got):\n%s", name, src, d)
			}
		}
	}
}

// TestLyanna holds the facts of the production topology: a change of the file that touches one shows here.
func TestLyanna(t *testing.T) {
	for _, profile := range []string{"minimal", "ha"} {
		t.Run(profile, func(t *testing.T) {
			s := lyanna(t, profile)
			if len(s.Notes) > 0 {
				t.Errorf("notes: %q", s.Notes)
			}
			goldentest.Compare(t, "lyanna-"+profile+".txt", facts(s))
		})
	}
}

func TestLyannaDefaultIsMinimal(t *testing.T) {
	if s := lyanna(t, ""); s.Profile != "minimal" {
		t.Errorf("profile %q", s.Profile)
	}
}

func TestLyannaSwitch(t *testing.T) {
	var b strings.Builder
	for _, c := range Diff(lyanna(t, "minimal"), lyanna(t, "ha")) {
		fmt.Fprintln(&b, c)
	}
	fmt.Fprintln(&b)
	for _, c := range Diff(lyanna(t, "ha"), lyanna(t, "minimal")) {
		fmt.Fprintln(&b, c)
	}
	goldentest.Compare(t, "lyanna-switch.txt", b.String())
}

func TestLyannaOwnSource(t *testing.T) {
	dir := write(t, map[string]string{"src/Dockerfile": "FROM scratch"})
	src := filepath.Join(dir, "src")
	s, err := Load(context.Background(), Options{
		Files: []string{"../lyanna.dev.yaml"}, Env: []string{"LYANNA_SRC=" + src, "LYANNA_PORT=8123"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Build("lyanna-deployment").Context; got != src {
		t.Errorf("context %s", got)
	}
	if s.HostPorts[0].HostPort != 8123 {
		t.Errorf("host port %d", s.HostPorts[0].HostPort)
	}
	for _, r := range s.Workload("lyanna-arq").Watch {
		if !strings.HasPrefix(r.Path, src) {
			t.Errorf("watches %s", r.Path)
		}
	}
}

// TestLyannaWithoutSources loads the file alone, as an installed binary does: the images come from the binary.
func TestLyannaWithoutSources(t *testing.T) {
	raw, err := os.ReadFile("../lyanna.dev.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := write(t, map[string]string{"lyanna.dev.yaml": string(raw)})
	s, err := Load(context.Background(), Options{WorkDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range s.Builds {
		got = append(got, b.Context)
	}
	want := []string{"embedded:images/mariadb", "embedded:images/memcached", "embedded:images/redis", "embedded:demo"}
	if !slices.Equal(got, want) {
		t.Errorf("contexts %q", got)
	}
	if w := s.Workload("lyanna-deployment"); len(w.Watch) != 0 {
		t.Errorf("watches %v", w.Watch)
	}
	contains(t, s.Notes, "there is nothing to watch")
}

// facts is a stack in a few lines for each thing.
func facts(s *services.Stack) string {
	var b strings.Builder
	for _, w := range s.Workloads {
		workloadFacts(&b, s, w)
	}
	for _, v := range s.Services {
		fmt.Fprintf(&b, "Service %s ip=%q affinity=%s select=%s ports=", v.Name, v.Spec.ClusterIP, v.Spec.SessionAffinity, pairs(v.Spec.Selector))
		for _, p := range v.Spec.Ports {
			fmt.Fprintf(&b, "[%s %d->%s]", p.Name, p.Port, p.TargetPort.String())
		}
		if v.Spec.PublishNotReadyAddresses {
			fmt.Fprint(&b, " not-ready-too")
		}
		fmt.Fprintln(&b)
	}
	for _, m := range s.ConfigMaps {
		fmt.Fprintf(&b, "ConfigMap %s\n", m.Name)
		for _, k := range slices.Sorted(maps.Keys(m.Data)) {
			fmt.Fprintf(&b, "  %s: %q\n", k, m.Data[k])
		}
	}
	for _, x := range s.Builds {
		dir, _ := filepath.Rel(s.Dir, x.Context)
		fmt.Fprintf(&b, "Build %s image=%s context=%s secrets=%s\n", x.Name, x.Image, dir, pairs(x.Secrets))
	}
	for _, h := range s.HostPorts {
		fmt.Fprintf(&b, "HostPort %s:%d -> %s:%d\n", h.HostIP, h.HostPort, h.Service, h.Port)
	}
	return b.String()
}

func workloadFacts(b *strings.Builder, s *services.Stack, w *services.Workload) {
	spec := w.PodSpec()
	fmt.Fprintf(b, "%s %s x%d labels=%s grace=%s operator=%s%s restartOn=%v\n", w.Kind(), w.Name(), w.Replicas(),
		pairs(w.PodMeta().Labels), w.StopGrace(), w.Operator, pairs(w.Options), w.RestartOn)
	if sc := spec.SecurityContext; sc != nil && sc.RunAsUser != nil {
		fmt.Fprintf(b, "  runs as %d, volumes of group %d\n", *sc.RunAsUser, *sc.FSGroup)
	}
	for _, d := range w.DependsOn {
		fmt.Fprintf(b, "  after %s %s\n", d.Workload, d.Condition)
	}
	for _, c := range spec.InitContainers {
		fmt.Fprintf(b, "  init %s image=%s\n", c.Name, c.Image)
	}
	for _, c := range spec.Containers {
		fmt.Fprintf(b, "  container %s image=%s command=%q args=%q\n", c.Name, c.Image, c.Command, c.Args)
		for _, e := range c.Env {
			fmt.Fprintf(b, "    env %s=%s\n", e.Name, origins(e))
		}
		for _, p := range c.Ports {
			fmt.Fprintf(b, "    port %s %d\n", p.Name, p.ContainerPort)
		}
		probeFacts(b, "liveness", c.LivenessProbe)
		probeFacts(b, "readiness", c.ReadinessProbe)
		for _, m := range c.VolumeMounts {
			fmt.Fprintf(b, "    mount %s at %s\n", m.Name, m.MountPath)
		}
	}
	for _, r := range w.Watch {
		rel, _ := filepath.Rel(s.Dir, r.Path)
		fmt.Fprintf(b, "  watch %s %s %s target=%s build=%s\n", r.Container, r.Action, rel, r.Target, r.Build)
	}
	if w.Test != nil {
		fmt.Fprintf(b, "  test %q\n", w.Test.Command)
	}
}

func probeFacts(b *strings.Builder, name string, p *corev1.Probe) {
	if p == nil {
		return
	}
	how := ""
	switch {
	case p.Exec != nil:
		how = fmt.Sprintf("exec %q", p.Exec.Command)
	case p.TCPSocket != nil:
		how = "tcp " + p.TCPSocket.Port.String()
	case p.HTTPGet != nil:
		how = "http " + p.HTTPGet.Path + " on " + p.HTTPGet.Port.String()
	}
	fmt.Fprintf(b, "    %s %s delay=%d period=%d timeout=%d failures=%d\n", name, how, p.InitialDelaySeconds, p.PeriodSeconds, p.TimeoutSeconds, p.FailureThreshold)
}

func origins(e corev1.EnvVar) string {
	switch v := e.ValueFrom; {
	case v == nil:
		return e.Value
	case v.ConfigMapKeyRef != nil:
		return "<" + v.ConfigMapKeyRef.Name + "/" + v.ConfigMapKeyRef.Key + ">"
	case v.FieldRef != nil:
		return "<" + v.FieldRef.FieldPath + ">"
	}
	return "?"
}

func pairs(m map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+"="+m[k])
	}
	return "{" + strings.Join(out, " ") + "}"
}
