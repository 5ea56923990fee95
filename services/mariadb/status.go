package mariadb

import (
	"context"
	"time"

	"github.com/lyandev/lyandev/services"
)

// Status is the state of a stack's MariaDB as printed by `lyandev mariadb status`.
type Status struct {
	Right   bool           `json:"right"`
	Message string         `json:"message"`
	Master  string         `json:"master,omitempty"`
	Epoch   uint64         `json:"epoch"`
	Servers []ServerStatus `json:"servers"`
}

// ServerStatus is the state of one server.
type ServerStatus struct {
	Pod        string `json:"pod"`
	Role       string `json:"role,omitempty"`
	Declared   string `json:"declared,omitempty"`
	Address    string `json:"address,omitempty"`
	Right      bool   `json:"right"`
	Reason     string `json:"reason,omitempty"`
	Message    string `json:"message,omitempty"`
	Version    string `json:"version,omitempty"`
	ServerID   uint32 `json:"serverID,omitempty"`
	ReadOnly   bool   `json:"readOnly"`
	GTID       string `json:"gtid,omitempty"`
	IO         string `json:"io,omitempty"`
	SQL        string `json:"sql,omitempty"`
	LagSeconds string `json:"lag,omitempty"`
	Behind     uint64 `json:"behind"`
	Seeding    string `json:"seeding,omitempty"`
}

// Status observes once and changes nothing but the heartbeat row. It blocks until each server has answered or timed out.
func (o *Operator) Status(ctx context.Context, view services.View) (Status, error) {
	r := o.newRound(view)
	defer r.close()
	if err := o.look(ctx, r); err != nil {
		return Status{}, err
	}
	return statusOf(&r.facts), nil
}

func statusOf(f *Facts) Status {
	v, e := Judge(f), elect(f)
	out := Status{Right: v.Right, Message: v.Message, Master: e.Master, Epoch: latest(f).Epoch}
	m := f.Server(e.Master)
	for _, s := range f.Servers {
		pv := v.Pods[s.Pod]
		line := ServerStatus{
			Pod: s.Pod, Role: pv.Role, Declared: string(s.Declared), Address: s.Host, Right: pv.Right, Reason: pv.Reason,
			Message: pv.Message, Version: s.Version, ServerID: s.ServerID, ReadOnly: s.ReadOnly, GTID: s.Position().String(),
			Seeding: s.Job.Progress,
		}
		if len(s.Channels) > 0 {
			line.IO, line.SQL = s.Channels[0].IO, s.Channels[0].SQL
		}
		if m != nil && s != m && s.Reached && m.Reached {
			line.Behind = s.Position().Behind(m.BinlogPos)
			if s.Beat.Seen {
				line.LagSeconds = s.Beat.Lag.Round(time.Millisecond).String()
			}
		}
		out.Servers = append(out.Servers, line)
	}
	return out
}
