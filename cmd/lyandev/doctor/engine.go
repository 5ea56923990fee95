package doctor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/lyandev/lyandev/supervisor/engine"
)

func judgeEngine(f *Facts) []Finding {
	at := f.Address.Host
	switch {
	case f.AddressErr != nil:
		return problem("`docker context ls` lists the contexts, `docker context use NAME` chooses one", "%v", f.AddressErr)
	case f.Address.Remote && !f.Allowed:
		return problem("unset DOCKER_HOST or choose a local engine with `docker context use default`; LYANDEV_ALLOW_REMOTE=1 allows this one",
			"%s (from %s) is on another machine, which is not allowed", at, f.Address.From)
	case f.Late[PartEngine]:
		return problem("restart it: "+restartEngine(f), "the engine at %s does not answer within %s", at, duration.HumanDuration(f.Limit))
	case f.Engine == nil:
		return silentEngine(f)
	}
	e := f.Engine
	name := productName(e)
	if engine.Older(e.EngineAPI, engine.OldestAPI) {
		return problem("update the engine: https://docs.docker.com/engine/install/",
			"%s at %s speaks Docker API %s; lyandev needs %s (Docker 20.10) or newer", name, at, e.EngineAPI, engine.OldestAPI)
	}
	if strings.HasPrefix(name, "Podman") {
		return note("if something fails here, try it with Docker: `docker context use NAME`, or DOCKER_HOST",
			"%s at %s; lyandev is tested with Docker: builds, snapshots and `lyandev test` may not work", name, at)
	}
	return ok("%s (API %s) at %s, chosen by %s", name, e.APIVersion, at, f.Address.From)
}

func productName(e *engine.Details) string {
	switch {
	case strings.Contains(e.Product, "Podman"):
		return "Podman " + e.Version
	case strings.Contains(e.System, "Docker Desktop"):
		return "Docker Desktop " + e.Version
	}
	return "Docker " + e.Version
}

// silentEngine judges an engine that does not answer.
func silentEngine(f *Facts) []Finding {
	at := f.Address.Host
	switch {
	case errors.Is(f.EngineErr, engine.ErrTooNew):
		return problem("update lyandev", "the engine at %s accepts only newer Docker API versions than %s, the newest of this lyandev", at, engine.NewestAPI)
	case f.Why == Denied:
		return problem(joinGroup(f), "this user may not use the engine at %s: permission denied", at)
	}
	fix := startEngine(f)
	for _, s := range f.Sockets {
		if s.Answers && "unix://"+s.Path != at {
			fix = fmt.Sprintf("use the one of %s, which answers: export DOCKER_HOST=unix://%s", s.Kind, s.Path)
			break
		}
	}
	switch f.Why {
	case Absent:
		return problem(fix, "no engine at %s (from %s): there is no such socket", at, f.Address.From)
	case Refused:
		return problem(fix, "no engine at %s (from %s): nobody listens there", at, f.Address.From)
	}
	return problem(fix, "no engine at %s (from %s): %s", at, f.Address.From, oneLine(f.EngineErr))
}

func oneLine(err error) string {
	if err == nil {
		return "it does not answer"
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

// joinGroup says how this user gets the right to use the socket.
func joinGroup(f *Facts) string {
	r := &f.Rights
	switch {
	case r.Member:
		return fmt.Sprintf("%s is in the group %s, but this session began before that: log out and in, or run `newgrp %s`", r.User, r.SocketGroup, r.SocketGroup)
	case r.SocketGroup == "" || r.SocketGroup == "root":
		return "start a rootless engine (`dockerd-rootless-setuptool.sh install`), or run lyandev as the user to whom the socket belongs"
	}
	return fmt.Sprintf("sudo usermod -aG %s %s, then log out and in; members of this group have root's power over this machine, a rootless engine does not need it",
		r.SocketGroup, r.User)
}

func startEngine(f *Facts) string {
	if f.OS != "linux" {
		return "start Docker Desktop, or `colima start`"
	}
	if f.Why == Absent {
		return "start it: sudo systemctl start docker; if there is none: https://docs.docker.com/engine/install/ (on Debian: sudo apt-get install docker.io)"
	}
	return "start it: sudo systemctl start docker; `journalctl -u docker` says why it ended"
}

func restartEngine(f *Facts) string {
	if f.OS != "linux" {
		return "Docker Desktop > Troubleshoot > Restart, or `colima restart`"
	}
	return "sudo systemctl restart docker"
}

func judgeRemote(f *Facts) []Finding {
	if !f.Address.Remote || !f.Allowed {
		return nil
	}
	return note("reach services with `lyandev port-forward`; unset LYANDEV_ALLOW_REMOTE to use this machine only",
		"the engine is on another machine, allowed by LYANDEV_ALLOW_REMOTE: host ports and bind mounts are those of that machine")
}

func judgeContexts(f *Facts) []Finding {
	chosen := f.Address.Host
	var others []string
	for _, c := range f.Contexts {
		if c.Current && f.DockerHost != "" && c.Host != chosen {
			return note("unset DOCKER_HOST to use the context", "DOCKER_HOST=%s is used, not the current Docker context %s (%s)", f.DockerHost, c.Name, c.Host)
		}
		if c.Host != chosen && c.Host != "" {
			others = append(others, fmt.Sprintf("context %s (%s)", c.Name, c.Host))
		}
	}
	for _, s := range f.Sockets {
		known := slices.ContainsFunc(f.Contexts, func(c engine.Context) bool { return c.Host == "unix://"+s.Path })
		if s.Answers && !known && "unix://"+s.Path != chosen {
			others = append(others, fmt.Sprintf("%s (unix://%s)", s.Kind, s.Path))
		}
	}
	if len(others) == 0 {
		return ok("none found beside %s", chosen)
	}
	return note("another one is chosen by `docker context use NAME`, or by DOCKER_HOST; instances do not move with it",
		"%s is used; also found: %s", chosen, strings.Join(others, ", "))
}

func judgeStorage(f *Facts) []Finding {
	if f.Engine == nil {
		return nil
	}
	switch d := f.Engine.Storage; {
	case f.Engine.NoDType:
		return problem("move the engine's data to ext4, or to xfs made with ftype=1", "%s on a file system without d_type: files in images can get lost", d)
	case d == "vfs":
		return note("use overlay2, on ext4 or xfs: \"storage-driver\" in /etc/docker/daemon.json; images are pulled and built again then",
			"vfs copies whole images: builds and starts are slow and fill the disk")
	case d == "aufs" || d == "devicemapper" || d == "overlay":
		return note("use overlay2: \"storage-driver\" in /etc/docker/daemon.json; images are pulled and built again then", "%s is no longer in newer engines", d)
	case d == "":
		return note("", "the engine does not name it")
	default:
		return ok("%s", d)
	}
}

func judgeCgroups(f *Facts) []Finding {
	if f.Engine == nil {
		return nil
	}
	e := f.Engine
	what := fmt.Sprintf("version %s, driver %s", orUnknown(e.CgroupVersion), orUnknown(e.CgroupDriver))
	var missing []string
	for name, there := range map[string]bool{"memory": e.MemoryLimits, "CPU": e.CPULimits, "process": e.PidsLimits} {
		if !there {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return ok("%s", what)
	}
	slices.Sort(missing)
	fix := "add cgroup_enable=memory to the kernel's command line and reboot"
	if e.Rootless {
		fix = "a rootless engine needs cgroup version 2 and delegation: https://docs.docker.com/engine/security/rootless/tips/#limiting-resources"
	}
	return note(fix, "%s: the engine cannot enforce %s limits and ignores those of the file", what, strings.Join(missing, ", "))
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func judgeBuildKit(f *Facts) []Finding {
	switch {
	case f.Engine == nil:
		return nil
	case strings.Contains(f.Engine.Product, "Podman") || !f.Engine.BuildKit:
		return note("use Docker 20.10 or newer for builds with secrets, cache mounts and SSH", "the engine has none: builds use the classic builder")
	}
	return ok("part of the engine; no buildx is needed")
}

const (
	clockNote    = 2 * time.Second
	clockProblem = 30 * time.Second
)

func judgeClock(f *Facts) []Finding {
	switch {
	case f.Engine == nil:
		return nil
	case !f.Engine.ClockKnown:
		return note("", "the engine does not tell its time")
	}
	ahead := f.Engine.Ahead
	if ahead.Abs() < clockNote {
		return ok("engine and host agree")
	}
	where := "ahead of"
	if ahead < 0 {
		where = "behind"
	}
	fix := "set both clocks by NTP: sudo timedatectl set-ntp true"
	if f.OS != "linux" || strings.Contains(f.Engine.System, "Docker Desktop") {
		fix = "restart the engine's virtual machine, whose clock stood while the machine slept: " + restartEngine(&Facts{OS: "other"})
	}
	text := "the engine's clock is %s %s this machine's: times of logs and events are wrong, certificates and tokens may be refused"
	if ahead.Abs() >= clockProblem {
		return problem(fix, text, duration.HumanDuration(ahead.Abs()), where)
	}
	return note(fix, text, duration.HumanDuration(ahead.Abs()), where)
}
