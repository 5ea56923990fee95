package mariadb

import (
	"fmt"
	"strings"
)

// Election is who the master is, and why.
type Election struct {
	// Master is "" when it cannot be said; Problem then tells why and what to do.
	Master  string
	Reason  string
	Problem string
	// Recorded is the topology that decided, zero when the declaration did.
	Recorded Topology
}

// elect decides who is master. A recorded promotion overrides the declaration: the record is in the data itself
// (Topology), the highest epoch among the servers seen wins, and what was seen before counts as long as the server it names
// does not show otherwise. Without any record the declared master is it. Two declared masters are never guessed between.
func elect(f *Facts) Election {
	if t := latest(f); t.Epoch > 0 {
		if f.Server(t.Master) != nil {
			return Election{Master: t.Master, Recorded: t}
		}
		return Election{
			Reason: "MasterGone", Recorded: t,
			Problem: fmt.Sprintf("the master is %s since its promotion, which is not part of this stack now: bring it back and "+
				"run 'lyandev mariadb switchback', or accept what this server holds with 'lyandev mariadb promote --force'", t.Master),
		}
	}
	var masters, unknown []string
	for _, s := range f.Servers {
		switch s.Declared {
		case Master:
			masters = append(masters, s.Pod)
		case Slave:
		default:
			unknown = append(unknown, s.Pod)
		}
	}
	if len(masters) == 0 {
		masters = unknown
	}
	switch {
	case len(masters) == 1:
		return Election{Master: masters[0]}
	case len(masters) == 0:
		return Election{
			Reason:  "NoMaster",
			Problem: "no workload is declared as master: set x-lyandev.options role: master on one of them",
		}
	}
	return Election{
		Reason: "TwoMasters",
		Problem: fmt.Sprintf("%s are all declared as master: set x-lyandev.options role: slave on all but one",
			strings.Join(masters, " and ")),
	}
}

// latest is the topology with the highest epoch.
func latest(f *Facts) Topology {
	var best Topology
	for _, s := range f.Servers {
		if s.Reached && s.Topology.Epoch > best.Epoch {
			best = s.Topology
		}
	}
	if r := f.Remembered; r.Epoch > best.Epoch {
		named := f.Server(r.Master)
		if named != nil && !named.Reached {
			return r
		}
	}
	return best
}
