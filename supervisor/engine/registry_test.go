package engine

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// dockerSettings makes a value the Docker configuration.
func dockerSettings(t *testing.T, v any) {
	t.Helper()
	dir := t.TempDir()
	b, err := json.Marshal(v)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "config.json"), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", dir)
}

// helper puts a credential helper into the path that knows one user of one registry.
func helper(t *testing.T, host string) {
	t.Helper()
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nread -r url\n[ \"$1 $url\" = \"get %[1]s\" ] || { echo 'credentials not found in native keychain'; exit 1; }\n"+
		"echo '{\"ServerURL\":\"%[1]s\",\"Username\":\"user\",\"Secret\":\"secret\"}'\n", host)
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-lyandevtest"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// TestPullWithCredentials pulls from a registry that wants a password, as each part of the Docker configuration gives it.
func TestPullWithCredentials(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a Docker engine; make test runs it")
	}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, secret, _ := r.BasicAuth(); user != "user" || secret != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	ref := fmt.Sprintf("%s/lyeng/pull:%d", host, os.Getpid())
	img, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.ParseReference(ref)
	if err == nil {
		err = remote.Write(tag, img, remote.WithAuth(&authn.Basic{Username: "user", Password: "secret"}))
	}
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDocker(false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	helper(t, host)
	for _, tc := range []struct {
		what    string
		conf    map[string]any
		wantErr string
	}{
		{"nothing", map[string]any{}, "no basic auth credentials"},
		{"auths", map[string]any{"auths": map[string]any{host: map[string]string{"auth": "dXNlcjpzZWNyZXQ="}}}, ""},
		{"credHelpers", map[string]any{"credHelpers": map[string]string{host: "lyandevtest"}}, ""},
		{"credsStore", map[string]any{"credsStore": "lyandevtest"}, ""},
		{"a helper that is not there", map[string]any{"credHelpers": map[string]string{host: "lyandevgone"}}, "correct credHelpers"},
	} {
		dockerSettings(t, tc.conf)
		err := d.PullImage(t.Context(), ref, PullOptions{Platform: "linux"})
		if tc.wantErr == "" && err != nil || tc.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tc.wantErr)) {
			t.Errorf("%s: %v", tc.what, err)
		}
		if err == nil {
			err := d.TagImage(t.Context(), ref, ref)
			i, inspectErr := d.InspectImage(t.Context(), ref)
			if err != nil || inspectErr != nil || time.Since(i.LastTagged) > time.Minute {
				t.Errorf("%s: last tagged %s, %v, %v", tc.what, i.LastTagged, err, inspectErr)
			}
			if err := d.RemoveImage(t.Context(), ref); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestProxies(t *testing.T) {
	dockerSettings(t, map[string]any{"proxies": map[string]any{
		"default":       map[string]string{"httpProxy": "http://p:1", "noProxy": "localhost"},
		"tcp://other:1": map[string]string{"httpProxy": "http://q:1"},
	}})
	got := withProxies([]string{"A=1", "HTTP_PROXY=mine", "no_proxy"}, ProxyEnv("unix:///var/run/docker.sock"))
	if d := cmp.Diff([]string{"A=1", "HTTP_PROXY=mine", "no_proxy", "NO_PROXY=localhost", "http_proxy=http://p:1"}, got); d != "" {
		t.Error(d)
	}
	if got := ProxyEnv("tcp://other:1"); got["HTTP_PROXY"] != "http://q:1" || len(got) != 2 {
		t.Errorf("of one host: %v", got)
	}
	if testing.Short() {
		t.Skip("needs a Docker engine; make test runs it")
	}
	d, err := NewDocker(false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	id, err := d.CreateContainer(t.Context(), ContainerSpec{
		Name: fmt.Sprintf("lyeng-%d-proxies", os.Getpid()), Image: testImage, Labels: map[string]string{"dev.lyandev.test": "engine"},
		Exact: &Exact{Config: container.Config{Cmd: []string{"true"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.InspectContainer(t.Context(), id)
	if err != nil || !strings.Contains(strings.Join(c.Env, " "), "http_proxy=http://p:1") {
		t.Errorf("environment %q, %v", c.Env, err)
	}
	if err := d.RemoveContainer(t.Context(), id); err != nil {
		t.Error(err)
	}
}
