package redis

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Action is what one step does to one process.
type Action string

// The actions. Each is idempotent.
const (
	Follow   Action = "follow"   // REPLICAOF the master's address
	Lead     Action = "lead"     // REPLICAOF NO ONE, only for whom the sentinels agree on or who is alone
	Announce Action = "announce" // its own address instead of another
	Watch    Action = "watch"    // SENTINEL MONITOR
	Rewatch  Action = "rewatch"  // SENTINEL REMOVE and MONITOR: it watches something else
	Set      Action = "set"      // SENTINEL SET
	Reset    Action = "reset"    // SENTINEL RESET: forget replicas and sentinels that are gone
	Hurry    Action = "hurry"    // look at the master every second instead of every ten
)

// reason is the action as the reason of an event: "RedisFollow".
func (a Action) reason() string { return "Redis" + strings.ToUpper(string(a[:1])) + string(a[1:]) }

// Step is one thing to do, with its cause.
type Step struct {
	Pod, Container string
	At             Endpoint
	Do             Action
	To             Endpoint // the master of Follow, Watch, Rewatch
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

// patience is how long something wrong is left to the sentinels, who mend most by themselves in a few seconds.
const patience = 4 * time.Second

// Decide gives the steps that bring what was seen nearer to right, in order. It does no I/O.
func Decide(f *Facts) []Step {
	e := elect(f)
	if f.Busy != "" || e.Master == nil || !e.Settled {
		return hurries(f)
	}
	steps := leadSteps(f, e)
	m := e.Master
	if !m.Reached || m.Role != Master || m.Loading {
		return append(steps, hurries(f)...)
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
	steps = append(steps, hurries(f)...)
	return append(steps, resetStep(f, m)...)
}

func step(p Process, do Action, why string) Step {
	return Step{Pod: p.Pod, Container: p.Container, At: p.At, Do: do, Why: why}
}

// leadSteps makes the elected one a master where nobody else will: the sentinels name it and it went on as a replica for some
// seconds, with no other master; or it is the only server of the stack, left behind by a master that is not part of it.
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
		return []Step{step(m.Process, Lead, "the sentinels name it as the master, and it follows "+m.Follows.String())}
	case len(f.Servers) == 1 && !m.LinkUp && f.At(m.Follows) == nil:
		return []Step{step(m.Process, Lead, fmt.Sprintf("it is the only server, and %s which it follows is not part of this stack", m.Follows))}
	case m.Declared == Master && !m.LinkUp && f.At(m.Follows) == nil && followed(f) == nil && allReached(f):
		return []Step{step(m.Process, Lead, fmt.Sprintf("it is declared as the master, and %s which it follows is not part of this stack", m.Follows))}
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

// followSteps attaches a server to the master. One that holds data is never attached to a master that holds none.
func followSteps(f *Facts, e Election, s *Server) []Step {
	why := wrongServer(e.Master, s)
	if why == "" || wouldWipe(e.Master, s) {
		return nil
	}
	if s.Role == Master && s.Keys > 0 && !e.Agreed {
		return nil // two masters with data and nobody who decides: elect tells
	}
	// Sentinels reached by all of us agree: an old master is turned at once, so that nobody writes to it. Otherwise a
	// failover may be under way that we do not see.
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

// wrongServer says why a server other than the master is not attached to it, "" if it is.
func wrongServer(m, s *Server) string {
	switch {
	case s.Role == Master:
		return "it is a master too"
	case s.Follows != m.At:
		return "it follows " + s.Follows.String()
	case !s.MasterAuth:
		return "it has no password for its master"
	}
	return ""
}

func wouldWipe(m, s *Server) bool { return m.Keys == 0 && s.Keys > 0 && s.Role == Master }

// watchSteps teaches a sentinel what it does not know or has wrong.
func watchSteps(f *Facts, e Election, s *Sentinel) []Step {
	m := e.Master
	if s.FailingOver() || s.Tilt {
		return nil
	}
	var out []Step
	switch {
	case !s.Known:
		out = append(out, watch(f, s, Watch, m, "it watches nothing of the name "+f.Settings.Group))
	case s.Master != m.At && (f.At(s.Master) == nil || s.WrongFor >= patience):
		out = append(out, watch(f, s, Rewatch, m, fmt.Sprintf("it watches %s, the master is %s", s.Master, m.At)))
	case s.Master == m.At:
		if wrong := wrongSettings(f, s); len(wrong) > 0 {
			st := step(s.Process, Set, "its settings are not as declared")
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

// ghosts are the replicas and sentinels that a sentinel holds to be down and that are no pods of this stack: they count
// when majorities are made.
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

// resetStep lets one sentinel forget ghosts, when everything else is well: all others know the master and each other, so that
// a majority stands while this one looks around anew.
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
	return []Step{step(candidate.Process, Reset, fmt.Sprintf("it counts what is gone: %v", ghosts(f, candidate)))}
}

// missing counts the servers and sentinels of the stack, other than the master and itself, that a sentinel does not hold to be
// up.
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

func hurries(f *Facts) []Step {
	var out []Step
	for _, s := range f.Sentinels {
		if s.Reached && s.Known && !s.Hurried {
			out = append(out, step(s.Process, Hurry, "so that replicas are found at once"))
		}
	}
	return out
}
