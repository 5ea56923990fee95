package mariadb

import (
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/lyandev/lyandev/services"
)

// MasterFact is the name of the fact that holds the master's address.
const MasterFact = "mariadb-master"

// Judge converts the observation to a verdict. It does no I/O.
func Judge(f *Facts) services.Verdict {
	e := elect(f)
	m := f.Server(e.Master)
	v := services.Verdict{Pods: map[string]services.PodVerdict{}, Right: true}
	slaves := 0
	var worst string
	var lag time.Duration
	for _, s := range f.Servers {
		pv := judgeServer(f, m, s, e)
		v.Pods[s.Pod] = pv
		if !pv.Right {
			v.Right = false
			if worst == "" || s == m {
				worst = fmt.Sprintf("%s: %s: %s", s.Pod, pv.Reason, pv.Message)
			}
		}
		if s != m {
			slaves++
			lag = max(lag, s.Beat.Lag)
		}
	}
	switch {
	case len(f.Servers) == 0:
		v.Right, v.Message = false, "no pod yet"
	case !v.Right:
		v.Message = worst
	case slaves == 0:
		v.Message = "master " + m.Pod
	case slaves == 1:
		v.Message = fmt.Sprintf("master %s, 1 slave, lag %s", m.Pod, rounded(lag))
	default:
		v.Message = fmt.Sprintf("master %s, %d slaves, lag %s", m.Pod, slaves, rounded(lag))
	}
	if m != nil && v.Pods[m.Pod].Right {
		v.Facts = map[string]string{MasterFact: net.JoinHostPort(m.Host, strconv.Itoa(m.Port))}
	}
	return v
}

func judgeServer(f *Facts, m, s *Server, e Election) services.PodVerdict {
	pv := services.PodVerdict{Detail: detail(s)}
	if m == nil {
		pv.Reason, pv.Message = e.Reason, e.Problem
		return pv
	}
	pv.Role = string(Slave)
	if s == m {
		pv.Role = string(Master)
	}
	switch {
	case !s.Reached:
		pv.Reason, pv.Message = orElse(string(s.Trouble), string(LookFailed)), orElse(s.Error, "it was not reached")
	case f.Busy != "":
		pv.Reason, pv.Message = "RoleChange", f.Busy
	case s == m:
		pv.Reason, pv.Message = judgeMaster(f, m, e)
	default:
		found := diagnose(f, m, s)
		pv.Reason, pv.Message = found.Reason, found.Message
		if found.Repair == reseed && s.Job.Err != "" {
			pv.Message += fmt.Sprintf("; seeding failed (try %d): %s", s.Job.Tries, s.Job.Err)
		}
		if pv.Reason == "" && !s.ReadOnly {
			pv.Reason, pv.Message = "Writable", "the slave is not read-only"
		}
		if s.Beat.Seen {
			pv.Detail["lag"] = rounded(s.Beat.Lag).String()
		}
	}
	pv.Right = pv.Reason == ""
	return pv
}

func judgeMaster(f *Facts, m *Server, e Election) (reason, message string) {
	switch {
	case replaced(f, m, e):
		return "MasterEmpty", "has no data, but another server has: its volume was emptied or replaced; promote that " +
			"server, or reseed it to delete its data"
	case m.Topology.Epoch == 0:
		return "NotSetUp", "is not recorded as the master yet"
	case len(m.Channels) > 0:
		return "StillSlave", "still replicates from " + m.Channels[0].Host
	case m.ReadOnly && unheard(f, m) != "":
		return "ReadOnly", "still read-only: waiting for " + unheard(f, m) + ", which may have been promoted"
	case m.ReadOnly:
		return "ReadOnly", "still read-only"
	case m.Beat.Err != "":
		return "CannotWrite", "the heartbeat cannot be written: " + m.Beat.Err
	}
	return "", ""
}

func detail(s *Server) map[string]string {
	d := map[string]string{}
	if !s.Reached {
		return d
	}
	d["version"] = s.Version
	d["gtid"] = orElse(s.Position().String(), "none")
	d["server-id"] = strconv.FormatUint(uint64(s.ServerID), 10)
	if s.Job.Running {
		d["seeding"] = s.Job.Progress
	}
	return d
}

func rounded(d time.Duration) time.Duration {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond)
	case d < time.Minute:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}
