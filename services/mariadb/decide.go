package mariadb

import (
	"fmt"
	"time"
)

// Action is what one step does to one server.
type Action string

// The actions. Each is idempotent.
const (
	Tune     Action = "tune"     // strict GTID mode on
	Identify Action = "identify" // give it a server id of its own and note what it is
	Prepare  Action = "prepare"  // make the accounts
	Init     Action = "init"     // record it as the master of its data
	Detach   Action = "detach"   // end its replication: it is the master
	Open     Action = "open"     // let it be written
	Close    Action = "close"    // let it be read only
	Start    Action = "start"    // START SLAVE
	Attach   Action = "attach"   // CHANGE MASTER and START SLAVE
	Reseed   Action = "reseed"   // copy the master's data, in the background
)

// Step is one thing to do, with its cause.
type Step struct {
	Pod string
	Do  Action
	Why string

	// ServerID is Identify's; Topology is what Init records.
	ServerID uint32
	Topology Topology
	// Master is who Attach and Reseed follow; From is where Attach begins. Plain asks for no TLS.
	Master string
	From   Position
	Plain  bool
	// Keep asks Reseed to dump what the server has first.
	Keep bool
}

func (s Step) String() string {
	out := string(s.Do) + " " + s.Pod
	switch s.Do {
	case Identify:
		out += fmt.Sprintf(" as %d", s.ServerID)
	case Init:
		out += fmt.Sprintf(" epoch %d", s.Topology.Epoch)
	case Attach:
		out += fmt.Sprintf(" to %s from %q", s.Master, s.From)
		if s.Plain {
			out += " without TLS"
		}
	case Reseed:
		out += " from " + s.Master
		if s.Keep {
			out += " keeping a dump"
		}
	}
	return out + ": " + s.Why
}

// minRandomID is the least server id that is taken for a random one: images that give none use 1, some three digits.
const minRandomID = 1000

// Decide gives the steps that bring what was seen nearer to right, in order. It does no I/O.
func Decide(f *Facts) []Step {
	if f.Busy != "" {
		return nil
	}
	e := elect(f)
	var steps []Step
	for _, s := range f.Servers {
		if s.Reached && !s.Seeding && !s.Job.Running {
			steps = append(steps, groundwork(f, s, e)...)
		}
	}
	m := f.Server(e.Master)
	if m == nil {
		return steps
	}
	if m.Reached && !m.Seeding && !m.Job.Running {
		steps = append(steps, masterSteps(f, m, e)...)
	}
	for _, s := range f.Servers {
		if s != m && s.Reached {
			steps = append(steps, slaveSteps(f, m, s)...)
		}
	}
	return steps
}

// groundwork is what every server needs, whatever its role.
func groundwork(f *Facts, s *Server, e Election) []Step {
	var steps []Step
	if !s.ReadOnly && s.Pod != e.Master {
		steps = append(steps, Step{Pod: s.Pod, Do: Close, Why: "only the master may be written"})
	}
	if !s.Strict {
		steps = append(steps, Step{Pod: s.Pod, Do: Tune, Why: "gtid_strict_mode is off"})
	}
	if id := wantedID(f, s); id != s.ServerID || s.Identity.Pod != s.Pod || s.Identity.ServerID != id {
		steps = append(steps, Step{Pod: s.Pod, Do: Identify, ServerID: id, Why: identifyWhy(s, id)})
	}
	if s.Identity.Prepared != s.Wanted {
		steps = append(steps, Step{Pod: s.Pod, Do: Prepare, Why: "the accounts are not as configured"})
	}
	return steps
}

func identifyWhy(s *Server, id uint32) string {
	switch {
	case s.Identity.Pod == "":
		return "its data has no identity yet"
	case s.Identity.Pod != s.Pod:
		return "its data is a copy of that of " + s.Identity.Pod
	}
	return fmt.Sprintf("server_id is %d, its data has %d", s.ServerID, id)
}

// wantedID is the id stored with the data; else the one it runs with, if that is random and nobody else's; else a new one.
func wantedID(f *Facts, s *Server) uint32 {
	if s.Identity.Pod == s.Pod && s.Identity.ServerID != 0 && !taken(f, s, s.Identity.ServerID) {
		return s.Identity.ServerID
	}
	if s.ServerID > minRandomID && !taken(f, s, s.ServerID) {
		return s.ServerID
	}
	return s.NewID
}

// taken tells whether a server before s in order has that id: of two with the same id the later one gives way.
func taken(f *Facts, s *Server, id uint32) bool {
	for _, o := range f.Servers {
		if o == s {
			return false
		}
		if o.Reached && (o.ServerID == id || o.Identity.ServerID == id) {
			return true
		}
	}
	return false
}

func masterSteps(f *Facts, m *Server, e Election) []Step {
	var steps []Step
	if replaced(f, m, e) {
		return nil
	}
	if len(m.Channels) > 0 {
		steps = append(steps, Step{Pod: m.Pod, Do: Detach, Why: "it is the master"})
	}
	if m.Topology.Epoch == 0 {
		t := Topology{Master: m.Pod, Epoch: e.Recorded.Epoch + 1}
		t.Complete = !m.HasTables && m.SlavePos.Empty() && m.LogBin && m.FromStart
		steps = append(steps, Step{Pod: m.Pod, Do: Init, Topology: t, Why: "its data has no record of a master"})
	} else if m.Identity.Lineage != m.Topology.Lineage {
		steps = append(steps, Step{Pod: m.Pod, Do: Init, Topology: m.Topology, Why: "it has not noted what data it holds"})
	}
	if m.ReadOnly && unheard(f, m) == "" {
		steps = append(steps, Step{Pod: m.Pod, Do: Open, Why: "it is the master"})
	}
	return steps
}

// hearing is how long a starting operator waits for servers that run and do not answer yet, before it opens a master: one of them
// may have been promoted while this one was dead.
const hearing = 5 * time.Second

// unheard names a server that should be heard before the master is opened, "" for none.
func unheard(f *Facts, m *Server) string {
	if f.Now.Sub(f.Since) >= hearing {
		return ""
	}
	for _, s := range f.Servers {
		if s != m && (s.Trouble == Refused || s.Trouble == NoAnswer) {
			return s.Pod
		}
	}
	return ""
}

// replaced is true when the elected master holds neither record nor tables while another server holds both: its volume
// was emptied. It stays closed, so that nothing is written that would later win over the data.
func replaced(f *Facts, m *Server, e Election) bool {
	if m.Topology.Epoch > 0 || e.Recorded.Epoch == 0 || m.HasTables {
		return false
	}
	for _, s := range f.Servers {
		if s != m && s.Reached && s.HasTables {
			return true
		}
	}
	return false
}

func slaveSteps(f *Facts, m, s *Server) []Step {
	found := diagnose(f, m, s)
	why := found.Reason + ": " + found.Message
	if found.Reason == "SameServerID" && s.ServerID == m.ServerID {
		return []Step{{Pod: s.Pod, Do: Identify, ServerID: s.NewID, Why: why}}
	}
	switch found.Repair {
	case start:
		return []Step{{Pod: s.Pod, Do: Start, Why: why}}
	case attach, attachPlain, attachFresh:
		step := Step{Pod: s.Pod, Do: Attach, Master: m.Pod, Plain: found.Repair == attachPlain, Why: why}
		if found.Repair != attachFresh {
			step.From = s.Position()
		}
		if found.Account {
			return []Step{{Pod: m.Pod, Do: Prepare, Why: why}, step}
		}
		return []Step{step}
	case reseed:
		if f.Now.Before(s.Job.Wait) {
			return nil
		}
		return []Step{{Pod: s.Pod, Do: Reseed, Master: m.Pod, Keep: found.Keep, Why: why}}
	}
	return nil
}
