package redis

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Action is the operation of one step on one process.
type Action string

// The actions. Each is idempotent.
const (
	Follow   Action = "follow"   // REPLICAOF the master's address
	Lead     Action = "lead"     // REPLICAOF NO ONE, only on the server that the sentinels agree on or that is alone
	Announce Action = "announce" // set the announced address to its own
	Watch    Action = "watch"    // SENTINEL MONITOR
	Rewatch  Action = "rewatch"  // SENTINEL REMOVE and MONITOR: it monitors another address
	Set      Action = "set"      // SENTINEL SET
	Reset    Action = "reset"    // SENTINEL RESET: forget removed replicas and sentinels
	Hurry    Action = "hurry"    // shorter periods than the default ones: see periods
	Align    Action = "align"    // query the replicas now: see aligns
	// Introduce tells a sentinel of another one, in the message by which that one announces itself every two seconds.
	Introduce Action = "introduce"
)

// reason returns the event reason of the action: "RedisFollow".
func (a Action) reason() string { return "Redis" + strings.ToUpper(string(a[:1])) + string(a[1:]) }

// Step is one operation with its cause.
type Step struct {
	Pod, Container string
	At             Endpoint
	Do             Action
	To             Endpoint // the master of Follow, Watch, Rewatch; the other sentinel of Introduce
	ID             string   // of the other sentinel
	Options        map[string]string
	Why            string
}

func (s Step) String() string {
	out := fmt.Sprintf("%s %s/%s", s.Do, s.Pod, s.Container)
	if s.To != (Endpoint{}) {
		out += " -> " + s.To.String()
	}
	for _, k := range slices.Sorted(maps.Keys(s.Options)) {
		out += " " + k + "=" + s.Options[k]
	}
	return out + ": " + s.Why
}

// patience is how long a fault is left to the sentinels, which repair most faults within a few seconds.
const patience = 4 * time.Second

// Decide returns the steps towards the desired state, in order. It does no I/O.
func Decide(f *Facts) []Step {
	e := elect(f)
	if f.Busy != "" || e.Master == nil || !e.Settled {
		return paces(f)
	}
	steps := leadSteps(f, e)
	m := e.Master
	if !m.Reached || m.Role != Master || m.Loading {
		return append(steps, paces(f)...)
	}
	for _, s := range f.Servers {
		if s != m && s.Reached {
			steps = append(steps, followSteps(f, e, s)...)
		}
	}
	for _, s := range f.Servers {
		if s.Reached && s.Announce != "" && s.Announce != s.At.Host {
			steps = append(steps, step(s.Process, Announce, "it announces itself as "+s.Announce))
		}
	}
	for _, s := range f.Sentinels {
		if s.Reached {
			steps = append(steps, watchSteps(f, e, s)...)
		}
	}
	steps = append(steps, paces(f)...)
	steps = append(steps, introductions(f, m)...)
	return append(steps, resetStep(f, m)...)
}

func step(p Process, do Action, why string) Step {
	return Step{Pod: p.Pod, Container: p.Container, At: p.At, Do: do, Why: why}
}

// leadSteps promotes the elected server if the sentinels will not: they name it, but it has been a replica for longer than
// patience and there is no other master; or its master is not part of the stack and it is the only or the declared server.
func leadSteps(f *Facts, e Election) []Step {
	m := e.Master
	if !m.Reached || m.Role != Replica || m.WrongFor < patience {
		return nil
	}
	for _, s := range f.Servers {
		if s != m && s.Reached && s.Role == Master {
			return nil
		}
	}
	switch {
	case e.Agreed:
		return []Step{step(m.Process, Lead, "the sentinels name it as the master, but it replicates "+m.Follows.String())}
	case len(f.Servers) == 1 && !m.LinkUp && f.At(m.Follows) == nil:
		return []Step{step(m.Process, Lead, fmt.Sprintf("it is the only server, and its master %s is not part of this stack", m.Follows))}
	case m.Declared == Master && !m.LinkUp && f.At(m.Follows) == nil && followed(f) == nil && allReached(f):
		return []Step{step(m.Process, Lead, fmt.Sprintf("it is declared as the master, and its master %s is not part of this stack", m.Follows))}
	}
	return nil
}

func allReached(f *Facts) bool {
	for _, s := range f.Servers {
		if !s.Reached {
			return false
		}
	}
	return true
}

// followSteps attaches a server to the master, but never a server that holds data to a master that holds none.
func followSteps(f *Facts, e Election, s *Server) []Step {
	why := wrongServer(e.Master, s)
	if why == "" || wouldWipe(e.Master, s) {
		return nil
	}
	if s.Role == Master && s.Keys > 0 && !e.Agreed {
		return nil // two masters with data and no decision: elect reports it
	}
	// If the sentinels agree, an old master is attached at once, so that no client writes to it. Otherwise a failover may be
	// in progress that is not visible from here.
	if e.Agreed && !unanimous(f) && s.WrongFor < patience {
		return nil
	}
	st := step(s.Process, Follow, why)
	st.To = e.Master.At
	return []Step{st}
}

func unanimous(f *Facts) bool {
	for _, s := range f.Sentinels {
		if !s.Reached || !s.Known {
			return false
		}
	}
	return true
}

// wrongServer returns why a server other than the master is not attached to it, "" if it is.
func wrongServer(m, s *Server) string {
	switch {
	case s.Role == Master:
		return "it is also a master"
	case s.Follows != m.At:
		return "it replicates " + s.Follows.String()
	case !s.MasterAuth:
		return "it has no password for its master"
	}
	return ""
}

func wouldWipe(m, s *Server) bool { return m.Keys == 0 && s.Keys > 0 && s.Role == Master }

// watchSteps configures what a sentinel lacks or has wrong.
func watchSteps(f *Facts, e Election, s *Sentinel) []Step {
	m := e.Master
	if s.FailingOver() || s.Tilt {
		return nil
	}
	var out []Step
	switch {
	case !s.Known:
		out = append(out, watch(f, s, Watch, m, "it monitors no master named "+f.Settings.Group))
	case s.Master != m.At && (f.At(s.Master) == nil || s.WrongFor >= patience):
		out = append(out, watch(f, s, Rewatch, m, fmt.Sprintf("it monitors %s, but the master is %s", s.Master, m.At)))
	case s.Master == m.At:
		if wrong := wrongSettings(f, s); len(wrong) > 0 {
			st := step(s.Process, Set, "its settings differ from the declared ones")
			st.Options = wrong
			out = append(out, st)
		}
	}
	if s.Announce != "" && s.Announce != s.At.Host {
		out = append(out, step(s.Process, Announce, "it announces itself as "+s.Announce))
	}
	return out
}

func watch(f *Facts, s *Sentinel, do Action, m *Server, why string) Step {
	st := step(s.Process, do, why)
	st.To = m.At
	st.Options = map[string]string{"quorum": fmt.Sprint(f.Settings.Quorum)}
	maps.Copy(st.Options, f.Settings.Defaults)
	maps.Copy(st.Options, f.Settings.Declared)
	return st
}

func wrongSettings(f *Facts, s *Sentinel) map[string]string {
	wrong := map[string]string{}
	if f.Settings.QuorumDeclared && s.Quorum != f.Settings.Quorum {
		wrong["quorum"] = fmt.Sprint(f.Settings.Quorum)
	}
	for k, v := range f.Settings.Declared {
		if s.Settings[k] != v {
			wrong[k] = v
		}
	}
	return wrong
}

// ghosts returns the replicas and sentinels that a sentinel considers down and that are not pods of this stack. A sentinel
// counts them when it computes majorities.
func ghosts(f *Facts, s *Sentinel) []string {
	var out []string
	for _, p := range s.Replicas {
		if p.Down() && f.At(p.At) == nil {
			out = append(out, "replica "+p.At.String())
		}
	}
	for _, p := range s.Peers {
		if p.Down() && f.sentinelAt(p.At) == nil {
			out = append(out, "sentinel "+p.At.String())
		}
	}
	return out
}

// resetStep makes one sentinel forget its ghosts, only if everything else is right: the others know the master and each other,
// so there is a majority while this one rediscovers its peers.
func resetStep(f *Facts, m *Server) []Step {
	var candidate *Sentinel
	for _, s := range f.Sentinels {
		if !s.Reached || !s.Known || s.Master != m.At || s.Tilt || s.FailingOver() || !s.CheckOK {
			return nil
		}
		if missing(f, s) > 0 {
			return nil
		}
		if candidate == nil && len(ghosts(f, s)) > 0 {
			candidate = s
		}
	}
	if candidate == nil {
		return nil
	}
	return []Step{step(candidate.Process, Reset, fmt.Sprintf("it counts removed peers: %v", ghosts(f, candidate)))}
}

// missing counts the servers and sentinels of the stack, other than the master and itself, that a sentinel does not consider up.
func missing(f *Facts, s *Sentinel) int {
	up := map[Endpoint]bool{s.At: true, s.Master: true}
	for _, p := range slices.Concat(s.Peers, s.Replicas) {
		up[p.At] = up[p.At] || !p.Down()
	}
	n := 0
	for _, o := range f.Sentinels {
		if !up[o.At] {
			n++
		}
	}
	for _, o := range f.Servers {
		if !up[o.At] {
			n++
		}
	}
	return n
}

// introductions tell sentinels that watch the master of each other, so that they need not wait for the other's next message to have
// a quorum.
func introductions(f *Facts, m *Server) []Step {
	var out []Step
	for _, s := range f.Sentinels {
		for _, o := range f.Sentinels {
			if s == o || !s.watches(m) || !o.watches(m) || o.ID == "" || slices.ContainsFunc(s.Peers, func(p Peer) bool { return p.At == o.At }) {
				continue
			}
			st := step(s.Process, Introduce, "it does not know this sentinel")
			st.To, st.ID = o.At, o.ID
			out = append(out, st)
		}
	}
	return out
}
