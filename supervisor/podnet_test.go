package supervisor

import (
	"context"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services"
)

// TestPodsArePutBackIntoTheNetwork: the network was removed, or a container was disconnected from it. What runs is put back
// under its address, and nothing is started anew.
func TestPodsArePutBackIntoTheNetwork(t *testing.T) {
	onRig(t, starting(t), func(r *rig) {
		ctx, stop := context.WithCancel(r.t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.s.podnet.Run(ctx) }()
		defer func() { stop(); <-ended }()
		all, err := r.ListContainers(ctx, map[string]string{services.ProjectLabel: "s"})
		if err != nil || len(all) != 4 {
			t.Fatalf("%d containers, %v", len(all), err)
		}
		name := r.s.podnet.Name()
		before := len(r.Calls("StartContainer", "RemoveContainer"))
		for _, removed := range []bool{false, true} {
			for _, c := range all {
				if err := r.DisconnectNetwork(ctx, name, c.ID); err != nil {
					t.Fatal(err)
				}
			}
			if removed {
				if err := r.RemoveNetwork(ctx, name); err != nil {
					t.Fatal(err)
				}
			}
			r.pass(20 * time.Second)
			for _, was := range all {
				now, err := r.InspectContainer(ctx, was.ID)
				if at := was.IPs[name]; err != nil || !at.IsValid() || now.IPs[name] != at {
					t.Errorf("network removed: %v: %s has address %v, had %s (%v)", removed, was.Name, now.IPs, at, err)
				}
			}
		}
		if n := len(r.Calls("StartContainer", "RemoveContainer")); n != before {
			t.Errorf("%d containers were started or removed", n-before)
		}
	})
}
