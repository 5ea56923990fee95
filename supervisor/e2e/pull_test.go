package e2e_test

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
)

// TestPull: an image that is not here comes from its registry, and up says so; one that no registry has is an error that
// leaves nothing.
func TestPull(t *testing.T) {
	t.Parallel()
	ref := servedImage(t)
	i := harness.New(t, "x-lyandev: {semantics: kubernetes}\nservices:\n  app:\n    image: "+ref+"\n    command: [/lyandev, sandbox]\n    stop_grace_period: 1s\n")
	t.Cleanup(func() {
		if err := i.Engine().RemoveImage(context.Background(), ref); err != nil {
			t.Error(err)
		}
	})
	r := i.Run("up", "-d", "--wait")
	if r.Code != 0 || !strings.Contains(r.Err, "pull "+ref+": running") || !strings.Contains(r.Err, "pull "+ref+": done") {
		t.Fatalf("up ended with %d:\n%s", r.Code, r.Err)
	}
	if s := i.Snapshot(); len(s.Builds) != 1 || !s.Builds[0].Pull || s.Builds[0].State != "done" {
		t.Errorf("%+v", s.Builds)
	}
	i.Must("down", "--quiet")

	missing := ref + "-not"
	i.Write("compose.yaml", "x-lyandev: {semantics: kubernetes}\nservices:\n  app:\n    image: "+missing+"\n")
	r = i.Run("up", "-d", "--wait")
	if r.Code != codeFailed || !strings.Contains(r.Err, "cannot pull image "+missing) || !strings.Contains(r.Err, "compose.yaml:3") {
		t.Errorf("up of what is nowhere ended with %d:\n%s", r.Code, r.Err)
	}
	nothingLeft(t, i)
}

// servedImage is an image of lyandev's own static binary in a registry that lives as long as the test.
func servedImage(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	binary, err := os.ReadFile(harness.Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: "lyandev", Mode: 0o755, Size: int64(len(binary)), ModTime: time.Unix(0, 0)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(binary); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	opened, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(empty.Image, opened)
	if err != nil {
		t.Fatal(err)
	}
	ref := strings.TrimPrefix(server.URL, "http://") + "/pulled:1"
	tag, err := name.NewTag(ref, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, image); err != nil {
		t.Fatal(err)
	}
	return ref
}
