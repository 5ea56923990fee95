package podnet

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// rejoinEvery is after how many looks containers outside the network are looked for although nobody seems to have left it:
// one may have been connected and disconnected between two looks.
const rejoinEvery = 12

// members are the containers in the network.
type members struct {
	ids map[string]bool
	// looks counts those since containers outside were looked for last; 0 makes the next look do so.
	looks int
}

// left says, given who is in the network now, that someone has left it since the last look, or that nobody looked.
func (m *members) left(now []string) bool {
	ids := make(map[string]bool, len(now))
	for _, id := range now {
		ids[id] = true
	}
	before := m.ids
	m.ids = ids
	for id := range before {
		if !ids[id] {
			return true
		}
	}
	return m.looks == 0
}

// memberLoop looks every checkEvery until ctx ends. It is beside the pushes, which must not wait for it.
func (n *Network) memberLoop(ctx context.Context) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			n.checkMembers(ctx)
		}
	}
}

// checkMembers puts back what was disconnected from the network (docker network disconnect) while it runs: containers of pods
// under the addresses they had; the agent is made again. A container that leaves because it ended is seen in the same way,
// and left alone. A look costs one list of networks; containers are listed only when one has left. The engine's events of
// containers do not tell of any of this.
func (n *Network) checkMembers(ctx context.Context) {
	n.mu.Lock()
	up := n.pods != nil && n.home != ""
	n.mu.Unlock()
	if !up || !n.changing.TryLock() {
		return // the network is being made; the next look will do
	}
	defer n.changing.Unlock()
	n.checkShared(ctx)
	found, err := n.find(ctx)
	if err != nil || found == nil {
		return // the push that fails next makes it again
	}
	if !n.members.left(found.Containers) {
		n.members.looks = (n.members.looks + 1) % rejoinEvery
		return
	}
	n.members.looks = 1
	pods, err := n.cfg.Rejoin(ctx)
	for _, pod := range pods {
		n.log.Warn("a pod was disconnected from the network; it was connected again", "pod", pod, "network", n.homeName())
		n.cfg.Event("Pod", pod, corev1.EventTypeWarning, "NetworkRestored",
			fmt.Sprintf("the pod had been disconnected from network %s; it was connected again under its address", n.homeName()))
	}
	if err == nil {
		err = n.checkAgent(ctx)
	}
	if err != nil {
		n.members.looks = 0 // again at the next look
		n.log.Warn("cannot put everything back into the network", "network", n.homeName(), "error", err)
	}
}

// checkAgent makes an agent that is not in the network again, and has the latest table pushed to it. Called with changing held.
func (n *Network) checkAgent(ctx context.Context) error {
	if n.withoutAgent() {
		return nil
	}
	c, err := n.findAgent(ctx)
	if err != nil || c == nil || c.State != engine.StateRunning || n.inside(c) {
		return err
	}
	err = n.reviveAgent(ctx)
	n.setTrouble(err)
	n.Look()
	return err
}
