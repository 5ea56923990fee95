package doctor

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
)

// stubEngine answers after a time.
type stubEngine struct {
	after time.Duration
	asked int
	list  []engine.Container
}

func (e *stubEngine) Details(context.Context) (engine.Details, error) {
	e.asked++
	time.Sleep(e.after)
	return engine.Details{Info: engine.Info{Version: "28", Local: true}, RootDir: "/"}, nil
}

func (e *stubEngine) ListContainers(context.Context, map[string]string) ([]engine.Container, error) {
	time.Sleep(e.after)
	return e.list, nil
}

func publishing(name string, labels map[string]string, ip string, port uint16) engine.Container {
	return engine.Container{
		Name: name, Labels: labels, State: engine.StateRunning,
		Ports: []engine.PortBinding{{HostIP: netip.MustParseAddr(ip), HostPort: port, ContainerPort: 80, Protocol: "tcp"}},
	}
}

func TestWhoHasAPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := int32(l.Addr().(*net.TCPAddr).Port)
	list := []engine.Container{
		publishing("shop-agent", map[string]string{services.ProjectLabel: "shop"}, "127.0.0.1", 8001),
		publishing("blog-agent", map[string]string{services.ProjectLabel: "blog"}, "127.0.0.1", 8002),
		publishing("wiki-web-1", map[string]string{composeProject: "wiki"}, "0.0.0.0", 8003),
		publishing("lone", nil, "127.0.0.2", 8004),
		{Name: "ended", State: engine.StateExited, Ports: []engine.PortBinding{{HostPort: 8005}}},
	}
	at := func(port, last int32, p corev1.Protocol) services.HostPort {
		return services.HostPort{HostIP: "127.0.0.1", HostPort: port, LastHostPort: last, Service: "web", Port: 80, Protocol: p}
	}
	nobody := func(services.HostPort) (holder, unknown string) { return "", "" }
	for _, tc := range []struct {
		name string
		port services.HostPort
		want Port
	}{
		{"this stack's", at(8001, 0, corev1.ProtocolTCP), Port{Address: "127.0.0.1:8001", For: "web:80", Own: true}},
		{"another instance's", at(8002, 0, corev1.ProtocolTCP), Port{Address: "127.0.0.1:8002", For: "web:80", Holder: "the instance blog"}},
		{"Compose's, at every address", at(8003, 0, corev1.ProtocolTCP), Port{Address: "127.0.0.1:8003", For: "web:80", Holder: "the container wiki-web-1 of Docker Compose's project wiki"}},
		{"a range with a free one", at(8002, 8004, corev1.ProtocolTCP), Port{Address: "127.0.0.1:8004", For: "web:80"}},
		{"another protocol", at(8002, 0, corev1.ProtocolUDP), Port{Address: "127.0.0.1:8002/udp", For: "web:80"}},
		{"a container that has ended", at(8005, 0, corev1.ProtocolTCP), Port{Address: "127.0.0.1:8005", For: "web:80"}},
	} {
		if d := cmp.Diff(tc.want, portOf(tc.port, "shop", list, nobody)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, d)
		}
	}
	ingress := services.HostPort{HostIP: "127.0.0.1", HostPort: taken, Protocol: corev1.ProtocolTCP}
	got := portOf(ingress, "shop", list, programAt)
	if got.For != "the ingress" || !strings.Contains(got.Holder, "process "+strconv.Itoa(os.Getpid())) && !strings.Contains(got.Holder, "program") {
		t.Errorf("a listener of this process: %+v", got)
	}
}

func TestNameServersOfContainers(t *testing.T) {
	for _, tc := range []struct {
		name                         string
		host, resolved, daemon, want []string
	}{
		{"the host's", []string{"192.168.1.1"}, nil, nil, []string{"192.168.1.1"}},
		{"without the loopback's", []string{"127.0.0.1", "192.168.1.1"}, nil, nil, []string{"192.168.1.1"}},
		{"only the loopback's", []string{"127.0.0.1"}, []string{"10.0.0.1"}, nil, nil},
		{"systemd-resolved's", []string{"127.0.0.53"}, []string{"10.0.0.1"}, nil, []string{"10.0.0.1"}},
		{"the engine's own", []string{"127.0.0.1"}, nil, []string{"10.0.0.2"}, []string{"10.0.0.2"}},
	} {
		if got := forContainers(tc.host, tc.resolved, tc.daemon); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
		}
	}
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("# a comment\nsearch example\nnameserver 10.0.0.1\nnameserver ::1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := nameServers(file); !slices.Equal(got, []string{"10.0.0.1", "::1"}) {
		t.Errorf("got %v", got)
	}
}

// machine has two instances of its own; Answers says what their names say.
func machine(t *testing.T, e *stubEngine) *Machine {
	dir := t.TempDir()
	return &Machine{
		Engine: e, StateDir: filepath.Join(dir, "state", "lyandev"), Own: "runs",
		Load:      func(context.Context) (File, *services.Stack) { return File{Path: "/f"}, &services.Stack{} },
		Instances: []*instance.Instance{{Name: "runs", Dir: dir}, {Name: "left", Dir: dir}, {Name: "gone", Dir: "/no/such/directory"}, {Name: "hangs", Dir: dir}, {Name: "ended", Dir: dir}},
		Answers: func(_ context.Context, i *instance.Instance) (bool, error) {
			if i.Name == "hangs" {
				return false, errors.New("it does not answer")
			}
			return i.Name == "runs", nil
		},
	}
}

// only are the named parts.
func only(m *Machine, names ...string) []Part {
	return slices.DeleteFunc(m.Parts(), func(p Part) bool { return !slices.Contains(names, p.Name) })
}

func TestInstancesWithoutASupervisor(t *testing.T) {
	var list []engine.Container
	for _, name := range []string{"runs", "left", "left", "gone"} {
		list = append(list, engine.Container{State: engine.StateRunning, Labels: map[string]string{services.ProjectLabel: name}})
	}
	list = append(list, engine.Container{State: engine.StateExited, Labels: map[string]string{services.ProjectLabel: "ended"}})
	m := machine(t, &stubEngine{list: list})
	dir := m.Instances[0].Dir
	f := &Facts{}
	Gather(t.Context(), 5*time.Second, only(m, PartInstances), f)
	want := []Left{{Name: "left", Dir: dir, Running: 2}, {Name: "gone", Dir: "/no/such/directory", Gone: true, Running: 1}, {Name: "hangs", Dir: dir, Hangs: true}}
	if d := cmp.Diff(want, f.Left); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestASilentEngineDelaysOnlyItsOwnPart: the others do without its answer, and it is asked once.
func TestASilentEngineDelaysOnlyItsOwnPart(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///no/such/socket")
	synctest.Test(t, func(t *testing.T) {
		e := &stubEngine{after: time.Minute}
		f := &Facts{}
		Gather(t.Context(), 5*time.Second, only(machine(t, e), PartEngine, PartDisks, PartInstances, PartFile), f)
		synctest.Wait()
		if want := map[string]bool{PartEngine: true}; !cmp.Equal(f.Late, want) || e.asked != 1 {
			t.Errorf("late: %v; asked %d times", f.Late, e.asked)
		}
		if len(f.Disks) != 1 || f.Disks[0].Err != nil || f.Disks[0].Total == 0 || f.File.Path != "/f" {
			t.Errorf("got %+v, %+v", f.Disks, f.File)
		}
		time.Sleep(time.Hour) // what goes on in the background ends
	})
}

func TestRights(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///no/such/socket")
	m := machine(t, &stubEngine{})
	f := &Facts{}
	Gather(t.Context(), 5*time.Second, only(m, PartRights), f)
	if f.Rights.StateErr != nil || f.Rights.User == "" || f.Rights.Socket != "" {
		t.Errorf("got %+v", f.Rights)
	}
	if left, _ := filepath.Glob(filepath.Join(m.Instances[0].Dir, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	m.StateDir = "/proc/lyandev"
	f = &Facts{}
	Gather(t.Context(), 5*time.Second, only(m, PartRights), f)
	if f.Rights.StateErr == nil {
		t.Error("no error for a directory that cannot be written to")
	}
}

func TestWhyAnEngineDoesNotAnswer(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	if got := whyNot(t.Context(), "unix://"+path); got != Absent {
		t.Errorf("no socket: %q", got)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if got := whyNot(t.Context(), "unix://"+path); got != "" {
		t.Errorf("somebody listens: %q", got)
	}
	_ = l.Close()
	if got := whyNot(t.Context(), "unix://"+path); got != Refused {
		t.Errorf("nobody listens: %q", got)
	}
}
