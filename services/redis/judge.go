package redis

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lyandev/lyandev/services"
)

// MasterFact is the name of the fact that holds the master's address.
const MasterFact = "redis-master"

// Judge converts the observation to a verdict. It does no I/O.
//
// A pod is right if each of its processes is: a master if it reports that role, a replica if its link is up and it is in sync,
// a sentinel if it monitors the master, can save its state and has a quorum. The quorum is not required for the pod of the
// master, because sentinels start after it; it is required for the system as a whole.
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
		pv.Detail["sentinel"] = orElse(s.Check, "unknown")
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

// stopsPod reports whether a sentinel's fault makes its pod not right. A sentinel that serves its clients correctly stays right
// while the system as a whole is not, for example when another process is down or during a failover.
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
		v.Right, v.Message = false, "there is no server yet"
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
		return "NotMaster", "should be the master, but replicates " + s.Follows.String()
	case s == m:
		return "", ""
	case wouldWipe(m, s):
		return "MasterEmpty", fmt.Sprintf("holds %d keys, but the master %s holds none; it is not attached, because that would delete its data",
			s.Keys, m.Pod)
	}
	if why := wrongServer(m, s); why != "" {
		return "NotAttached", why + ", but the master is " + m.At.String()
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
		return "WatchesNothing", "monitors no master named " + f.Settings.Group
	case s.FailingOver():
		return "FailingOver", "is failing over"
	case e.Master == nil:
		return e.Reason, e.Problem
	case s.Master != e.Master.At:
		return "WrongMaster", fmt.Sprintf("names %s as the master, but it is %s", s.Master, e.Master.At)
	case s.Tilt:
		return "Tilt", "TILT mode: its clock jumped (suspended machine?), so it does not fail over for 30 s"
	case s.Unsaved != "":
		return "CannotPersist", "cannot save its configuration file: " + s.Unsaved
	case !s.CheckOK:
		return "NoQuorum", s.Check
	}
	if n := missing(f, s); n > 0 {
		return "IncompleteView", fmt.Sprintf("%d of the stack's servers and sentinels are not up in its view", n)
	}
	if g := ghosts(f, s); len(g) > 0 {
		return "Ghosts", "counts removed peers: " + strings.Join(g, ", ")
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
