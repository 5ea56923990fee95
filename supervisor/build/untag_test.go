package build

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/docker/docker/client"
	"github.com/google/go-cmp/cmp"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// oneImage is what every reference names.
type oneImage engine.Image

func (i oneImage) InspectImage(context.Context, string) (engine.Image, error) {
	return engine.Image(i), nil
}

// TestAFailedExportIsNotCurrent: the tag of an image that was exported only in part goes back to the image before, or away.
func TestAFailedExportIsNotCurrent(t *testing.T) {
	for _, tc := range []struct {
		what, id, fingerprint, previous string
		want                            []string
	}{
		{"nothing was tagged", "sha256:old", "before", "sha256:old", nil},
		{"what failed is the same image", "sha256:old", "now", "sha256:old", nil},
		{"there was none", "sha256:new", "now", "", []string{"DELETE /images/app"}},
		{"there was another", "sha256:new", "now", "sha256:old", []string{"POST /images/sha256:old/tag"}},
	} {
		var got []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = append(got, r.Method+" "+r.URL.Path[len("/v1.41"):])
			if r.Method == http.MethodDelete {
				_, _ = w.Write([]byte("[]"))
			}
		}))
		api, err := client.NewClientWithOpts(client.WithHost("tcp://"+server.Listener.Addr().String()), client.WithVersion("1.41"))
		ok(t, err)
		b := &Builder{API: api, Images: oneImage{ID: tc.id, Labels: map[string]string{FingerprintLabel: tc.fingerprint}}}
		ok(t, b.untagFailed(t.Context(), &services.Build{Image: "app"}, &source{fingerprint: "now"}, tc.previous))
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%s: %s", tc.what, d)
		}
		ok(t, api.Close())
		server.Close()
	}
}

// TestProxiesOfBuilds: the proxies of the Docker configuration are build arguments, unless the build has its own.
func TestProxiesOfBuilds(t *testing.T) {
	dir := t.TempDir()
	tree(t, dir, map[string]string{"config.json": `{"proxies": {"default": {"httpProxy": "http://p:1"}}}`})
	t.Setenv("DOCKER_CONFIG", dir)
	api, err := client.NewClientWithOpts()
	ok(t, err)
	defer api.Close()
	b := &Builder{API: api}
	a := b.attributes(&services.Build{Args: map[string]string{"HTTP_PROXY": "mine"}}, &source{}, Options{}, nil)
	if a["build-arg:HTTP_PROXY"] != "mine" || a["build-arg:http_proxy"] != "http://p:1" {
		t.Errorf("attributes %v", a)
	}
}
