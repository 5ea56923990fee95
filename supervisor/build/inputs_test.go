package build

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/errdefs"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// imageTable has images by reference.
type imageTable map[string]engine.Image

func (t imageTable) InspectImage(_ context.Context, ref string) (engine.Image, error) {
	if i, ok := t[ref]; ok {
		return i, nil
	}
	return engine.Image{}, errors.Join(errdefs.ErrNotFound, errors.New("no such image "+ref))
}

// TestCheckNamesTheInputThatChanged: a dry run said of every image "if its sources have changed".
func TestCheckNamesTheInputThatChanged(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(dir string, app, base *services.Build, images imageTable) error
		want   string // of app; "current" if nothing would be built
	}{
		{"nothing", func(string, *services.Build, *services.Build, imageTable) error { return nil }, "current"},
		{"a file", func(dir string, _, _ *services.Build, _ imageTable) error {
			return os.WriteFile(filepath.Join(dir, "app/src/a.py"), []byte("new"), 0o644)
		}, "src/a.py"},
		{"a new and a removed file", func(dir string, _, _ *services.Build, _ imageTable) error {
			return os.Rename(filepath.Join(dir, "app/src/a.py"), filepath.Join(dir, "app/src/b.py"))
		}, "src/a.py (removed), src/b.py (new)"},
		{"an ignored file", func(dir string, _, _ *services.Build, _ imageTable) error {
			return os.WriteFile(filepath.Join(dir, "app/x.log"), []byte("new"), 0o644)
		}, "current"},
		{"the Dockerfile", func(dir string, _, _ *services.Build, _ imageTable) error {
			return os.WriteFile(filepath.Join(dir, "app/Dockerfile"), []byte("FROM other"), 0o644)
		}, "Dockerfile"},
		{"an argument", func(_ string, app, _ *services.Build, _ imageTable) error { app.Args["V"] = "2"; return nil }, "build.args.V"},
		{"the target", func(_ string, app, _ *services.Build, _ imageTable) error { app.Target = "dev"; return nil }, "build.target"},
		{"the image that it uses", func(dir string, _, _ *services.Build, _ imageTable) error {
			return os.WriteFile(filepath.Join(dir, "base/Dockerfile"), []byte("FROM other"), 0o644)
		}, "the image of base"},
		{"no image", func(_ string, _, _ *services.Build, images imageTable) error { delete(images, "app:dev"); return nil }, "there is no image yet"},
		{"an image from elsewhere", func(_ string, _, _ *services.Build, images imageTable) error {
			images["app:dev"] = engine.Image{ID: "sha256:app"}
			return nil
		}, "lyandev has not built the image that is there"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			tree(t, dir, map[string]string{
				"app/Dockerfile": "FROM base", "app/src/a.py": "a", "app/.dockerignore": "*.log", "app/x.log": "old", "base/Dockerfile": "FROM scratch",
			})
			base := &services.Build{Name: "base", Image: "base:dev", Context: filepath.Join(dir, "base")}
			app := &services.Build{
				Name: "app", Image: "app:dev", Context: filepath.Join(dir, "app"), Args: map[string]string{"V": "1"},
				AdditionalContexts: map[string]string{"base": "service:base"},
			}
			builds := []*services.Build{app, base}
			images := imageTable{"base:dev": {ID: "sha256:base"}}
			b := &Builder{Images: images, CacheDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}
			opts := Options{Refs: RefsOf(builds)}
			for _, x := range []*services.Build{base, app} { // as a build would
				src, err := b.source(x, opts.Refs)
				ok(t, err)
				ok(t, b.addImages(t.Context(), x, src, opts.Refs))
				images[x.Image] = engine.Image{ID: "sha256:" + x.Name, Labels: map[string]string{FingerprintLabel: src.fingerprint}}
				b.saveInputs(x.Image, "sha256:"+x.Name, src)
			}
			ok(t, tc.change(dir, app, base, images))
			got, err := b.Check(t.Context(), builds, opts)
			ok(t, err)
			text := strings.Join(got[0].Because, ", ")
			if got[0].Current {
				text = "current"
			}
			if text != tc.want {
				t.Errorf("got %q, want %q", text, tc.want)
			}
		})
	}
}
