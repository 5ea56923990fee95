package redis

import (
	"fmt"
	"slices"
	"strings"
)

// Election is the decision which server is the master.
type Election struct {
	// Master is nil if there is no decision; Reason and Problem then explain why and what to do.
	Master          *Server
	Reason, Problem string
	// Agreed is true if a quorum of sentinels names the master; otherwise it follows from the servers' data or the declaration.
	Agreed bool
	// Settled is true if no sentinel is failing over and no reached sentinel names another master. Only then are servers and
	// sentinels changed.
	Settled bool
}

// elect decides which server is the master: the one that a quorum of the sentinels names, else the only master that holds
// data, else the declared one. It never chooses between two that hold data.
func elect(f *Facts) Election {
	votes, changing := ballots(f)
	if changing != "" {
		top := topVote(votes)
		return Election{
			Master: f.At(top), Agreed: votes[top] >= f.Settings.Quorum,
			Reason: "FailingOver", Problem: changing + " is failing over",
		}
	}
	if len(votes) > 0 {
		top := topVote(votes)
		m := f.At(top)
		if m != nil && votes[top] >= f.Settings.Quorum {
			return Election{Master: m, Agreed: true, Settled: len(votes) == 1}
		}
		if len(votes) > 1 {
			return Election{
				Reason:  "SentinelsDisagree",
				Problem: "the sentinels name different masters: " + strings.Join(votesText(votes), ", "),
			}
		}
	}
	return electByData(f, votes)
}

// ballots counts the masters that the sentinels name. Addresses outside the stack do not count. changing is a sentinel that is
// failing over, "" for none.
func ballots(f *Facts) (votes map[Endpoint]int, changing string) {
	votes = map[Endpoint]int{}
	for _, s := range f.Sentinels {
		if !s.Reached || !s.Known {
			continue
		}
		if s.FailingOver() {
			changing = s.Pod
		}
		named := s.Master
		if s.Successor != (Endpoint{}) {
			named = s.Successor
		}
		if f.At(named) != nil {
			votes[named]++
		}
	}
	return votes, changing
}

func topVote(votes map[Endpoint]int) Endpoint {
	var top Endpoint
	for e, n := range votes {
		if n > votes[top] || n == votes[top] && e.String() < top.String() {
			top = e
		}
	}
	return top
}

func votesText(votes map[Endpoint]int) []string {
	var out []string
	for e, n := range votes {
		out = append(out, fmt.Sprintf("%s (%d)", e, n))
	}
	slices.Sort(out)
	return out
}

// electByData decides for stacks without sentinels, or with too few or too new ones to agree.
func electByData(f *Facts, votes map[Endpoint]int) Election {
	var full []*Server
	declared, declaredN := (*Server)(nil), 0
	for _, s := range f.Servers {
		if s.Reached && s.Role == Master && s.Keys > 0 {
			full = append(full, s)
		}
		if s.Declared == Master {
			declared, declaredN = s, declaredN+1
		}
	}
	full = withoutAncestors(full)
	settled := len(votes) <= 1
	switch {
	case len(full) == 1:
		return Election{Master: full[0], Settled: settled}
	case len(full) > 1:
		pods := make([]string, len(full))
		for i, s := range full {
			pods[i] = fmt.Sprintf("%s (%d keys)", s.Pod, s.Keys)
		}
		return Election{
			Reason: "TwoMasters",
			Problem: strings.Join(pods, " and ") + " are masters and hold different data: empty the wrong one " +
				"(FLUSHALL), and it becomes a replica of the other",
		}
	}
	// Replicas that hold data replicate the master that had it, which is unreachable or was restarted empty.
	if m := followed(f); m != nil {
		return Election{Master: m, Settled: settled}
	}
	switch {
	case declaredN == 1:
		return Election{Master: declared, Settled: settled}
	case declaredN > 1:
		return Election{Reason: "TwoMasters", Problem: "more than one workload is declared as master: keep role: master on one"}
	case len(f.Servers) == 1:
		return Election{Master: f.Servers[0], Settled: settled}
	}
	return Election{Reason: "NoMaster", Problem: "no server is a master and none is declared: set x-lyandev.options role: master on one workload"}
}

// withoutAncestors drops masters whose replication history another master continues because it was promoted later.
func withoutAncestors(full []*Server) []*Server {
	return slices.DeleteFunc(slices.Clone(full), func(old *Server) bool {
		return slices.ContainsFunc(full, func(s *Server) bool {
			return s != old && s.OldID == old.ReplID && old.ReplID != "" && s.Offset >= old.Offset
		})
	})
}

// followed returns the server that all replicas with data replicate, or nil.
func followed(f *Facts) *Server {
	var m *Server
	for _, s := range f.Servers {
		if !s.Reached || s.Role != Replica || s.Keys == 0 {
			continue
		}
		to := f.At(s.Follows)
		if to == nil || m != nil && m != to {
			return nil
		}
		m = to
	}
	return m
}
