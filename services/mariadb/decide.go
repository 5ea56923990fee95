package mariadb

import (
	"fmt"
	"time"
)

// Action is the operation of one step on one server.
type Action string

// The actions. Each is idempotent.
const (
	Tune     Action = "tune"     // strict GTID mode on
	Identify Action = "identify" // set a unique server id and record the identity
	Prepare  Action = "prepare"  // create the accounts
	Init     Action = "init"     // record it as the master in its data
	Detach   Action = "detach"   // remove its replication: it is the master
	Open     Action = "open"     // read_only off
	Close    Action = "close"    // read_only on
	Start    Action = "start"    // START SLAVE
	Attach   Action = "attach"   // CHANGE MASTER and START SLAVE
	Reseed   Action = "reseed"   // copy the master's data, in the background
)

// Step is one operation with its cause.
type Step struct {
	Pod string
	Do  Action
	Why string

	// ServerID is used by Identify, Topology by Init.
	ServerID uint32
	Topology Topology
	// Master is the master for Attach and Reseed, From the start position for Attach. Plain disables TLS.
	Master string
	From   Position
	Plain  bool
	// Keep makes Reseed dump the server's data first.
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

// minRandomID is the smallest server id that is considered random: the server's default is 1, some images use three digits.
const minRandomID = 1000

// Decide returns the steps towards the desired state, in order. It does no I/O.
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

// groundwork returns the setup steps that do not depend on the server's role.
func groundwork(f *Facts, s *Server, e Election) []Step {
	var steps []Step
	if !s.ReadOnly && s.Pod != e.Master {
		steps = append(steps, Step{Pod: s.Pod, Do: Close, Why: "only the master accepts writes"})
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
		return "its data is a copy of the data of " + s.Identity.Pod
	}
	return fmt.Sprintf("server_id is %d, but its data has %d", s.ServerID, id)
}

// wantedID returns the id stored in the data, else the current one if it is random and unique, else a new one.
func wantedID(f *Facts, s *Server) uint32 {
	if s.Identity.Pod == s.Pod && s.Identity.ServerID != 0 && !taken(f, s, s.Identity.ServerID) {
		return s.Identity.ServerID
	}
	if s.ServerID > minRandomID && !taken(f, s, s.ServerID) {
		return s.ServerID
	}
	return s.NewID
}

// taken reports whether a server before s in the list has that id. Of two servers with the same id, the later one changes.
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
		steps = append(steps, Step{Pod: m.Pod, Do: Init, Topology: m.Topology, Why: "its identity does not record the lineage of its data"})
	}
	if m.ReadOnly && unheard(f, m) == "" {
		steps = append(steps, Step{Pod: m.Pod, Do: Open, Why: "it is the master"})
	}
	return steps
}

// hearing is how long a new operator waits for running servers that do not answer yet before it opens a master: one of them
// may have been promoted while the master was down.
const hearing = 5 * time.Second

// unheard returns a server that has to answer before the master is opened, "" for none.
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

// replaced reports whether the elected master has neither record nor tables while another server has both: its volume was
// emptied. It stays read-only, so that no new writes can supersede the existing data.
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
