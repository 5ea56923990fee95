package podnet

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// TestTheAgentIsBroughtBack: whatever happened to it, an agent serves the latest table again, and the client of the old one is closed.
func TestTheAgentIsBroughtBack(t *testing.T) {
	const outside = "Node  Warning AgentDisconnected"
	cases := []struct {
		name   string
		harm   func(r *rig) error
		events []string
	}{
		{"removed", func(r *rig) error { return r.RemoveContainer(r.t.Context(), r.agent().ID) }, nil},
		{"stopped", func(r *rig) error { return r.StopContainer(r.t.Context(), r.agent().ID, "", 0) }, nil},
		{"disconnected", func(r *rig) error { return r.DisconnectNetwork(r.t.Context(), r.n.Name(), r.agent().ID) }, []string{outside}},
		{"its network removed", func(r *rig) error {
			return errors.Join(r.DisconnectNetwork(r.t.Context(), r.n.Name(), r.agent().ID), r.RemoveNetwork(r.t.Context(), r.n.Name()))
		}, []string{"Node  Warning NetworkRestored"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			onRig(t, func(r *rig) {
				r.n.Offer(view("web-0"))
				r.pass(time.Second)
				layout := r.n.layout
				before, _ := r.pushed()
				if err := c.harm(r); err != nil {
					t.Fatal(err)
				}
				r.pass(3 * checkEvery)
				a := r.agent()
				if a.State != engine.StateRunning || a.IPs[r.n.Name()] != layout.Agent {
					t.Errorf("the agent is %s at %v", a.State, a.IPs)
				}
				if n, pods := r.pushed(); n == before || !slices.Equal(pods, []string{"web-0"}) {
					t.Errorf("%d more tables, the last with %v", n-before, pods)
				}
				if r.n.layout != layout {
					t.Errorf("the subnet is %s, was %s", r.n.layout.Subnet, layout.Subnet)
				}
				r.wantEvents(c.events...)
				if open := r.open(); open != 1 {
					t.Errorf("%d clients are open", open)
				}
				if got := r.n.Trouble(); got != "" {
					t.Errorf("trouble: %s", got)
				}
			})
		})
	}
}

// TestTheAgentMadeAgainByTheLookAtMembersGetsTheTable: when that look is the first to notice, no push fails, so it has to ask
// for one itself. Nobody has to offer the table again.
func TestTheAgentMadeAgainByTheLookAtMembersGetsTheTable(t *testing.T) {
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root)
		if err := r.n.Ensure(t.Context(), publishing(), false); err != nil {
			t.Fatal(err)
		}
		r.n.Offer(view("web-0"))
		<-r.n.wake
		if err := r.n.pushOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := r.DisconnectNetwork(t.Context(), r.n.Name(), r.agent().ID); err != nil {
			t.Fatal(err)
		}
		r.n.checkMembers(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.n.Run(ctx) }()
		r.pass(time.Second)
		if n, pods := r.pushed(); n != 2 || !slices.Equal(pods, []string{"web-0"}) {
			t.Errorf("%d tables, the last with %v", n, pods)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run ended with %v", err)
		}
	})
}

// TestADisconnectedPodIsConnectedAgain under its address, with an event that says so; a pod that ends is left alone, and so
// are containers that the network was never asked to hold.
func TestADisconnectedPodIsConnectedAgain(t *testing.T) {
	onRig(t, func(r *rig) {
		web, ended := r.run("web-0"), r.run("job-0")
		other, err := r.CreateContainer(r.t.Context(), engine.ContainerSpec{Name: "other", Image: "img:1"})
		if err != nil {
			t.Fatal(err)
		}
		r.pass(2 * checkEvery)
		r.wantEvents()
		ip := r.n.pods.Held()["web-0"]
		lists := len(r.Calls("ListContainers"))
		r.pass(5 * checkEvery)
		if n := len(r.Calls("ListContainers")) - lists; n != 5 { // the rig's own client lists once a question
			t.Errorf("containers were listed %d times although nothing happened", n)
		}
		if err := r.DisconnectNetwork(r.t.Context(), r.n.Name(), web); err != nil {
			t.Fatal(err)
		}
		r.Exit(ended, 0)
		r.pass(checkEvery)
		c, err := r.InspectContainer(r.t.Context(), web)
		if err != nil || c.IPs[r.n.Name()] != ip {
			t.Errorf("web-0 has %v, want %s (%v)", c.IPs, ip, err)
		}
		if c, err = r.InspectContainer(r.t.Context(), other); err != nil || len(c.IPs) > 1 {
			t.Errorf("a container of somebody else has %v (%v)", c.IPs, err)
		}
		r.pass(3 * checkEvery)
		r.wantEvents("Pod web-0 Warning NetworkRestored")
	})
}

// TestWhatWasDisconnectedEarlierIsFound: before this supervisor was there, or between two looks.
func TestWhatWasDisconnectedEarlierIsFound(t *testing.T) {
	onRig(t, func(r *rig) {
		r.pass(2 * checkEvery)
		web := r.run("web-0")
		if err := r.DisconnectNetwork(r.t.Context(), r.n.Name(), web); err != nil {
			t.Fatal(err)
		}
		r.pass((rejoinEvery + 1) * checkEvery)
		r.wantEvents("Pod web-0 Warning NetworkRestored")
	})
}

// TestAReconnectThatFailsIsTriedAgain at the next look.
func TestAReconnectThatFailsIsTriedAgain(t *testing.T) {
	onRig(t, func(r *rig) {
		web := r.run("web-0")
		r.pass(2 * checkEvery)
		rejoin, fails := r.n.cfg.Rejoin, 2
		r.n.cfg.Rejoin = func(ctx context.Context) ([]string, error) {
			if fails--; fails >= 0 {
				return nil, errors.New("not now")
			}
			return rejoin(ctx)
		}
		if err := r.DisconnectNetwork(r.t.Context(), r.n.Name(), web); err != nil {
			t.Fatal(err)
		}
		r.pass(3*checkEvery + time.Second)
		r.wantEvents("Pod web-0 Warning NetworkRestored")
	})
}

// TestAPortThatIsTakenIsTrouble: people are told why the agent cannot come back, and that it has.
func TestAPortThatIsTakenIsTrouble(t *testing.T) {
	onRig(t, func(r *rig) {
		busyPort := busy(t)
		r.n.wanted = append(r.n.wanted, published(busyPort))
		if err := r.RemoveContainer(r.t.Context(), r.agent().ID); err != nil {
			t.Fatal(err)
		}
		changes := r.changed()
		r.pass(2 * checkEvery)
		if got := r.n.Trouble(); !strings.Contains(got, "does not run") || !strings.Contains(got, "in use") {
			t.Errorf("trouble is %q", got)
		}
		if r.changed() == changes {
			t.Error("the loop is not told")
		}
	})
}
