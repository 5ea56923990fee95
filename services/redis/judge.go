package redis

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lyandev/lyandev/services"
)

// MasterFact is the name of the fact that holds the master's address.
const MasterFact = "redis-master"

// Judge says what was seen, in the supervisor's words. It does no I/O.
//
// A pod is right when each process in it is: the master when it answers as master, a replica when its link is up and it has
// synced, a sentinel when it knows the master, keeps its state and has a quorum. The pod of the master does not wait for the
// quorum, because sentinels are started after it; the system as a whole does.
func Judge(f *Facts) services.Verdict {
	e := elect(f)
	v := services.Verdict{Pods: map[string]services.PodVerdict{}, Right: true}
	var worst []string
	note := func(pod, reason, message string) {
		v.Right = false
		worst = append(worst, fmt.Sprintf("%s: %s: %s", pod, reason, message))
	}
	for _, s := range f.Servers {
		pv := services.PodVerdict{Role: string(roleOf(e, s)), Detail: serverDetail(s)}
		pv.Reason, pv.Message = judgeServer(e, s)
		pv.Right = pv.Reason == ""
		if !pv.Right {
			note(s.Pod, pv.Reason, pv.Message)
		}
		v.Pods[s.Pod] = pv
	}
	quorate := 0
	for _, s := range f.Sentinels {
		reason, message := judgeSentinel(f, e, s)
		if reason == "" {
			quorate++
		}
		pv, shared := v.Pods[s.Pod]
		if !shared {
			pv = services.PodVerdict{Role: string(Watcher), Right: true, Detail: map[string]string{}}
		}
		pv.Detail["sentinel"] = orElse(s.Check, "not asked")
		if reason != "" {
			note(s.Pod, reason, message)
			if pv.Right && stopsPod(reason) && !(shared && reason == "NoQuorum" && e.Master != nil && e.Master.Pod == s.Pod) {
				pv.Right, pv.Reason, pv.Message = false, reason, message
			}
		}
		v.Pods[s.Pod] = pv
	}
	finish(&v, f, e, worst, quorate)
	return v
}

// stopsPod tells whether a sentinel's fault makes its pod not right. One that serves its clients as it should stays right
// while the system as a whole is not: when another process is down, or masters are being changed.
func stopsPod(reason string) bool {
	switch reason {
	case "FailingOver", "Tilt", "IncompleteView", "Ghosts", "SentinelsDisagree", "CannotPersist":
		return false
	}
	return true
}

func finish(v *services.Verdict, f *Facts, e Election, worst []string, quorate int) {
	if f.Busy != "" {
		v.Right = false
		worst = append([]string{f.Busy}, worst...)
	}
	switch {
	case len(f.Servers) == 0:
		v.Right, v.Message = false, "no server yet"
	case len(worst) > 0:
		v.Message = worst[0]
		if e.Master == nil || e.Problem != "" {
			v.Message = e.Reason + ": " + e.Problem
		}
	case len(f.Sentinels) == 0 && len(f.Servers) == 1:
		v.Message = "master " + e.Master.Pod
	default:
		v.Message = fmt.Sprintf("master %s, %d replicas, %d of %d sentinels agree",
			e.Master.Pod, len(f.Servers)-1, quorate, len(f.Sentinels))
	}
	if m := e.Master; m != nil && m.Reached && m.Role == Master && !m.Loading && (e.Settled || e.Agreed) {
		v.Facts = map[string]string{MasterFact: m.At.String()}
	}
}

func roleOf(e Election, s *Server) Role {
	switch {
	case e.Master == s:
		return Master
	case e.Master == nil:
		return ""
	}
	return Replica
}

func judgeServer(e Election, s *Server) (reason, message string) {
	m := e.Master
	switch {
	case !s.Reached:
		return orElse(s.Reason, "LookFailed"), orElse(s.Error, "it was not reached")
	case s.Loading:
		return "Loading", "loading its data from disk"
	case s.Failing != "":
		return "CannotPersist", s.Failing
	case m == nil:
		return e.Reason, e.Problem
	case s == m && s.Role != Master:
		return "NotMaster", "should be the master and follows " + s.Follows.String()
	case s == m:
		return "", ""
	case wouldWipe(m, s):
		return "MasterEmpty", fmt.Sprintf("holds %d keys, and the master %s holds none: it is not attached, because that would wipe it",
			s.Keys, m.Pod)
	}
	if why := wrongServer(m, s); why != "" {
		return "NotAttached", why + ", the master is " + m.At.String()
	}
	if s.Syncing {
		return "Syncing", "copying the master's data"
	}
	if !s.LinkUp {
		return "LinkDown", "no connection to the master at " + s.Follows.String()
	}
	return "", ""
}

func judgeSentinel(f *Facts, e Election, s *Sentinel) (reason, message string) {
	switch {
	case !s.Reached:
		return orElse(s.Reason, "LookFailed"), orElse(s.Error, "it was not reached")
	case !s.Known:
		return "WatchesNothing", "knows no master named " + f.Settings.Group
	case s.FailingOver():
		return "FailingOver", "is changing masters"
	case e.Master == nil:
		return e.Reason, e.Problem
	case s.Master != e.Master.At:
		return "WrongMaster", fmt.Sprintf("names %s, the master is %s", s.Master, e.Master.At)
	case s.Tilt:
		return "Tilt", "its clock jumped (the machine slept?): it will not fail over for half a minute"
	case s.Unsaved != "":
		return "CannotPersist", "cannot keep its state in its file: " + s.Unsaved
	case !s.CheckOK:
		return "NoQuorum", s.Check
	}
	if n := missing(f, s); n > 0 {
		return "IncompleteView", fmt.Sprintf("does not see %d of the stack's servers and sentinels as up", n)
	}
	if g := ghosts(f, s); len(g) > 0 {
		return "Ghosts", "counts what is gone: " + strings.Join(g, ", ")
	}
	return "", ""
}

func serverDetail(s *Server) map[string]string {
	d := map[string]string{}
	if !s.Reached {
		return d
	}
	d["version"] = s.Version
	d["keys"] = strconv.FormatInt(s.Keys, 10)
	d["offset"] = strconv.FormatInt(s.Offset, 10)
	if s.Role == Replica {
		d["master"] = s.Follows.String()
	}
	return d
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
