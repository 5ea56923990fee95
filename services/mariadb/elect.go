package mariadb

import (
	"fmt"
	"strings"
)

// Election is the decision which server is the master.
type Election struct {
	// Master is "" if there is no decision; Problem then explains why and what to do.
	Master  string
	Reason  string
	Problem string
	// Recorded is the recorded topology that decided, zero if the declaration did.
	Recorded Topology
}

// elect decides which server is the master. A recorded promotion (Topology, stored in the data) overrides the declaration; the
// highest epoch wins, and a record seen earlier counts until the server that it names shows a different one. Without a record
// the declared master is elected. If two are declared, there is no decision.
func elect(f *Facts) Election {
	if t := latest(f); t.Epoch > 0 {
		if f.Server(t.Master) != nil {
			return Election{Master: t.Master, Recorded: t}
		}
		return Election{
			Reason: "MasterGone", Recorded: t,
			Problem: fmt.Sprintf("%s was promoted to master, but is not part of this stack: restore it and run 'lyandev mariadb switchback', "+
				"or use the data of this server with 'lyandev mariadb promote --force'", t.Master),
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
