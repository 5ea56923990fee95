package doctor

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Below these a finding says so. An engine with less memory kills databases; with less disk builds and databases fail.
const (
	fewMemory    = 1 << 30
	littleMemory = 2 << 30
	littleFree   = 512 << 20
	fullDisk     = 1 << 30
	nearlyFull   = 5 << 30
	fewNodes     = 5000
)

func judgeMemory(f *Facts) []Finding {
	if f.Engine == nil {
		return nil
	}
	all := uint64(max(f.Engine.MemoryBytes, 0))
	text := fmt.Sprintf("%s and %s for containers", size(all), plural(f.Engine.CPUs, "CPU"))
	if f.Free > 0 && f.Engine.Local {
		text += fmt.Sprintf(", %s available now", size(f.Free))
	}
	switch {
	case all < fewMemory:
		return problem(moreMemory(f), "%s: too little for a database and an application", text)
	case all < littleMemory:
		return note(moreMemory(f), "%s: little for more than one database", text)
	case f.Free > 0 && f.Free < littleFree && f.Engine.Local:
		return note("end what is not needed; `lyandev stats` shows what containers use", "%s: new pods may be killed for lack of memory", text)
	}
	return ok("%s", text)
}

func moreMemory(f *Facts) string {
	if f.OS != "linux" || strings.Contains(f.Engine.System, "Docker Desktop") {
		return "give the engine's virtual machine more: Docker Desktop > Settings > Resources, or `colima start --memory 4`"
	}
	return "use a profile with fewer services, or add memory"
}

func judgeDisks(f *Facts) []Finding {
	var out []Finding
	for i := range f.Disks {
		out = append(out, judgeDisk(&f.Disks[i])...)
	}
	return out
}

func judgeDisk(d *Disk) []Finding {
	if d.Err != nil {
		return note("", "%s (%s): cannot tell: %s", d.What, d.Path, oneLine(d.Err))
	}
	fix := "`docker system df` shows what takes the space; `docker builder prune` frees the build cache, `docker image prune` images without a tag"
	text := fmt.Sprintf("%s (%s): %s of %s free", d.What, d.Path, size(d.Free), size(d.Total))
	switch {
	case d.Free < fullDisk:
		return problem(fix, "%s: nearly full", text)
	case d.Nodes > 0 && d.FreeNodes < fewNodes:
		return problem(fix, "%s, but only %d inodes: no more files can be made soon", text, d.FreeNodes)
	case d.Free < nearlyFull:
		return note(fix, "%s", text)
	}
	return ok("%s", text)
}

func judgeDNS(f *Facts) []Finding {
	d := &f.DNS
	var out []Finding
	by := ""
	if len(d.Servers) > 0 {
		by = " (name servers: " + strings.Join(d.Servers, ", ") + ")"
	}
	if d.Err != nil {
		out = note("check the network and /etc/resolv.conf; what is on this machine already works without",
			"%s cannot be resolved%s: images cannot be pulled: %s", d.Name, by, oneLine(d.Err))
	} else {
		out = ok("%s can be resolved%s", d.Name, by)
	}
	if f.Engine != nil && f.Engine.Local && len(d.Servers) > 0 && len(d.ForContainers) == 0 {
		out = append(out, note(`name a server that containers reach: "dns": ["ADDRESS"] in /etc/docker/daemon.json`,
			"containers cannot reach the host's name server %s: Docker gives them 8.8.8.8 instead, which knows no names of your network",
			strings.Join(d.Servers, ", "))...)
	}
	return out
}

func judgeProxies(f *Facts) []Finding {
	host, inside := f.Proxies.Host, f.Proxies.Containers
	var own ProxySet
	if f.Engine != nil {
		own = ProxySet{HTTP: f.Engine.HTTPProxy, HTTPS: f.Engine.HTTPSProxy, No: f.Engine.NoProxy}
	}
	var out []Finding
	add := func(list []Finding) { out = append(out, list...) }
	if host.set() && f.Engine != nil && !own.set() {
		add(note(`set "proxies" in /etc/docker/daemon.json, or Environment= in a drop-in of docker.service: `+
			"https://docs.docker.com/engine/daemon/proxy/",
			"this shell uses %s, the engine uses none: pulls may fail", shown(host)))
	}
	if host.set() && !inside.set() {
		add(note(`set "proxies" in ~/.docker/config.json: https://docs.docker.com/engine/cli/proxy/`,
			"this shell uses %s, containers and builds use none: package installations may fail", shown(host)))
	}
	if host.set() && !coversLoopback(host.No) {
		add(note("export NO_PROXY=localhost,127.0.0.1", "NO_PROXY does not name localhost and 127.0.0.1: requests to published ports go to the proxy"))
	}
	if inside.set() && inside.No == "" {
		add(note(`set "noProxy" to "localhost,127.0.0.1" and the services' names in ~/.docker/config.json`,
			"containers use %s for everything: requests from one service to another go to the proxy", shown(inside)))
	}
	if len(out) > 0 {
		return out
	}
	if !host.set() && !inside.set() && !own.set() {
		return ok("none")
	}
	return ok("this shell: %s; engine: %s; containers and builds: %s", shown(host), shown(own), shown(inside))
}

// shown returns the proxy, without a password in it.
func shown(p ProxySet) string {
	text := p.HTTPS
	if text == "" {
		text = p.HTTP
	}
	if text == "" {
		return "none"
	}
	u, err := url.Parse(text)
	if err != nil {
		return "a proxy"
	}
	return u.Redacted()
}

func coversLoopback(no string) bool {
	list := strings.FieldsFunc(no, func(r rune) bool { return r == ',' || r == ' ' })
	return slices.Contains(list, "*") || slices.Contains(list, "localhost") && slices.ContainsFunc(list, func(s string) bool { return strings.HasPrefix(s, "127.") })
}

func judgeRights(f *Facts) []Finding {
	r := &f.Rights
	var out []Finding
	if r.StateErr != nil {
		out = problem("make it writable for "+r.User+", or set XDG_STATE_HOME to a directory that is",
			"%s cannot write to the state directory %s: %s", r.User, r.StateDir, oneLine(r.StateErr))
	}
	if r.Socket != "" && r.SocketMode.Perm()&0o002 != 0 {
		out = append(out, note("sudo chmod o-rw "+r.Socket, "every user of this machine may use %s, which is root's power over it", r.Socket)...)
	}
	if len(out) > 0 {
		return out
	}
	text := fmt.Sprintf("%s can write to %s", r.User, r.StateDir)
	if f.Engine != nil && f.Engine.Rootless {
		text += "; the engine is rootless: ports below 1024 need sysctl net.ipv4.ip_unprivileged_port_start"
	}
	return ok("%s", text)
}
