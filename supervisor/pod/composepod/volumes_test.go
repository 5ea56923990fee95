package composepod

import (
	"path/filepath"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// TestInheritedVolumes: the next container has the anonymous volumes of the last one, those of the image and those of the file,
// unless the file has something else there now.
func TestInheritedVolumes(t *testing.T) {
	w := &Worker{deps: Deps{Volumes: &Anonymous{}}, pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-1"}}}
	w.deps.Volumes.File = filepath.Join(t.TempDir(), AnonymousFile)
	if err := w.deps.Volumes.Keep("web-1", []AnonymousVolume{{"old", "/image"}, {"d", "/image2"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.deps.Volumes.Keep("web-1", []AnonymousVolume{{"a", "/image"}, {"b", "/file"}, {"c", "/other"}}); err != nil {
		t.Fatal(err)
	}
	asked := []mount.Mount{{Type: mount.TypeVolume, Target: "/file"}, {Type: mount.TypeTmpfs, Target: "/other"}}
	exact := &engine.Exact{
		Config: container.Config{Volumes: map[string]struct{}{"/image": {}}}, Host: container.HostConfig{Mounts: asked},
	}
	w.deps.Volumes = &Anonymous{File: w.deps.Volumes.File} // the next supervisor's
	if err := w.inherit(exact); err != nil {
		t.Fatal(err)
	}
	if len(exact.Config.Volumes) != 0 {
		t.Errorf("volumes %v", exact.Config.Volumes)
	}
	if m := exact.Host.Mounts; len(m) != 4 || m[0].Source != "b" || m[1].Source != "" || m[2].Source != "d" || m[3].Source != "a" || m[3].Target != "/image" {
		t.Errorf("mounts %+v", m)
	}
	if asked[0].Source != "" {
		t.Error("what the file says was changed")
	}
}
