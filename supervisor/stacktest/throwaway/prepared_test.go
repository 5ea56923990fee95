package throwaway

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// images is an engine that has images.
type images struct {
	engine.Images
	ids map[string]string
}

func (i images) InspectImage(_ context.Context, ref string) (engine.Image, error) {
	id, ok := i.ids[ref]
	if !ok {
		return engine.Image{}, errdefs.ErrNotFound
	}
	return engine.Image{ID: id}, nil
}

// seededStack is a stack with a database that mounts a directory of this host.
func seededStack(dir string) *services.Stack {
	db := &appsv1.StatefulSet{}
	db.Name = "db"
	db.Spec.Template.Spec = corev1.PodSpec{
		InitContainers: []corev1.Container{{Name: "i", Image: "init"}}, Containers: []corev1.Container{{Name: "c", Image: "db"}},
		Volumes: []corev1.Volume{{Name: "seed", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: dir}}}},
	}
	return &services.Stack{
		Name: "shop", Profile: "minimal", Dir: "/shop",
		Workloads:  []*services.Workload{{Object: db, Bootstrap: []services.BootstrapStep{{Name: "schema", Run: []string{"make"}}}}},
		ConfigMaps: []*corev1.ConfigMap{{Data: map[string]string{"a": "b"}}},
		Secrets:    []*corev1.Secret{{Data: map[string][]byte{"password": []byte("x")}}},
		HostPorts:  []services.HostPort{{HostPort: 8000}},
	}
}

func TestKey(t *testing.T) {
	dir := t.TempDir()
	seed := filepath.Join(dir, "seed.sql")
	long := time.Now().Add(-time.Hour)
	write := func(text string) {
		t.Helper()
		if err := errors.Join(os.WriteFile(seed, []byte(text), 0o644), os.Chtimes(seed, long, long)); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		change func(s *services.Stack, i images)
		same   bool
	}{
		"nothing":             {func(*services.Stack, images) {}, true},
		"the name":            {func(s *services.Stack, _ images) { s.Name, s.Dir = "other", "/other" }, true},
		"a host port":         {func(s *services.Stack, _ images) { s.HostPorts[0].HostPort = 9000 }, true},
		"the tests":           {func(s *services.Stack, _ images) { s.Workloads[0].Test = &services.TestCommand{Command: []string{"x"}} }, true},
		"a rule for edits":    {func(s *services.Stack, _ images) { s.Workloads[0].Watch = []services.WatchRule{{Path: "/x"}} }, true},
		"another line":        {func(s *services.Stack, _ images) { s.Workloads[0].Source = "compose.yaml:9" }, true},
		"an image":            {func(_ *services.Stack, i images) { i.ids["db"] = "sha256:new" }, false},
		"an init image":       {func(_ *services.Stack, i images) { i.ids["init"] = "sha256:new" }, false},
		"the profile":         {func(s *services.Stack, _ images) { s.Profile = "ha" }, false},
		"a ConfigMap":         {func(s *services.Stack, _ images) { s.ConfigMaps[0].Data["a"] = "c" }, false},
		"a Secret":            {func(s *services.Stack, _ images) { s.Secrets[0].Data["password"] = []byte("y") }, false},
		"a bootstrap step":    {func(s *services.Stack, _ images) { s.Workloads[0].Bootstrap[0].Run = []string{"make", "more"} }, false},
		"a template":          {func(s *services.Stack, _ images) { s.Workloads[0].PodSpec().Containers[0].Command = []string{"x"} }, false},
		"a mounted file":      {func(*services.Stack, images) { write("INSERT 2 more") }, false},
		"a new mounted file":  {func(*services.Stack, images) { _ = os.WriteFile(filepath.Join(dir, "b.sql"), nil, 0o644) }, false},
		"its operator's word": {func(s *services.Stack, _ images) { s.Workloads[0].Options = map[string]string{"a": "b"} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			_ = os.Remove(filepath.Join(dir, "b.sql"))
			write("INSERT 1")
			eng := images{ids: map[string]string{"db": "sha256:1", "init": "sha256:2"}}
			s := seededStack(dir)
			before, err := keyOf(t.Context(), eng, s, "v1")
			if err != nil {
				t.Fatal(err)
			}
			c.change(s, eng)
			after, err := keyOf(t.Context(), eng, s, "v1")
			if err != nil || (before == after) != c.same || len(after) != 64 {
				t.Errorf("the key is %q, then %q, %v", before, after, err)
			}
			if other, err := keyOf(t.Context(), eng, s, "v2"); err != nil || other == after {
				t.Errorf("another lyandev has the same key, %v", err)
			}
		})
	}
}

func TestKeyOfWhatIsNotThere(t *testing.T) {
	eng := images{ids: map[string]string{"db": "sha256:1"}}
	s := seededStack(filepath.Join(t.TempDir(), "missing"))
	if key, err := keyOf(t.Context(), eng, s, ""); key != "" || err != nil {
		t.Errorf("without an image the key is %q, %v", key, err)
	}
	eng.ids["init"] = "sha256:2"
	if key, err := keyOf(t.Context(), eng, s, ""); key == "" || err != nil {
		t.Errorf("with a host path that is missing the key is %q, %v", key, err)
	}
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := hostFiles(seededStack(dir), 3); !errors.Is(err, errManyFiles) {
		t.Errorf("too many files: %v", err)
	}
	if list, err := hostFiles(seededStack(dir), 4); len(list) != 4 || err != nil {
		t.Errorf("files: %v, %v", list, err)
	}
}

func TestPolicy(t *testing.T) {
	for _, c := range []struct {
		text        string
		on          bool
		slow, quick bool
	}{
		{"never", false, false, false}, {"auto", true, true, false}, {"always", true, true, true},
	} {
		p, err := ParsePolicy(c.text)
		if err != nil || p.on() != c.on || p.saves(worthwhile+1) != c.slow || p.saves(worthwhile) != c.quick {
			t.Errorf("%s: %v, on %v, saves after a slow start %v, after a quick one %v", c.text, err, p.on(), p.saves(worthwhile+1), p.saves(worthwhile))
		}
	}
	if _, err := ParsePolicy("sometimes"); err == nil || Policy("").on() || Policy("").saves(time.Hour) {
		t.Error("what is no policy does something")
	}
}

func TestPreparedName(t *testing.T) {
	key := strings.Repeat("0123456789abcdef", 4)
	for profile, want := range map[string]string{
		"minimal": "test-minimal-0123456789ab", "": "test-default-0123456789ab", "My_Profile!": "test-my-profile-0123456789ab",
		strings.Repeat("x", 60): "test-" + strings.Repeat("x", 30) + "-0123456789ab", "__": "test-default-0123456789ab",
	} {
		if got := preparedName(profile, key); got != want {
			t.Errorf("of profile %q is %s; want %s", profile, got, want)
		}
	}
}
