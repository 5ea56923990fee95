package podnet

import (
	"slices"
	"testing"

	"github.com/lyandev/lyandev/supervisor/agent"
)

func TestDatapathIsTold(t *testing.T) {
	r := newRig(t, t.TempDir())
	if got, _ := r.n.Datapath(); got != "" {
		t.Errorf("before anything was said: %q", got)
	}
	r.n.noteHealth(agent.Health{Datapath: agent.DatapathUserland, Fallback: "no nftables"})
	changes := r.changed()
	r.n.noteHealth(agent.Health{Datapath: agent.DatapathUserland, Fallback: "no nftables"})
	if name, fallback := r.n.Datapath(); name != "userland" || fallback != "no nftables" || r.changed() != changes || changes == 0 {
		t.Errorf("%q, %q, told %d and then %d times", name, fallback, changes, r.changed())
	}
}

// TestAgentIsReplacedForAnotherDatapath: one that runs has the data path that it was made with.
func TestAgentIsReplacedForAnotherDatapath(t *testing.T) {
	onRig(t, func(r *rig) {
		before := r.agent().ID
		if err := r.n.Ensure(r.t.Context(), Everything(), false); err != nil || r.agent().ID != before {
			r.t.Fatalf("the agent was replaced without a reason, or %v", err)
		}
		r.n.cfg.Datapath = agent.DatapathUserland
		if err := r.n.Ensure(r.t.Context(), Everything(), false); err != nil {
			r.t.Fatal(err)
		}
		now := r.agent()
		if now.ID == before || !slices.Contains(now.Env, "LYANDEV_AGENT_DATAPATH=userland") {
			r.t.Errorf("the agent is %s as before (%s), told %q", now.ID, before, now.Env)
		}
	})
}
