package supervisor

import (
	"log/slog"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/state"
)

// TestANetworkThatWasRemovedIsMadeAgain: what runs is put back into it with its address, and nothing is started anew.
func TestANetworkThatWasRemovedIsMadeAgain(t *testing.T) {
	onRig(t, starting(t), func(r *rig) {
		ctx, f := r.t.Context(), r.s.fabric
		if err := f.restoreNetwork(ctx); err != nil {
			t.Fatal(err)
		}
		if n := len(r.Calls("CreateNetwork")); n != 1 {
			t.Fatalf("%d networks were made though there was one", n-1)
		}
		before := len(r.Calls("StartContainer", "RemoveContainer"))
		all, err := r.ListContainers(ctx, map[string]string{services.ProjectLabel: "s"})
		if err != nil || len(all) != 4 {
			t.Fatalf("%d containers, %v", len(all), err)
		}
		for _, c := range all {
			if err := r.DisconnectNetwork(ctx, f.networkName(), c.ID); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.RemoveNetwork(ctx, f.networkName()); err != nil {
			t.Fatal(err)
		}
		if err := f.restoreNetwork(ctx); err != nil {
			t.Fatal(err)
		}
		for _, was := range all {
			now, err := r.InspectContainer(ctx, was.ID)
			if at := was.IPs[f.networkName()]; err != nil || !at.IsValid() || now.IPs[f.networkName()] != at {
				t.Errorf("%s has address %v, had %s (%v)", was.Name, now.IPs, at, err)
			}
		}
		if n := len(r.Calls("StartContainer", "RemoveContainer")); n != before {
			t.Errorf("%d containers were started or removed", n-before)
		}
		r.pass(10 * time.Second)
		r.phase(state.Ready)
	})
}

// TestApplyKeepsTheAddressesInUse: a second Apply finds the network as it is; the pods that run keep their addresses, and a new
// pod gets none of them.
func TestApplyKeepsTheAddressesInUse(t *testing.T) {
	onRig(t, starting(t), func(r *rig) {
		f := r.s.fabric
		same, err := network.LayoutOf(f.layout.Subnet)
		if err != nil {
			t.Fatal(err)
		}
		first, err := network.NewAllocator(same.Pods).Allocate("new-0")
		if err != nil {
			t.Fatal(err)
		}
		f.adoptPod("running-0", first.String())
		if made, err := f.ensureNetwork(r.t.Context()); err != nil || made {
			t.Fatalf("made %v, %v", made, err)
		}
		if got, err := f.podIP("new-0"); err != nil || got == first {
			t.Errorf("a new pod gets %s, %v: pod running-0 has that address", got, err)
		}
		if got, err := f.podIP("running-0"); err != nil || got != first {
			t.Errorf("pod running-0 has %s now, %v; it had %s", got, err, first)
		}
	})
}

// TestTheNetworkIsMadeInTheSubnetThatItHad: addresses stay what they were after everything was pruned.
func TestTheNetworkIsMadeInTheSubnetThatItHad(t *testing.T) {
	root := t.TempDir()
	i, err := (&instance.Registry{Root: root}).Resolve(t.Context(), "s", root, "s")
	if err != nil {
		t.Fatal(err)
	}
	subnet := "203.0.112.0/22" // of no machine that this runs on
	if err := os.MkdirAll(i.Home(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(i.File("addresses.json"), []byte(`{"pods": {"db-0": "203.0.112.77"}, "subnet": "`+subnet+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := New(Config{Instance: i, Engine: enginefake.New(), Log: slog.New(slog.DiscardHandler)})
	made, err := s.fabric.ensureNetwork(t.Context())
	if err != nil || !made || s.fabric.layout.Subnet.String() != subnet {
		t.Errorf("made %v in %s, %v", made, s.fabric.layout.Subnet, err)
	}
	if a, err := s.fabric.podIP("db-0"); err != nil || a != netip.MustParseAddr("203.0.112.77") {
		t.Errorf("db-0 has %s, %v", a, err)
	}
	if made, err := s.fabric.ensureNetwork(t.Context()); err != nil || made {
		t.Errorf("made again: %v, %v", made, err)
	}
}
