package dockerpod

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/pod"
)

func TestMakeHostPaths(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stack := func(kind corev1.HostPathType, path, bound string) *services.Stack {
		p := &corev1.Pod{}
		p.Name = "app"
		p.Annotations = map[string]string{pod.BindAnnotation: bound}
		p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path, Type: &kind}}}}
		return &services.Stack{Workloads: []*services.Workload{{Object: p, Source: "compose.yaml:3"}}}
	}
	for _, c := range []struct {
		name        string
		kind        corev1.HostPathType
		path, bound string
		made        bool
		err         string
	}{
		{"made with its parents", corev1.HostPathDirectoryOrCreate, dir + "/a/b", "u,v", true, ""},
		{"must be there", corev1.HostPathUnset, dir + "/c", "v", false, ""},
		{"a named volume stands for it", corev1.HostPathDirectoryOrCreate, dir + "/d", "", false, ""},
		{"cannot be made", corev1.HostPathDirectoryOrCreate, file + "/e", "v", false, "compose.yaml:3: cannot make the directory of volume v of app"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := MakeHostPaths(stack(c.kind, c.path, c.bound))
			if (err == nil) != (c.err == "") || err != nil && !strings.HasPrefix(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if _, err := os.Stat(c.path); (err == nil) != c.made {
				t.Errorf("stat: %v", err)
			}
		})
	}
}
