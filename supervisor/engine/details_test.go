package engine

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// engineSaying serves the answers of an engine by the end of the path, and makes it the chosen one.
func engineSaying(t *testing.T, apiVersion string, answers map[string]string) *Docker {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("API-Version", apiVersion)
		w.Header().Set("Content-Type", "application/json")
		text := answers[r.URL.Path[strings.LastIndex(r.URL.Path, "/"):]]
		if strings.Contains(text, `"message"`) {
			w.WriteHeader(http.StatusBadRequest)
		}
		fmt.Fprint(w, text)
	}))
	t.Cleanup(server.Close)
	dockerContexts(t, "", nil)
	t.Setenv("DOCKER_HOST", "tcp://"+server.Listener.Addr().String())
	d, err := NewDocker(false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestDetails(t *testing.T) {
	d := engineSaying(t, "1.47", map[string]string{
		"/_ping":   "OK",
		"/version": `{"Version":"27.1.0","ApiVersion":"1.47","MinAPIVersion":"1.24","Os":"linux","Arch":"amd64","Platform":{"Name":"Docker Engine - Community"}}`,
		"/info": `{"Driver":"overlay2","DriverStatus":[["Supports d_type","false"]],"CgroupVersion":"2","CgroupDriver":"systemd","MemoryLimit":true,"CpuCfsQuota":true,
			"PidsLimit":false,"DockerRootDir":"/data","SecurityOptions":["name=seccomp","name=rootless"],"HttpProxy":"http://p:1","NoProxy":"x","NCPU":4,"MemTotal":1024,
			"OperatingSystem":"Debian","SystemTime":"` + time.Now().Add(-time.Hour).Format(time.RFC3339Nano) + `"}`,
	})
	got, err := d.Details(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if off := got.Ahead + time.Hour; !got.ClockKnown || off.Abs() > 10*time.Second {
		t.Errorf("the clock is ahead by %s", got.Ahead)
	}
	got.Ahead = 0
	want := Details{
		Info:    Info{Version: "27.1.0", APIVersion: "1.47", OS: "linux", Arch: "amd64", CPUs: 4, MemoryBytes: 1024, BuildKit: true, Host: os.Getenv("DOCKER_HOST")},
		Product: "Docker Engine - Community", EngineAPI: "1.47", MinAPI: "1.24", System: "Debian", Storage: "overlay2", NoDType: true,
		CgroupVersion: "2", CgroupDriver: "systemd", MemoryLimits: true, CPULimits: true, RootDir: "/data", Rootless: true,
		HTTPProxy: "http://p:1", NoProxy: "x", ClockKnown: true,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestDetailsOfPodman(t *testing.T) {
	d := engineSaying(t, "1.41", map[string]string{
		"/_ping": "OK", "/info": "{}",
		"/version": `{"Version":"5.4.2","ApiVersion":"1.41","Components":[{"Name":"Podman Engine","Version":"5.4.2"}]}`,
	})
	if got, err := d.Details(t.Context()); err != nil || got.Product != "Podman Engine" || got.ClockKnown {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestAnEngineThatIsTooNew: only the text of the answer tells.
func TestAnEngineThatIsTooNew(t *testing.T) {
	d := engineSaying(t, "1.99", map[string]string{
		"/_ping":   "OK",
		"/version": `{"message":"client version 1.51 is too old. Minimum supported API version is 1.60, please upgrade your client to a newer version"}`,
	})
	if _, err := d.Details(t.Context()); !errors.Is(err, ErrTooNew) {
		t.Errorf("got %v", err)
	}
}

func TestContexts(t *testing.T) {
	dockerContexts(t, "far", map[string]string{"far": "ssh://me@far.example", "desk": "/desk.sock"})
	want := []Context{
		{Name: "desk", Address: Address{Host: "unix:///desk.sock", From: "the Docker context desk"}},
		{Name: "far", Address: Address{Host: "ssh://me@far.example", From: "the Docker context far", Remote: true}, Current: true},
	}
	if d := cmp.Diff(want, Contexts()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got, err := Chosen(); err != nil || got != want[1].Address {
		t.Errorf("chosen: %+v, %v", got, err)
	}
	t.Setenv("DOCKER_HOST", "127.0.0.1")
	if got, err := Chosen(); err != nil || got != (Address{Host: "tcp://127.0.0.1:2375", From: "DOCKER_HOST"}) {
		t.Errorf("chosen by DOCKER_HOST: %+v, %v", got, err)
	}
	t.Setenv("DOCKER_HOST", "")
	t.Setenv("DOCKER_CONTEXT", "gone")
	if _, err := Chosen(); err == nil || Contexts()[1].Current {
		t.Errorf("a context that is not there: %v", err)
	}
	t.Setenv("DOCKER_CONTEXT", "default")
	if got, err := Chosen(); err != nil || got.Host != "unix:///var/run/docker.sock" || got.From != "the default" {
		t.Errorf("the default: %+v, %v", got, err)
	}
}
