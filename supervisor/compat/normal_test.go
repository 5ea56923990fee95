package compat_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// anonymous is the name of an anonymous volume, or an ID of the engine.
var anonymous = regexp.MustCompile(`^[0-9a-f]{64}$`)

// drop are the parts of what the engine says that differ from container to container, or say nothing about it.
var drop = map[string][]string{
	"container": {
		"Id", "Created", "Image", "ResolvConfPath", "HostnamePath", "HostsPath", "LogPath", "ExecIDs", "GraphDriver", "Driver", "Storage",
		"State.Pid", "State.StartedAt", "State.FinishedAt", "State.Health.Log", "State.Health.FailingStreak", "ImageManifestDescriptor",
		"NetworkSettings.SandboxID", "NetworkSettings.SandboxKey", "NetworkSettings.EndpointID", "NetworkSettings.Gateway",
		"NetworkSettings.IPAddress", "NetworkSettings.MacAddress", "NetworkSettings.IPPrefixLen",
	},
	"endpoint": {"NetworkID", "EndpointID", "Gateway", "IPAddress", "IPPrefixLen", "MacAddress"},
	"network":  {"Id", "Created", "Containers", "Status"},
	"volume":   {"CreatedAt", "Mountpoint"},
}

// mountedImage is where an image is mounted, for a mount of the type image.
var mountedImage = regexp.MustCompile(`/overlay2/[0-9a-f]{64}/`)

func decode(text string) any {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return text
	}
	return v
}

func remove(o any, kind string) {
	for _, path := range drop[kind] {
		keys := strings.Split(path, ".")
		if parent, ok := at(o, keys[:len(keys)-1]...).(object); ok {
			delete(parent, keys[len(keys)-1])
		}
	}
}

// labels removes the labels that belong to either program.
func labels(v any) {
	all, _ := v.(object)
	for k := range all {
		if strings.HasPrefix(k, "com.docker.compose.") || strings.HasPrefix(k, "dev.lyandev") || k == "com.docker.volume.anonymous" {
			delete(all, k)
		}
	}
}

// sets are the lists whose order says nothing.
var sets = regexp.MustCompile(`\.(Mounts|Env|Binds|ExtraHosts|Aliases|DNSNames|Ulimits|CapAdd|CapDrop|Output|MaskedPaths|ReadonlyPaths|Interfaces|Links|Tmpfs|VolumesFrom|Devices|Addresses|Hosts)$`)

// normalise makes two snapshots comparable: what is made up for each container is replaced by what it stands for.
func (s *session) normalise(snap *snapshot, others []object) (*snapshot, error) {
	r := s.replacer(snap, others)
	for key, c := range snap.Containers {
		nets, _ := at(c.Inspect, "NetworkSettings", "Networks").(object)
		for _, n := range nets {
			s.pinned(n)
			remove(n, "endpoint")
			if cfg, _ := at(n, "IPAMConfig").(object); len(cfg) == 0 {
				delete(n.(object), "IPAMConfig")
			}
		}
		if str(c.Inspect, "HostConfig", "NetworkMode") == "host" {
			delete(asObject(c.Seen), "Interfaces") // the host's come and go
		}
		if pid, ok := at(c.Self, "PID").(float64); ok && pid != 1 {
			asObject(c.Self)["PID"] = "not 1"
		}
		if !strings.Contains(s.c.text, "interface_name") { // from 1.48 on, which of several is eth0 is left to chance
			s.unnumbered(at(c.Seen, "Interfaces"))
		}
		remove(c.Inspect, "container")
		labels(at(c.Inspect, "Config", "Labels"))
		c.Inspect, c.Self, c.Seen = s.clean(r, key, c.Inspect), s.clean(r, key, c.Self), s.clean(r, key, c.Seen)
		for i := range c.Output {
			c.Output[i] = r.Replace(c.Output[i])
		}
	}
	for kind, objects := range map[string]*map[string]any{"network": &snap.Networks, "volume": &snap.Volumes, "image": &snap.Images} {
		cleaned := map[string]any{}
		for name, o := range *objects {
			remove(o, kind)
			labels(at(o, "Labels"))
			if kind == "network" && !strings.Contains(s.c.text, "subnet") {
				if ipam, ok := at(o, "IPAM").(object); ok {
					delete(ipam, "Config")
				}
			}
			cleaned[r.Replace(name)] = s.clean(r, "", o)
		}
		*objects = cleaned
	}
	var answers []string
	for k, v := range snap.Dials {
		snap.Dials[k] = r.Replace(v)
		answers = append(answers, snap.Dials[k])
	}
	if s.c.shuffled {
		slices.Sort(answers)
		for i, k := range sortedKeys(snap.Dials) {
			snap.Dials[k] = answers[i]
		}
	}
	return snap, nil
}

// unnumbered removes the numbers of network interfaces.
func (s *session) unnumbered(interfaces any) {
	list := asList(interfaces)
	for i, v := range list {
		if text, ok := v.(string); ok {
			list[i] = interfaceNumber.ReplaceAllString(text, "eth ")
		}
	}
}

var interfaceNumber = regexp.MustCompile(`^eth[0-9]+ `)

// pinned keeps an endpoint's addresses if the case's file has them.
func (s *session) pinned(endpoint any) {
	o, _ := endpoint.(object)
	for _, key := range []string{"IPAddress", "MacAddress", "GlobalIPv6Address"} {
		if v := str(o, key); v != "" && strings.Contains(s.c.text, v) {
			o["Pinned"+key] = v
		}
	}
	delete(o, "GlobalIPv6Address")
}

// replacer replaces IDs, addresses and names by what they stand for.
func (s *session) replacer(snap *snapshot, others []object) *strings.Replacer {
	pairs := map[string]string{s.dir: "DIR", s.project: "PROJECT"}
	for name, v := range s.vars {
		if strings.HasPrefix(name, "PORT") {
			pairs[v] = name
		}
	}
	named := func(o any, name string) {
		id := str(o, "Id")
		pairs[id], pairs[id[:12]] = "<id "+name+">", "<id "+name+">"
		nets, _ := at(o, "NetworkSettings", "Networks").(object)
		for net, n := range nets {
			for _, key := range []string{"IPAddress", "GlobalIPv6Address"} {
				if ip := str(n, key); ip != "" && !strings.Contains(s.c.text, ip) {
					pairs[ip] = "<ip " + name + " " + strings.ReplaceAll(net, s.project, "PROJECT") + ">"
				}
			}
			if mac := str(n, "MacAddress"); mac != "" && !strings.Contains(s.c.text, mac) {
				pairs[mac] = "<mac>"
			}
			if gw := str(n, "Gateway"); gw != "" && !strings.Contains(s.c.text, gw) {
				pairs[gw] = "<gateway>"
			}
		}
	}
	for key, c := range snap.Containers {
		named(c.Inspect, key)
		for _, m := range asList(at(c.Inspect, "Mounts")) {
			if name := str(m, "Name"); anonymous.MatchString(name) {
				pairs[name] = "<anonymous>"
			}
		}
	}
	for _, o := range others {
		named(o, "other")
	}
	for _, n := range snap.Networks {
		pairs[str(n, "Id")] = "<net " + strings.ReplaceAll(str(n, "Name"), s.project, "PROJECT") + ">"
	}
	delete(pairs, "")
	// Long ones first: an address may be the beginning of another.
	from := sortedKeys(pairs)
	slices.SortStableFunc(from, func(a, b string) int { return len(b) - len(a) })
	var list []string
	for _, f := range from {
		list = append(list, f, pairs[f])
	}
	return strings.NewReplacer(list...)
}

func asObject(v any) object {
	o, _ := v.(object)
	return o
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

// clean replaces in all strings, removes what is empty, and sorts lists whose order says nothing.
func (s *session) clean(r *strings.Replacer, path string, v any) any {
	switch v := v.(type) {
	case string:
		return mountedImage.ReplaceAllString(r.Replace(v), "/overlay2/<image>/")
	case object:
		out := object{}
		for k, e := range v {
			if c := s.clean(r, path+"."+k, e); c != nil && c != "" {
				out[r.Replace(k)] = c
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []any:
		var out []any
		for _, e := range v {
			out = append(out, s.clean(r, path, e))
		}
		if len(out) == 0 {
			return nil
		}
		if sets.MatchString(path) {
			slices.SortFunc(out, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
			out = slices.CompactFunc(out, func(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
		}
		return out
	}
	return v
}
