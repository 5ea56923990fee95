package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lyandev/lyandev/services/goldentest"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// healthy are the facts of a machine on which nothing is wrong.
func healthy() *Facts {
	return &Facts{
		OS: "linux", Limit: 5 * time.Second,
		Address: engine.Address{Host: "unix:///var/run/docker.sock", From: "the default"},
		Engine: &engine.Details{
			Info:    engine.Info{Version: "28.5.2", APIVersion: "1.51", CPUs: 8, MemoryBytes: 16 << 30, Local: true, BuildKit: true},
			Product: "Docker Engine - Community", EngineAPI: "1.51", MinAPI: "1.44", System: "Debian GNU/Linux 13 (trixie)", Storage: "overlay2",
			CgroupVersion: "2", CgroupDriver: "systemd", MemoryLimits: true, CPULimits: true, PidsLimits: true, RootDir: "/var/lib/docker",
			Ahead: 3 * time.Millisecond, ClockKnown: true,
		},
		Sockets: []Socket{{"Docker", "/var/run/docker.sock", true}},
		Free:    9 << 30,
		Disks: []Disk{
			{What: "the engine's data", Path: "/var/lib/docker", Free: 100 << 30, Total: 400 << 30, FreeNodes: 1e6, Nodes: 2e6},
			{What: "lyandev's state", Path: "/home/ann/.local/state/lyandev", Free: 30 << 30, Total: 80 << 30, FreeNodes: 1e6, Nodes: 2e6},
		},
		DNS:     DNS{Name: pullHost, Servers: []string{"192.168.1.1"}, ForContainers: []string{"192.168.1.1"}},
		Rights:  Rights{Socket: "/var/run/docker.sock", SocketMode: 0o660, SocketGroup: "docker", User: "ann", Member: true, StateDir: "/home/ann/.local/state/lyandev"},
		File:    File{Dir: "/home/ann/shop", Path: "/home/ann/shop/compose.yaml", Project: "shop", Workloads: 3},
		Ports:   []Port{{Address: "127.0.0.1:8000", For: "web:80"}, {Address: "127.0.0.1:5432", For: "db:5432", Own: true}},
		Watches: Watches{Rules: 2, Dirs: 41, MaxWatches: 65536, MaxInstances: 128},
	}
}

// noEngine takes what only an engine can say.
func noEngine(f *Facts, why Why) {
	f.Engine, f.EngineErr, f.Why, f.Disks, f.Sockets = nil, errors.New("cannot reach the Docker engine"), why, f.Disks[1:], nil
}

// TestDiagnose compares what the checks say about machines with the golden files testdata/NAME.txt.
func TestDiagnose(t *testing.T) {
	for name, change := range map[string]func(f *Facts){
		"healthy":   func(*Facts) {},
		"no-engine": func(f *Facts) { noEngine(f, Absent) },
		"no-engine-but-another": func(f *Facts) {
			noEngine(f, Refused)
			f.Sockets = []Socket{{"rootless Docker", "/run/user/1000/docker.sock", true}}
		},
		"no-engine-on-a-mac": func(f *Facts) { noEngine(f, Absent); f.OS = "darwin" },
		"no-permission":      func(f *Facts) { noEngine(f, Denied); f.Rights.Member = false },
		"no-permission-yet":  func(f *Facts) { noEngine(f, Denied) },
		"engine-hangs": func(f *Facts) {
			noEngine(f, "")
			f.Late = map[string]bool{PartEngine: true, PartInstances: true}
		},
		"engine-too-old": func(f *Facts) { f.Engine.Version, f.Engine.EngineAPI = "19.03.15", "1.40" },
		"engine-too-new": func(f *Facts) { noEngine(f, ""); f.EngineErr = fmt.Errorf("%w: 1.60", engine.ErrTooNew) },
		"podman": func(f *Facts) {
			f.Engine.Product, f.Engine.Version, f.Engine.Rootless, f.Engine.CPULimits = "Podman Engine", "5.4.2", true, false
		},
		"remote-refused": func(f *Facts) {
			noEngine(f, "")
			f.Address = engine.Address{Host: "ssh://me@far", From: "DOCKER_HOST", Remote: true}
		},
		"remote-allowed": func(f *Facts) {
			f.Address, f.Allowed = engine.Address{Host: "ssh://me@far", From: "DOCKER_HOST", Remote: true}, true
			f.Engine.Local, f.Disks, f.DockerHost = false, f.Disks[1:], "ssh://me@far"
			f.Ports[0].Unknown = "the engine is on another machine"
		},
		"context-unreadable": func(f *Facts) { noEngine(f, ""); f.AddressErr = errors.New(`cannot read the Docker context "gone"`) },
		"two-contexts": func(f *Facts) {
			f.Contexts = []engine.Context{
				{Name: "colima", Address: engine.Address{Host: "unix:///home/ann/.colima/default/docker.sock"}},
				{Name: "rootless", Address: engine.Address{Host: "unix:///run/user/1000/docker.sock"}},
			}
			f.Sockets = append(f.Sockets, Socket{"Colima", "/home/ann/.colima/default/docker.sock", true}, Socket{"rootless Podman", "/run/user/1000/podman/podman.sock", true})
		},
		"docker-host-and-context": func(f *Facts) {
			f.DockerHost = "unix:///var/run/docker.sock"
			f.Contexts = []engine.Context{{Name: "colima", Current: true, Address: engine.Address{Host: "unix:///home/ann/.colima/default/docker.sock"}}}
		},
		"disk-nearly-full": func(f *Facts) {
			f.Disks[0].Free, f.Disks[1].Free = 700<<20, 3<<30
		},
		"no-inodes":      func(f *Facts) { f.Disks[0].FreeNodes = 12; f.Disks[1].Err = errors.New("permission denied") },
		"little-memory":  func(f *Facts) { f.Engine.MemoryBytes = 1500 << 20 },
		"tiny-memory":    func(f *Facts) { f.Engine.MemoryBytes = 512 << 20; f.Engine.System = "Docker Desktop" },
		"memory-used-up": func(f *Facts) { f.Free = 200 << 20 },
		"old-storage": func(f *Facts) {
			f.Engine.Storage, f.Engine.MemoryLimits, f.Engine.PidsLimits, f.Engine.CgroupVersion = "vfs", false, false, "1"
		},
		"inotify-low": func(f *Facts) {
			f.Watches = Watches{Rules: 3, Dirs: 9000, MaxWatches: 8192, MaxInstances: 64}
		},
		"inotify-half-used": func(f *Facts) { f.Watches.Dirs, f.Watches.More = 40000, true },
		"port-taken": func(f *Facts) {
			f.Ports[0].Holder = "process 4711 (nginx)"
			f.Ports = append(f.Ports, Port{Address: "127.0.0.1:8080", For: "the ingress", Holder: "the container web-1 of Docker Compose's project blog"})
		},
		"clock-off":       func(f *Facts) { f.Engine.Ahead = -2 * time.Minute },
		"clock-a-bit-off": func(f *Facts) { f.Engine.Ahead = 4 * time.Second; f.OS = "darwin" },
		"proxy-on-host-only": func(f *Facts) {
			f.Proxies.Host = ProxySet{HTTPS: "http://ann:secret@proxy.example:3128", No: ".example"}
		},
		"proxy-everywhere": func(f *Facts) {
			f.Proxies.Host = ProxySet{HTTPS: "http://proxy.example:3128", No: "localhost,127.0.0.0/8"}
			f.Proxies.Containers = ProxySet{HTTPS: "http://proxy.example:3128", No: "localhost,127.0.0.1"}
			f.Engine.HTTPSProxy = "http://proxy.example:3128"
		},
		"proxy-in-containers": func(f *Facts) { f.Proxies.Containers = ProxySet{HTTP: "http://proxy.example:3128"} },
		"dns": func(f *Facts) {
			f.DNS.Err, f.DNS.Servers, f.DNS.ForContainers = errors.New("lookup registry-1.docker.io: i/o timeout"), []string{"127.0.0.1"}, nil
		},
		"rights": func(f *Facts) {
			f.Rights.StateErr, f.Rights.SocketMode = errors.New("open /home/ann/.local/state/lyandev/x: permission denied"), 0o666
		},
		"rootless": func(f *Facts) { f.Engine.Rootless = true },
		"instances-left": func(f *Facts) {
			f.Left = []Left{
				{Name: "blog", Dir: "/home/ann/blog", Running: 4},
				{Name: "old", Dir: "/home/ann/old", Running: 1, Gone: true},
				{Name: "wiki", Dir: "/home/ann/wiki", Hangs: true, PID: 99},
			}
		},
		"no-file": func(f *Facts) {
			f.File, f.Ports, f.Watches = File{Dir: "/home/ann"}, nil, Watches{MaxWatches: 65536, MaxInstances: 128}
		},
		"file-invalid": func(f *Facts) {
			f.File, f.Ports, f.Watches = File{Dir: "/home/ann", Errors: strings.Split("f:1: a\nf:2: b\nf:3: c\nf:4: d\nf:5: e\nf:6: f", "\n")}, nil, Watches{}
		},
		"file-not-applied": func(f *Facts) { f.File.NotApplied, f.Ports = 1, nil },
		"late":             func(f *Facts) { f.Late = map[string]bool{PartDNS: true, PartPorts: true} },
	} {
		f := healthy()
		change(f)
		found := Diagnose(f)
		var out strings.Builder
		Print(&out, found, func(_ Verdict, text string) string { return text })
		goldentest.Compare(t, name+".txt", out.String())
		if got, want := HasProblem(found), strings.Contains(out.String(), "\nproblem ") || strings.HasPrefix(out.String(), "problem"); got != want {
			t.Errorf("%s: HasProblem is %v", name, got)
		}
		for _, x := range found {
			if x.Verdict == Problem && x.Fix == "" {
				t.Errorf("%s: no fix for the problem %q", name, x.Text)
			}
			if strings.Contains(x.Text+x.Fix, "\n") {
				t.Errorf("%s: %q has more than one line", name, x.Text)
			}
		}
	}
}

// TestGather: parts run at once; one that hangs, and one that notices the end of its context, are late, and change nothing later.
func TestGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		after := func(d time.Duration, name string) Part {
			return Part{name, func(context.Context) func(*Facts) {
				time.Sleep(d)
				return func(f *Facts) { f.File.Errors = append(f.File.Errors, name) }
			}}
		}
		patient := Part{"patient", func(ctx context.Context) func(*Facts) {
			<-ctx.Done()
			return func(f *Facts) { f.File.Errors = append(f.File.Errors, "patient") }
		}}
		f, began := &Facts{}, time.Now()
		Gather(t.Context(), 5*time.Second, []Part{after(time.Hour, "hangs"), patient, after(2*time.Second, "slow"), after(0, "quick")}, f)
		if took := time.Since(began); took != 5*time.Second+grace {
			t.Errorf("it took %s", took)
		}
		want := &Facts{Limit: 5 * time.Second, Late: map[string]bool{"hangs": true, "patient": true}, File: File{Errors: []string{"quick", "slow"}}}
		if d := cmp.Diff(want, f); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		time.Sleep(2 * time.Hour)
		if len(f.File.Errors) != 2 {
			t.Errorf("a late part changed the facts: %v", f.File.Errors)
		}
	})
}
