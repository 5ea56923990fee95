package redis

import (
	"context"

	"github.com/lyandev/lyandev/services"
)

// Status is the state of a stack's Redis as printed by `lyandev redis status`.
type Status struct {
	Right   bool            `json:"right"`
	Message string          `json:"message"`
	Master  string          `json:"master,omitempty"`
	Address string          `json:"address,omitempty"`
	Agreed  bool            `json:"agreed"`
	Group   string          `json:"group,omitempty"`
	Quorum  int             `json:"quorum,omitempty"`
	Servers []ServerStatus  `json:"servers"`
	Watch   []WatcherStatus `json:"sentinels,omitempty"`
}

// ServerStatus is the state of one server.
type ServerStatus struct {
	Pod     string `json:"pod"`
	Address string `json:"address"`
	Role    string `json:"role,omitempty"`
	Right   bool   `json:"right"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	Follows string `json:"follows,omitempty"`
	Link    bool   `json:"linkUp"`
	Keys    int64  `json:"keys"`
	Offset  int64  `json:"offset"`
	// Behind is how many bytes of the master's replication stream it lacks.
	Behind  int64  `json:"behind"`
	AOF     bool   `json:"aof"`
	Version string `json:"version,omitempty"`
}

// WatcherStatus is the state of one sentinel.
type WatcherStatus struct {
	Pod      string   `json:"pod"`
	Address  string   `json:"address"`
	Right    bool     `json:"right"`
	Reason   string   `json:"reason,omitempty"`
	Message  string   `json:"message,omitempty"`
	Names    string   `json:"names,omitempty"`
	Check    string   `json:"ckquorum,omitempty"`
	Replicas int      `json:"replicas"`
	Others   int      `json:"sentinels"`
	Ghosts   []string `json:"ghosts,omitempty"`
}

// Status observes once and changes nothing. It blocks until each process has answered or timed out.
func (o *Operator) Status(ctx context.Context, view services.View) (Status, error) {
	o.turn.Do(o.init)
	r := newRound(view)
	defer r.close()
	if err := o.look(ctx, r); err != nil {
		return Status{}, err
	}
	return statusOf(&r.facts), nil
}

func statusOf(f *Facts) Status {
	v, e := Judge(f), elect(f)
	out := Status{Right: v.Right, Message: v.Message, Agreed: e.Agreed}
	if e.Master != nil {
		out.Master, out.Address = e.Master.Pod, e.Master.At.String()
	}
	for _, s := range f.Servers {
		line := ServerStatus{
			Pod: s.Pod, Address: s.At.String(), Role: string(s.Role), Link: s.LinkUp, Keys: s.Keys, Offset: s.Offset, AOF: s.AOF,
			Version: s.Version,
		}
		line.Reason, line.Message = judgeServer(e, s)
		line.Right = line.Reason == ""
		if s.Role == Replica {
			line.Follows = s.Follows.String()
			if e.Master != nil && e.Master.Reached {
				line.Behind = max(0, e.Master.Offset-s.Offset)
			}
		}
		out.Servers = append(out.Servers, line)
	}
	if len(f.Sentinels) > 0 {
		out.Group, out.Quorum = f.Settings.Group, f.Settings.Quorum
	}
	for _, s := range f.Sentinels {
		line := WatcherStatus{
			Pod: s.Pod, Address: s.At.String(), Check: s.Check, Replicas: len(s.Replicas), Others: len(s.Peers), Ghosts: ghosts(f, s),
		}
		if s.Known {
			line.Names = s.Master.String()
		}
		line.Reason, line.Message = judgeSentinel(f, e, s)
		line.Right = line.Reason == ""
		out.Watch = append(out.Watch, line)
	}
	return out
}
