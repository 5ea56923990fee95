package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const testImage = "debian:trixie-slim"

// bench is the real engine with a project of its own. What every engine must do is tested by the table in enginefake;
// here is what only the implementation shows.
type bench struct {
	*Docker
	t    *testing.T
	ctx  context.Context
	name string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a Docker engine; make test runs it")
	}
	t.Parallel()
	d, err := NewDocker(false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	b := &bench{Docker: d, t: t, ctx: ctx, name: fmt.Sprintf("lyeng-%d-%06d", os.Getpid(), rand.IntN(1e6))}
	t.Cleanup(func() {
		cancel()
		b.clean(context.Background())
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *bench) labels() map[string]string {
	return map[string]string{"dev.lyandev.test": "engine", "dev.lyandev.test.run": b.name}
}

func (b *bench) clean(ctx context.Context) {
	containers, err := b.ListContainers(ctx, b.labels())
	for _, c := range containers {
		err = errors.Join(err, b.RemoveContainer(ctx, c.ID))
	}
	nets, nerr := b.ListNetworks(ctx, b.labels())
	for _, n := range nets {
		err = errors.Join(err, b.RemoveNetwork(ctx, n.ID))
	}
	vols, verr := b.ListVolumes(ctx, b.labels())
	for _, v := range vols {
		err = errors.Join(err, b.RemoveVolume(ctx, v.Name))
	}
	imgs, ierr := b.ListImages(ctx, b.labels())
	for _, i := range imgs {
		err = errors.Join(err, b.RemoveImage(ctx, i.ID))
	}
	b.must(errors.Join(err, nerr, verr, ierr))
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) run(s ContainerSpec, script string) string {
	b.t.Helper()
	s.Name, s.Image, s.Labels = fmt.Sprint(b.name, "-", rand.IntN(1e6)), testImage, b.labels()
	s.Entrypoint = []string{"sh", "-c", script}
	id, err := b.CreateContainer(b.ctx, s)
	b.must(err)
	b.must(b.StartContainer(b.ctx, id))
	return id
}

// log reads n lines of a container's log.
func (b *bench) log(id string, n int) string {
	b.t.Helper()
	rc, err := b.Logs(b.ctx, id, LogOptions{Follow: true, Tail: -1})
	b.must(err)
	defer rc.Close()
	var out strings.Builder
	buf := make([]byte, 1)
	for strings.Count(out.String(), "\n") < n {
		if _, err := rc.Read(buf); err != nil {
			b.must(err)
		}
		out.Write(buf)
	}
	return out.String()
}

// processes counts the container's processes with a text in their command line, until f is content with the number.
func (b *bench) processes(id, text string, f func(n int) bool) {
	b.t.Helper()
	for {
		top, err := b.api.ContainerTop(b.ctx, id, nil)
		b.must(err)
		n := 0
		for _, p := range top.Processes {
			if strings.Contains(p[len(p)-1], text) {
				n++
			}
		}
		if f(n) {
			return
		}
		select {
		case <-b.ctx.Done():
			b.t.Fatalf("%d processes with %q: %v", n, text, top.Processes)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestInfo(t *testing.T) {
	b := newBench(t)
	i, err := b.Info(b.ctx)
	b.must(err)
	if i.Version == "" || i.APIVersion < "1.41" || i.OS != "linux" || i.Arch == "" || i.CPUs < 1 || i.MemoryBytes == 0 ||
		!i.BuildKit || !strings.HasPrefix(i.Host, "unix://") {
		t.Errorf("%+v", i)
	}
}

func TestStopBySignal(t *testing.T) {
	b := newBench(t)
	id := b.run(ContainerSpec{}, `trap "exit 5" INT; trap "" TERM; echo up; while :; do sleep 0.02; done`)
	b.log(id, 1)
	b.must(b.StopContainer(b.ctx, id, "SIGINT", 20*time.Second))
	if c, err := b.InspectContainer(b.ctx, id); err != nil || c.State != StateExited || c.ExitCode != 5 {
		t.Errorf("%+v, %v", c, err)
	}
	own := b.run(ContainerSpec{StopSignal: "SIGUSR2"}, `trap "exit 6" USR2; trap "" TERM; echo up; while :; do sleep 0.02; done`)
	b.log(own, 1)
	b.must(b.StopContainer(b.ctx, own, "", 20*time.Second))
	if c, err := b.InspectContainer(b.ctx, own); err != nil || c.ExitCode != 6 {
		t.Errorf("the image's own signal: %+v, %v", c, err)
	}
}

// TestExecEndsInTheContainer looks with top whether a command and its children are gone after a timeout, when its caller
// gives up, and by the way that needs no access to the host's processes.
func TestExecEndsInTheContainer(t *testing.T) {
	b := newBench(t)
	id := b.run(ContainerSpec{}, "sleep 1000")
	hang := func(seconds string) ExecSpec {
		return ExecSpec{Cmd: []string{"sh", "-c", "trap '' TERM HUP; sleep " + seconds + " & sleep " + seconds}}
	}
	spec := hang("7001")
	spec.Timeout = 500 * time.Millisecond
	if _, err := b.Exec(b.ctx, id, spec); !errors.Is(err, ErrExecTimeout) {
		t.Errorf("timeout: %v", err)
	}
	b.processes(id, "7001", func(n int) bool { return n == 0 })

	spec.Cmd, spec.Unmarked = hang("7004").Cmd, true
	if _, err := b.Exec(b.ctx, id, spec); !errors.Is(err, ErrExecTimeout) {
		t.Errorf("unmarked, timeout: %v", err)
	}
	b.processes(id, "7004", func(n int) bool { return n == 0 })
	if r, err := b.Exec(b.ctx, id, ExecSpec{Cmd: []string{"env"}, Unmarked: true}); err != nil || strings.Contains(string(r.Output), "LYANDEV") {
		t.Errorf("the environment of an unmarked command is %s, %v", r.Output, err)
	}

	for mark, end := range map[string]func(cancel func()){
		"7002": func(cancel func()) { cancel() },
		"7003": func(func()) { b.killInside(b.ctx, id, "by-hand-7003") },
	} {
		ctx, cancel := context.WithCancel(b.ctx)
		defer cancel()
		done := make(chan error, 1)
		go func() {
			_, err := b.execMarked(ctx, id, hang(mark), "by-hand-"+mark)
			done <- err
		}()
		b.processes(id, mark, func(n int) bool { return n == 3 })
		end(cancel)
		if err := <-done; mark == "7002" && !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		b.processes(id, mark, func(n int) bool { return n == 0 })
	}
	b.processes(id, "sleep 1000", func(n int) bool { return n > 0 })
}

func TestExecWithTerminal(t *testing.T) {
	b := newBench(t)
	id := b.run(ContainerSpec{}, "sleep 1000")
	sizes := make(chan [2]uint, 1)
	sizes <- [2]uint{91, 17}
	in, feed := io.Pipe()
	out := &waitFor{text: "17 91", found: make(chan struct{})}
	go func() {
		defer feed.Close()
		for {
			select {
			case <-out.found:
				_, _ = io.WriteString(feed, "exit 3\n")
				return
			case <-b.ctx.Done():
				return
			case <-time.After(50 * time.Millisecond):
				_, _ = io.WriteString(feed, "stty size\n")
			}
		}
	}()
	res, err := b.Exec(b.ctx, id, ExecSpec{Cmd: []string{"sh"}, TTY: true, Stdin: in, Stdout: out, Resize: sizes})
	if err != nil || res.ExitCode != 3 {
		t.Errorf("%+v, %v", res, err)
	}
}

// waitFor closes found when text has gone by.
type waitFor struct {
	text  string
	seen  strings.Builder
	found chan struct{}
}

func (w *waitFor) Write(p []byte) (int, error) {
	before := strings.Contains(w.seen.String(), w.text)
	w.seen.Write(p)
	if !before && strings.Contains(w.seen.String(), w.text) {
		close(w.found)
	}
	return len(p), nil
}

func TestExecBigOutput(t *testing.T) {
	b := newBench(t)
	id := b.run(ContainerSpec{}, "sleep 1000")
	var big bytes.Buffer
	if _, err := b.Exec(b.ctx, id, ExecSpec{Cmd: []string{"head", "-c", "3000000", "/dev/zero"}, Stdout: &big}); err != nil || big.Len() != 3000000 {
		t.Errorf("%d bytes, %v", big.Len(), err)
	}
}

func TestLogs(t *testing.T) {
	b := newBench(t)
	id := b.run(ContainerSpec{}, `i=0; while [ $i -lt 2000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done`)
	var stdout, stderr bytes.Buffer
	rc, err := b.Logs(b.ctx, id, LogOptions{Follow: true, Tail: -1, StderrTo: &stderr})
	b.must(err)
	_, err = io.Copy(&stdout, rc)
	b.must(errors.Join(err, rc.Close()))
	var wantOut, wantErr strings.Builder
	for i := range 2000 {
		fmt.Fprintln(&wantOut, "out", i)
		fmt.Fprintln(&wantErr, "err", i)
	}
	if stdout.String() != wantOut.String() || stderr.String() != wantErr.String() {
		t.Errorf("%d and %d bytes, want %d and %d", stdout.Len(), stderr.Len(), wantOut.Len(), wantErr.Len())
	}
	tty := b.run(ContainerSpec{TTY: true}, "echo hello; stty size; sleep 1000")
	if got := b.log(tty, 1); got != "hello\r\n" {
		t.Errorf("terminal: %q", got)
	}
}

// TestEventsMissNothing subscribes and acts at once, again and again.
func TestEventsMissNothing(t *testing.T) {
	b := newBench(t)
	for range 10 {
		ctx, cancel := context.WithCancel(b.ctx)
		events, _, err := b.Events(ctx, b.labels())
		b.must(err)
		id, err := b.CreateContainer(b.ctx, ContainerSpec{Name: b.name + "-e", Image: testImage, Labels: b.labels()})
		b.must(err)
		if e := <-events; e.Type != "create" || e.ID != id {
			t.Fatalf("%+v, want the creation of %s", e, id)
		}
		b.must(b.RemoveContainer(b.ctx, id))
		if e := <-events; e.Type != "destroy" {
			t.Errorf("%+v, want the end of %s", e, id)
		}
		cancel()
		for range events {
		}
	}
}

func TestEventsBreakWithTheEngine(t *testing.T) {
	b := newBench(t)
	cut := newProxy(t, strings.TrimPrefix(b.host, "unix://"))
	d := &Docker{api: b.api, host: b.host}
	d.api = clientAt(t, "unix://"+cut.path)
	defer d.Close()
	events, why, err := d.Events(b.ctx, b.labels())
	b.must(err)
	cut.now()
	if _, open := <-events; open || why() == nil || !IsUnavailable(why()) {
		t.Errorf("open %v, why %v", open, why())
	}
}

func TestImportedImageRuns(t *testing.T) {
	b := newBench(t)
	bin := staticProgram(t)
	pr, pw := io.Pipe()
	go func() { _ = pw.CloseWithError(packProgram(pw, bin)) }()
	ref := "lyandev.test/" + b.name + ":one"
	id, err := b.ImportImage(b.ctx, ref, []string{`ENTRYPOINT ["/probe"]`, "LABEL dev.lyandev.test=engine", "LABEL dev.lyandev.test.run=" + b.name}, pr)
	b.must(err)
	if !strings.HasPrefix(id, "sha256:") {
		t.Errorf("ID %q", id)
	}
	c, err := b.CreateContainer(b.ctx, ContainerSpec{Name: b.name + "-i", Image: ref, Labels: b.labels()})
	b.must(err)
	b.must(b.StartContainer(b.ctx, c))
	if got := b.log(c, 1); got != "it runs\n" {
		t.Errorf("said %q", got)
	}
}

func TestPullOfWhatIsNotThere(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	err := b.PullImage(ctx, "127.0.0.1:9/lyandev-test/nothing:here", PullOptions{Out: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "cannot pull image 127.0.0.1:9/lyandev-test/nothing:here") {
		t.Errorf("pull: %v", err)
	}
}

func TestPortOfAnotherProgram(t *testing.T) {
	b := newBench(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	b.must(err)
	defer l.Close()
	at := l.Addr().(*net.TCPAddr).AddrPort()
	id, err := b.CreateContainer(b.ctx, ContainerSpec{
		Name: b.name + "-p", Image: testImage, Labels: b.labels(), Network: "bridge", Entrypoint: []string{"sleep", "100"},
		Publish: []PortBinding{{HostIP: at.Addr(), HostPort: at.Port(), ContainerPort: 80}},
	})
	b.must(err)
	if err := b.StartContainer(b.ctx, id); !IsPortTaken(err) {
		t.Errorf("start: %v", err)
	}
	b.must(l.Close())
	b.must(b.StartContainer(b.ctx, id))
}

func TestMounts(t *testing.T) {
	b := newBench(t)
	b.must(b.CreateVolume(b.ctx, VolumeSpec{Name: b.name + "-v", Labels: b.labels()}))
	b.must(b.CreateVolume(b.ctx, VolumeSpec{Name: b.name + "-w", Labels: b.labels()}))
	dir := t.TempDir()
	id := b.run(ContainerSpec{Mounts: []Mount{
		{Volume: b.name + "-v", Target: "/etc/default"},
		{Volume: b.name + "-w", Target: "/etc/apt", NoCopy: true},
		{Bind: dir, Target: "/host", ReadOnly: true},
		{Tmpfs: true, TmpfsBytes: 1 << 20, Target: "/small"},
		{Tmpfs: true, TmpfsBytes: 2 << 20, TmpfsGroup: new(int64(4711)), Target: "/shared"},
	}}, `ls /etc/default | wc -l; ls /etc/apt | wc -l; touch /host/x 2>/dev/null || echo read-only; df --output=size /small | tail -1;
		mkdir /shared/new; stat -c '%a %g' /shared /shared/new | tr '\n' ' '; df --output=size /shared | tail -1`)
	lines := strings.Fields(b.log(id, 5))
	if lines[0] == "0" || lines[1] != "0" || lines[2] != "read-only" || lines[3] != "1024" || strings.Join(lines[4:], " ") != "2777 4711 2755 4711 2048" {
		t.Errorf("saw %v", lines)
	}
}

func TestNetworkOfItsOwn(t *testing.T) {
	b := newBench(t)
	subnet := netip.MustParsePrefix("10.248.0.0/26")
	name := b.name + "-net"
	_, err := b.CreateNetwork(b.ctx, NetworkSpec{
		Name: name, Subnet: subnet, IPRange: netip.MustParsePrefix("10.248.0.32/27"), Gateway: netip.MustParseAddr("10.248.0.1"), Labels: b.labels(),
	})
	b.must(err)
	if _, err = b.CreateNetwork(b.ctx, NetworkSpec{Name: name + "2", Subnet: subnet, Labels: b.labels()}); !IsOverlap(err) || IsConflict(err) {
		t.Errorf("overlap: %v", err)
	}
	server := b.run(ContainerSpec{Network: name, IP: netip.MustParseAddr("10.248.0.9"), Aliases: []string{"db"}}, "sleep 1000")
	client := b.run(ContainerSpec{Network: name, DNSSearch: []string{"svc.test"}, ExtraHosts: []string{"extra:10.9.8.7"}}, "sleep 1000")
	c, err := b.InspectContainer(b.ctx, client)
	b.must(err)
	if ip := c.IPs[name]; ip != netip.MustParseAddr("10.248.0.32") {
		t.Errorf("a dynamic address of %s", ip)
	}
	res, err := b.Exec(b.ctx, client, ExecSpec{Cmd: []string{"sh", "-c", "getent hosts db extra; cat /etc/resolv.conf"}})
	b.must(err)
	for _, want := range []string{"10.248.0.9", "10.9.8.7", "search svc.test"} {
		if !strings.Contains(string(res.Output), want) {
			t.Errorf("%q is missing in %s", want, res.Output)
		}
	}
	joined := b.run(ContainerSpec{NetworkContainer: server}, "cat /etc/hosts; sleep 1000")
	if got := b.log(joined, 1); got == "" {
		t.Error("joined, and no hosts")
	}
}

// packProgram writes a tar with one program.
func packProgram(w io.Writer, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	err = tw.WriteHeader(&tar.Header{Name: "probe", Mode: 0o755, Size: int64(len(data)), Typeflag: tar.TypeReg})
	if err == nil {
		_, err = tw.Write(data)
	}
	return errors.Join(err, tw.Close())
}

// staticProgram builds a static program that says "it runs".
func staticProgram(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	const src = "package main\n\nimport \"os\"\n\nfunc main() { _, _ = os.Stdout.WriteString(\"it runs\\n\") }\n"
	if err := os.WriteFile(dir+"/main.go", []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-o", dir+"/probe", dir+"/main.go")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir + "/probe"
}
