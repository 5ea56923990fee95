package podnet

import "github.com/lyandev/lyandev/supervisor/agent"

// datapathLabel is on an agent that was told its data path (Config.Datapath): that data path.
const datapathLabel = "dev.lyandev.datapath"

// datapath is what an agent says of how it forwards connections.
type datapath struct{ name, fallback string }

// noteHealth takes what an agent says of itself.
func (n *Network) noteHealth(h agent.Health) {
	n.noteDatapath(h)
	n.noteWaiting(h)
}

func (n *Network) noteDatapath(h agent.Health) {
	now := datapath{h.Datapath, h.Fallback}
	n.mu.Lock()
	same := n.datapath == now
	n.datapath = now
	n.mu.Unlock()
	if !same {
		n.cfg.Changed()
	}
}

// Datapath is what the agent last said of how connections reach endpoints: agent.DatapathNFTables, or agent.DatapathUserland and
// why that is the fallback. It is "" while it has said nothing, or there is no agent.
func (n *Network) Datapath() (name, fallback string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.agentless {
		return "", ""
	}
	return n.datapath.name, n.datapath.fallback
}
