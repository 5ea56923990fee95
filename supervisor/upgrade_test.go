package supervisor

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/prepare"
	"github.com/lyandev/lyandev/supervisor/selfimage"
	"github.com/lyandev/lyandev/supervisor/state"
)

// leftRunning is what an earlier version of lyandev left on the engine when its supervisor was killed: testdata/upgrade has
// recordings of it, each beside the files that were in the instance's directory then.
type leftRunning struct {
	Version string    `json:"version"`
	Started time.Time `json:"started"` // when the last container was started
	Network struct {
		Name    string            `json:"name"`
		Subnet  netip.Prefix      `json:"subnet"`
		IPRange netip.Prefix      `json:"ipRange"`
		Gateway netip.Addr        `json:"gateway"`
		Labels  map[string]string `json:"labels"`
	} `json:"network"`
	Containers []struct {
		Name             string            `json:"name"`
		Image            string            `json:"image"`
		Labels           map[string]string `json:"labels"`
		IP               netip.Addr        `json:"ip"`
		NetworkContainer string            `json:"networkContainer"`
		Exited           bool              `json:"exited"`
		ExitCode         int               `json:"exitCode"`
	} `json:"containers"`
}

// readRecording reads a recording, and the pods that its agent called ready.
func readRecording(t *testing.T, dir string) (left leftRunning, ready *agent.Table) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "engine.json"))
	if err == nil {
		err = json.Unmarshal(b, &left)
	}
	if err != nil {
		t.Fatal(err)
	}
	ready = &agent.Table{}
	seen := map[string]bool{}
	for _, c := range left.Containers {
		uid := c.Labels[services.PodUIDLabel]
		if uid != "" && !c.Exited && !seen[uid] {
			seen[uid] = true
			ready.Pods = append(ready.Pods, agent.Pod{Name: c.Labels[services.PodLabel], UID: uid, Ready: true})
		}
	}
	return left, ready
}

// prune forgets the containers that had ended.
func (l *leftRunning) prune() {
	for i := len(l.Containers) - 1; i >= 0; i-- {
		if l.Containers[i].Exited {
			l.Containers = slices.Delete(l.Containers, i, i+1)
		}
	}
}

// onUpgraded puts a recording on a fake engine, without the containers that had ended if pruned is true, lets a supervisor of this version take over, and runs its parts during the test.
func onUpgraded(t *testing.T, dir string, pruned bool, test func(r *rig)) {
	t.Helper()
	left, ready := readRecording(t, dir)
	if pruned {
		left.prune()
	}
	at := tableServer(t, ready)
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(left.Started))
		r := &rig{Engine: enginefake.New(), t: t}
		project := left.Network.Labels[services.ProjectLabel]
		i, err := (&instance.Registry{Root: root}).Resolve(t.Context(), project, root, project)
		if err == nil {
			err = i.Save()
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{savedStack, savedSwitch, podStateFile, "addresses.json"} {
			if b, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
				if err := instance.WriteFile(i.File(name), b); err != nil {
					t.Fatal(err)
				}
			}
		}
		r.putBack(&left, at)
		r.pass(time.Minute)
		r.s = New(Config{Instance: i, Engine: r.Engine, Log: slog.New(slog.DiscardHandler)})
		if err := r.s.adopt(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		switched := make(chan error, 1)
		go func() { switched <- r.s.switcher.Run(ctx) }()
		r.follow(r.s, func() { test(r) })
		cancel()
		<-switched
	})
}

// putBack makes the network and the containers of a recording. The agent's control port is at an address.
func (r *rig) putBack(left *leftRunning, at netip.AddrPort) {
	r.t.Helper()
	r.On("*", enginefake.Script{Exec: enginefake.Succeed})
	n := left.Network
	if _, err := r.CreateNetwork(r.t.Context(), engine.NetworkSpec{
		Name: n.Name, Subnet: n.Subnet, IPRange: n.IPRange, Gateway: n.Gateway, Labels: n.Labels,
	}); err != nil {
		r.t.Fatal(err)
	}
	for _, c := range left.Containers {
		if _, err := r.InspectImage(r.t.Context(), c.Image); err != nil {
			r.AddImage(c.Image, enginefake.Image{})
		}
		spec := engine.ContainerSpec{Name: c.Name, Image: c.Image, Labels: maps.Clone(c.Labels), NetworkContainer: c.NetworkContainer, IP: c.IP}
		if c.NetworkContainer == "" {
			spec.Network = n.Name
		}
		if c.Labels[selfimage.KindLabel] == "agent" {
			spec.Publish = []engine.PortBinding{{HostIP: at.Addr(), HostPort: at.Port(), ContainerPort: agent.ControlPort}}
		}
		id, err := r.CreateContainer(r.t.Context(), spec)
		if err == nil {
			err = r.StartContainer(r.t.Context(), id)
		}
		if err != nil {
			r.t.Fatal(err)
		}
		if c.Exited {
			r.Exit(id, c.ExitCode)
		}
	}
}

// changes are the calls since n calls that changed containers of other pods than the named one.
func (r *rig) changes(n int, but string) []enginefake.Call {
	var out []enginefake.Call
	for _, c := range r.changing()[n:] {
		if but == "" || !strings.Contains(c.Object, but) {
			out = append(out, c)
		}
	}
	return out
}

func (r *rig) changing() []enginefake.Call {
	return r.Calls("CreateContainer", "StartContainer", "StopContainer", "KillContainer", "RemoveContainer", "RenameContainer", "CreateNetwork",
		"RemoveNetwork", "DisconnectNetwork", "ConnectNetwork")
}

// restarts are the restart counts of the pods' first containers, and whether the pods are ready, by workload.
func restarts(snap *state.Status) (counts map[string]int32, ready map[string]int) {
	counts, ready = map[string]int32{}, map[string]int{}
	for _, p := range snap.Pods {
		w := p.Labels[services.WorkloadLabel]
		counts[w] += p.Status.ContainerStatuses[0].RestartCount
		if isReady(p) {
			ready[w]++
		}
	}
	return counts, ready
}

// TestUpgrade: a stack of every kind that an earlier version runs is taken over as it is: ready at once, the same counters, and
// nothing is made, started or stopped, not even when the stack is applied again. It makes no difference whether somebody removed
// the containers that had ended: a Job does not run again.
func TestUpgrade(t *testing.T) {
	for _, pruned := range []bool{false, true} {
		onUpgraded(t, "testdata/upgrade/ready", pruned, wantUpgraded)
	}
}

// wantUpgraded checks what TestUpgrade says.
func wantUpgraded(r *rig) {
	before := len(r.changing())
	synctest.Wait()
	snap := r.phase(state.Ready)
	for range 2 { // the second time after an apply
		counts, ready := restarts(snap)
		if want := map[string]int32{"db": 1, "migrate": 0, "pair": 0, "web": 0}; !maps.Equal(counts, want) {
			r.t.Errorf("restarts are %v, want %v", counts, want)
		}
		if want := map[string]int{"db": 1, "pair": 1, "web": 2}; !maps.Equal(ready, want) {
			r.t.Errorf("ready pods are %v, want %v", ready, want)
		}
		stack, err := ask(r.t.Context(), r.s, "test", func() (*services.Stack, error) { return r.s.cluster.WithoutRestarts(), nil })
		if err != nil {
			r.t.Fatal(err)
		}
		if stack, err = prepare.Stack(stack, stack.Name, nil); err != nil {
			r.t.Fatal(err)
		}
		if _, err := ask(r.t.Context(), r.s, "apply", func() (uint64, error) { return r.s.takeApplied(stack) }); err != nil {
			r.t.Fatal(err)
		}
		r.pass(time.Minute)
		snap = r.phase(state.Ready)
	}
	if got := r.changes(before, ""); len(got) != 0 {
		r.t.Errorf("the upgrade did %v", got)
	}
	if snap.Applied != 2 || len(snap.Workloads) != 5 {
		r.t.Errorf("applied %d times, %d workloads", snap.Applied, len(snap.Workloads))
	}
}

// TestUpgradeDuringASwitch: the switch of profiles that an earlier version had begun goes on to its end. What both profiles have
// is left alone.
func TestUpgradeDuringASwitch(t *testing.T) {
	onUpgraded(t, "testdata/upgrade/switching", false, func(r *rig) {
		before := len(r.changing())
		synctest.Wait()
		if s := r.s.switcher.Latest(); s == nil || s.From != "small" || s.To != "big" || s.Phase != state.SwitchGoing {
			t.Fatalf("the switch is %+v", s)
		}
		ctx, cancel := context.WithCancel(r.t.Context())
		pushed := make(chan error, 1)
		go func() { pushed <- r.s.podnet.Run(ctx) }() // a pod is ended when a push was tried
		r.pass(time.Minute)
		cancel()
		<-pushed
		if s := r.s.switcher.Latest(); s.Phase != state.SwitchDone {
			t.Errorf("the switch is %+v", s)
		}
		snap := r.phase(state.Ready)
		if snap.Profile != "big" || snap.Pod("old") != nil || snap.Pod("extra-0") == nil || len(snap.Pods) != 6 {
			t.Errorf("profile %s with %d pods", snap.Profile, len(snap.Pods))
		}
		if got := r.changes(before, "rstsw-old-"); len(got) != 0 {
			t.Errorf("the upgrade did %v", got)
		}
		if _, err := os.Stat(r.s.cfg.Instance.File(savedSwitch)); err == nil {
			t.Error("the switch is still saved")
		}
	})
}
