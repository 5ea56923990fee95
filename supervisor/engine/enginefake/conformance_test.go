package enginefake_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
)

const (
	testImage = "debian:trixie-slim"
	testLabel = "dev.lyandev.test"
)

// testSubnets is where the tests' networks are, 16 addresses each. Nothing else may use it.
var testSubnets = netip.MustParsePrefix("10.248.0.128/25")

// rig is an engine under test, the fake or the real one.
type rig struct {
	engine.Engine
	t    *testing.T
	ctx  context.Context
	fake *enginefake.Engine // nil for the real one
	name string             // the prefix of every object of the test
	// subnet is the test's own; Docker gives out only ipRange, its upper half.
	subnet, ipRange netip.Prefix
	static          netip.Addr
}

// process is what a container runs, for both engines.
type process struct {
	cmd    []string
	script enginefake.Script
}

// The processes of the table. As process 1, sleep has no handler for SIGTERM, so it ignores it.
var (
	stubborn = process{[]string{"sleep", "1000"}, enginefake.Script{IgnoreStop: true, Exec: shell}}
	polite   = process{
		[]string{"sh", "-c", `trap "exit 7" TERM; trap "exit 8" USR1; echo up; while :; do sleep 0.02; done`},
		enginefake.Script{OnStop: &enginefake.Exit{Code: 7}, Exec: shell, Output: []enginefake.Output{{Text: "up"}}},
	}
	failing = process{
		[]string{"sh", "-c", "echo one; sleep 0.05; echo two >&2; sleep 0.05; echo three; exit 3"},
		enginefake.Script{
			Exit: &enginefake.Exit{After: 100 * time.Millisecond, Code: 3},
			Output: []enginefake.Output{
				{Text: "one"}, {After: 50 * time.Millisecond, Text: "two", Stderr: true}, {After: 100 * time.Millisecond, Text: "three"},
			},
		},
	}
	unstartable = process{[]string{"no-such-command"}, enginefake.Script{StartError: "executable file not found in $PATH"}}
	greedy      = process{
		[]string{"sh", "-c", "sleep 0.1; exec tail /dev/zero"},
		enginefake.Script{Exit: &enginefake.Exit{After: 100 * time.Millisecond, OOM: true}},
	}
)

// shell knows the commands that the table runs.
func shell(ctx context.Context, x *enginefake.Execution) (int, error) {
	switch strings.Join(x.Cmd, " ") {
	case "true":
		return 0, nil
	case "cat":
		_, err := io.Copy(x.Stdout, x.Stdin)
		return 0, err
	case "sh -c echo out; echo err >&2; exit 4":
		fmt.Fprintln(x.Stdout, "out")
		fmt.Fprintln(x.Stderr, "err")
		return 4, nil
	case "sh -c echo begun; sleep 100":
		fmt.Fprintln(x.Stdout, "begun")
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return 0, engine.ErrExecNotStarted
}

// TestConformance runs one table of behaviours on the fake and on the real engine: what passes on both is what the fake is
// faithful in.
func TestConformance(t *testing.T) {
	behaviours := slices.Concat(containerBehaviours, networkBehaviours, otherBehaviours, exactBehaviours, objectBehaviours)
	for n, b := range behaviours {
		t.Run("fake/"+b.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := enginefake.New()
				fake.AddImage(testImage, enginefake.Image{Dirs: []string{"/srv"}})
				b.check(newRig(t, n, fake, fake))
			})
		})
	}
	t.Run("docker", func(t *testing.T) {
		if testing.Short() {
			t.Skip("needs a Docker engine; make test runs it")
		}
		d, err := engine.NewDocker(false)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		for n, b := range behaviours {
			t.Run(b.name, func(t *testing.T) {
				t.Parallel()
				b.check(newRig(t, n, d, nil))
			})
		}
	})
}

func newRig(t *testing.T, n int, e engine.Engine, fake *enginefake.Engine) *rig {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	r := &rig{Engine: e, t: t, ctx: ctx, fake: fake, name: fmt.Sprintf("lyconf-%d-%06d", os.Getpid(), rand.IntN(1e6))}
	base := testSubnets.Addr().As4()
	base[3] += byte(n % 8 * 16)
	r.subnet = netip.PrefixFrom(netip.AddrFrom4(base), 28)
	base[3] += 5
	r.static = netip.AddrFrom4(base)
	base[3] += 3
	r.ipRange = netip.PrefixFrom(netip.AddrFrom4(base), 29)
	t.Cleanup(func() {
		cancel()
		r.clean(context.Background())
	})
	return r
}

func (r *rig) labels() map[string]string { return map[string]string{testLabel: r.name} }

func (r *rig) clean(ctx context.Context) {
	list, err := r.ListContainers(ctx, r.labels())
	r.must(err)
	for _, c := range list {
		r.must(r.RemoveContainer(ctx, c.ID))
	}
	nets, err := r.ListNetworks(ctx, r.labels())
	r.must(err)
	for _, n := range nets {
		r.must(r.RemoveNetwork(ctx, n.ID))
	}
	vols, err := r.ListVolumes(ctx, r.labels())
	r.must(err)
	for _, v := range vols {
		r.must(r.RemoveVolume(ctx, v.Name))
	}
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// create makes a container called prefix-name with what change says.
func (r *rig) create(name string, p process, change func(s *engine.ContainerSpec)) string {
	r.t.Helper()
	s := engine.ContainerSpec{Name: r.name + "-" + name, Image: testImage, Labels: r.labels(), Entrypoint: p.cmd[:1], Cmd: p.cmd[1:]}
	if change != nil {
		change(&s)
	}
	if r.fake != nil {
		r.fake.On(s.Name, p.script)
	}
	id, err := r.CreateContainer(r.ctx, s)
	r.must(err)
	return id
}

// start makes and starts a container and, if it prints it, waits for the line "up".
func (r *rig) start(name string, p process, change func(s *engine.ContainerSpec)) string {
	r.t.Helper()
	id := r.create(name, p, change)
	r.must(r.StartContainer(r.ctx, id))
	if strings.Contains(strings.Join(p.cmd, " "), "echo up") {
		r.readLog(id, true, 3)
	}
	return id
}

// readLog reads n bytes of a log, all of it for n < 0.
func (r *rig) readLog(id string, follow bool, n int64) string {
	r.t.Helper()
	rc, err := r.Logs(r.ctx, id, engine.LogOptions{Follow: follow, Tail: -1})
	r.must(err)
	defer rc.Close()
	var b bytes.Buffer
	if n < 0 {
		_, err = io.Copy(&b, rc)
	} else {
		_, err = io.CopyN(&b, rc, n)
	}
	r.must(err)
	return b.String()
}

func (r *rig) inspect(id string) engine.Container {
	r.t.Helper()
	c, err := r.InspectContainer(r.ctx, id)
	r.must(err)
	return c
}

// until waits for a container to be in a state.
func (r *rig) until(id, state string) engine.Container {
	r.t.Helper()
	for {
		c := r.inspect(id)
		if c.State == state {
			return c
		}
		r.pause(20 * time.Millisecond)
	}
}

func (r *rig) pause(d time.Duration) {
	r.t.Helper()
	select {
	case <-time.After(d):
	case <-r.ctx.Done():
		r.t.Fatal("gave up waiting")
	}
}

// class names an error by what a caller can tell of it.
func class(err error) string {
	var out []string
	for name, is := range map[string]func(error) bool{
		"notfound": engine.IsNotFound, "conflict": engine.IsConflict, "port": engine.IsPortTaken, "overlap": engine.IsOverlap,
		"unavailable": engine.IsUnavailable, "invalid": errdefs.IsInvalidArgument, "forbidden": errdefs.IsPermissionDenied,
		"notstarted": func(e error) bool { return errors.Is(e, engine.ErrExecNotStarted) },
		"timeout":    func(e error) bool { return errors.Is(e, engine.ErrExecTimeout) },
		"deadline":   func(e error) bool { return errors.Is(e, context.DeadlineExceeded) },
		"old":        func(e error) bool { return errors.Is(e, engine.ErrUnsupported) },
	} {
		if err != nil && is(err) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	switch {
	case err == nil:
		return "none"
	case len(out) == 0:
		return "other"
	}
	return strings.Join(out, "+")
}

// wants fails the test if err is not of the class.
func (r *rig) wants(want string, err error) {
	r.t.Helper()
	if got := class(err); got != want {
		r.t.Errorf("error class %q, want %q: %v", got, want, err)
	}
}

func (r *rig) same(what string, got, want any) {
	r.t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); d != "" {
		r.t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// network makes the test's network; another test may have the same subnet at the moment.
func (r *rig) network() string {
	r.t.Helper()
	name := r.name + "-net"
	r.createNetwork(engine.NetworkSpec{Name: name, Subnet: r.subnet, IPRange: r.ipRange, Labels: r.labels()})
	return name
}

func (r *rig) createNetwork(spec engine.NetworkSpec) {
	r.t.Helper()
	for {
		_, err := r.CreateNetwork(r.ctx, spec)
		if !engine.IsOverlap(err) {
			r.must(err)
			return
		}
		r.pause(50 * time.Millisecond) // another test has it at the moment
	}
}

// tarOf packs names and contents; a name that ends with a slash is a directory.
func tarOf(t *testing.T, files ...string) io.Reader {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		h := &tar.Header{Name: files[i], Mode: 0o640, Size: int64(len(files[i+1])), ModTime: time.Unix(1e9, 0), Typeflag: tar.TypeReg}
		if strings.HasSuffix(files[i], "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// untar lists a tar as "name: content".
func untar(t *testing.T, r io.Reader) []string {
	t.Helper()
	var out []string
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s %o: %s", h.Name, h.Mode&0o777, b))
	}
}
