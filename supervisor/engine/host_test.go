package engine

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
)

// dockerContexts lays out a Docker configuration with contexts, and makes it the only thing that chooses the engine.
func dockerContexts(t *testing.T, current string, contexts map[string]string) {
	t.Helper()
	dir := t.TempDir()
	write := func(path string, v any) {
		b, err := json.Marshal(v)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o700)
		}
		if err == nil {
			err = os.WriteFile(path, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "config.json"), map[string]string{"currentContext": current})
	for name, host := range contexts {
		write(filepath.Join(dir, "contexts", "meta", digest.FromString(name).Encoded(), "meta.json"), map[string]any{
			"Name": name, "Endpoints": map[string]any{"docker": map[string]any{"Host": host}},
		})
	}
	t.Setenv("DOCKER_CONFIG", dir)
	for _, v := range []string{"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_API_VERSION", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"} {
		t.Setenv(v, "")
	}
}

func TestWhichEngine(t *testing.T) {
	contexts := map[string]string{"desk": "unix:///desk.sock", "far": "ssh://me@far.example"}
	for _, tc := range []struct {
		name, current, env, host string
		remote                   bool
		want, wantErr            string
	}{
		{name: "nothing said", want: "unix:///var/run/docker.sock"},
		{name: "the default context", current: "default", want: "unix:///var/run/docker.sock"},
		{name: "the current context", current: "desk", want: "unix:///desk.sock"},
		{name: "DOCKER_CONTEXT before the current one", current: "far", env: "desk", want: "unix:///desk.sock"},
		{name: "DOCKER_HOST before both", current: "far", env: "far", host: "unix:///host.sock", want: "unix:///host.sock"},
		{name: "local TCP", host: "tcp://127.0.0.1:2375", want: "tcp://127.0.0.1:2375"},
		{name: "remote TCP", host: "tcp://10.1.2.3:2375", wantErr: "it is on another machine"},
		{name: "remote TCP, wanted", host: "tcp://10.1.2.3:2375", remote: true, want: "tcp://10.1.2.3:2375"},
		{name: "remote context", current: "far", wantErr: "(from the Docker context far): it is on another machine"},
		{name: "like a local address", host: "tcp://127.0.0.1.example:2375", wantErr: "it is on another machine"},
		{name: "a context that is not there", current: "gone", wantErr: `cannot read the Docker context "gone"`},
		{name: "nonsense", host: "nonsense", remote: true, wantErr: "unable to parse docker host"},
		{name: "IPv6 loopback", host: "tcp://[::1]:2375", want: "tcp://[::1]:2375"},
		{name: "loopback without a port", host: "tcp://127.0.0.1", want: "tcp://127.0.0.1"},
		{name: "another loopback address", host: "tcp://127.0.0.9:2375", want: "tcp://127.0.0.9:2375"},
		{name: "capitals", host: "tcp://LOCALHOST:2375", want: "tcp://LOCALHOST:2375"},
		{name: "a bare address", host: "127.0.0.1:2375", want: "tcp://127.0.0.1:2375"},
		{name: "a bare address without a port", host: "127.0.0.1", want: "tcp://127.0.0.1:2375"},
		{name: "a bare address of another machine", host: "10.1.2.3:2375", wantErr: "it is on another machine"},
		{name: "a bare path", host: "/run/some.sock", want: "unix:///run/some.sock"},
		{name: "a passed socket", host: "fd://", want: "unix:///var/run/docker.sock"},
		{name: "ssh, wanted", current: "far", remote: true, want: "ssh://me@far.example"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dockerContexts(t, tc.current, contexts)
			t.Setenv("DOCKER_CONTEXT", tc.env)
			t.Setenv("DOCKER_HOST", tc.host)
			d, err := NewDocker(tc.remote)
			switch {
			case tc.wantErr != "":
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Fatalf("got %v, want %q", err, tc.wantErr)
				}
			case err != nil:
				t.Fatal(err)
			case d.host != tc.want:
				t.Errorf("host %s, want %s", d.host, tc.want)
			}
		})
	}
}

// TestTLSContext reaches an engine behind TLS with the files of a context.
func TestTLSContext(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("API-Version", "1.41")
		fmt.Fprint(w, "OK")
	}))
	defer server.Close()
	dockerContexts(t, "safe", map[string]string{"safe": "tcp://" + server.Listener.Addr().String()})
	dir := filepath.Join(os.Getenv("DOCKER_CONFIG"), "contexts", "tls", digest.FromString("safe").Encoded(), "docker")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := NewDocker(false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := d.api.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAllowRemote(t *testing.T) {
	for v, want := range map[string]bool{"": false, "0": false, "false": false, "1": true, "true": true, "yes": true} {
		t.Setenv("LYANDEV_ALLOW_REMOTE", v)
		if AllowRemote() != want {
			t.Errorf("%q: %v", v, !want)
		}
	}
}

// TestNobodyThere asks an engine that does not answer: every answer comes at once and is IsUnavailable.
func TestNobodyThere(t *testing.T) {
	dockerContexts(t, "", nil)
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(t.TempDir(), "sock"))
	d, err := NewDocker(false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, infoErr := d.Info(ctx)
	_, listErr := d.ListContainers(ctx, nil)
	_, _, eventsErr := d.Events(ctx, nil)
	_, execErr := d.Exec(ctx, "x", ExecSpec{Cmd: []string{"true"}})
	for what, err := range map[string]error{
		"info": infoErr, "list": listErr, "events": eventsErr, "exec": execErr, "start": d.StartContainer(ctx, "x"),
		"stop": d.StopContainer(ctx, "x", "", time.Second), "stop by signal": d.StopContainer(ctx, "x", "SIGINT", time.Second),
		"remove": d.RemoveContainer(ctx, "x"),
	} {
		if !IsUnavailable(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestTranslate(t *testing.T) {
	conf, host, net := translate(ContainerSpec{
		Name: "a", Image: "i", Entrypoint: []string{"/x"}, Network: "n", IP: netip.MustParseAddr("10.0.0.5"), Aliases: []string{"y"},
		DNS: []netip.Addr{netip.MustParseAddr("10.0.0.2")}, CPUShares: 512, CPUQuota: 50000, MemoryBytes: 1 << 20, Init: true,
		Publish: []PortBinding{{HostIP: netip.MustParseAddr("127.0.0.1"), ContainerPort: 80}},
		Mounts:  []Mount{{Tmpfs: true, TmpfsBytes: 5, Target: "/t"}, {Bind: "/h", Target: "/b", ReadOnly: true}, {Volume: "v", Target: "/v", NoCopy: true}},
	})
	if conf.Cmd != nil || conf.Entrypoint[0] != "/x" {
		t.Errorf("command %v %v", conf.Entrypoint, conf.Cmd)
	}
	if ep := net.EndpointsConfig["n"]; ep.IPAMConfig.IPv4Address != "10.0.0.5" || ep.Aliases[0] != "y" {
		t.Errorf("endpoint %+v", ep)
	}
	want := container.Resources{CPUShares: 512, CPUPeriod: 100000, CPUQuota: 50000, Memory: 1 << 20}
	if d := cmp.Diff(want, host.Resources); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(nat.PortMap{"80/tcp": {{HostIP: "127.0.0.1"}}}, host.PortBindings); d != "" {
		t.Error(d)
	}
	if host.LogConfig.Config["max-size"] != "10m" || host.LogConfig.Config["max-file"] != "5" || host.DNS[0] != "10.0.0.2" || !*host.Init || len(host.Mounts) != 3 {
		t.Errorf("host %+v", host)
	}
	_, host, _ = translate(ContainerSpec{NetworkContainer: "other", DNS: []netip.Addr{netip.MustParseAddr("10.0.0.2")}})
	if host.NetworkMode != "container:other" || host.DNS != nil {
		t.Errorf("joined: %s, %v", host.NetworkMode, host.DNS)
	}
	if _, host, _ = translate(ContainerSpec{}); host.NetworkMode != "none" {
		t.Errorf("no network: %s", host.NetworkMode)
	}
}
