package profiles

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
)

// host sets the fields of Docker's container.HostConfig that are neither resources, networks nor mounts.
func (p *plain) host() {
	s := p.s
	p.out.Host = container.HostConfig{
		Annotations: maps.Clone(map[string]string(s.Annotations)), CapAdd: s.CapAdd, CapDrop: s.CapDrop, Init: s.Init,
		IpcMode: container.IpcMode(s.Ipc), PidMode: container.PidMode(s.Pid), UTSMode: container.UTSMode(s.Uts),
		UsernsMode: container.UsernsMode(s.UserNSMode), CgroupnsMode: container.CgroupnsMode(s.Cgroup), ReadonlyRootfs: s.ReadOnly,
		RestartPolicy: restartOf(s), ShmSize: int64(s.ShmSize), Sysctls: maps.Clone(map[string]string(s.Sysctls)),
		VolumeDriver: s.VolumeDriver, DNS: p.dnsServers(), DNSSearch: s.DNSSearch, DNSOptions: s.DNSOpts,
		ExtraHosts: append([]string{}, slices.Sorted(slices.Values(s.ExtraHosts.AsList(":")))...), StorageOpt: maps.Clone(s.StorageOpt), Privileged: s.Privileged,
		Tmpfs: tmpfsOf(s.Tmpfs), Isolation: container.Isolation(s.Isolation), Runtime: s.Runtime, GroupAdd: s.GroupAdd,
		OomScoreAdj: int(s.OomScoreAdj),
	}
	if s.Logging != nil {
		p.out.Host.LogConfig = container.LogConfig{Type: s.Logging.Driver, Config: maps.Clone(map[string]string(s.Logging.Options))}
	}
	p.security()
}

func tmpfsOf(list []string) map[string]string {
	if len(list) == 0 {
		return nil
	}
	out := map[string]string{}
	for _, t := range list {
		target, options, _ := strings.Cut(t, ":")
		out[target] = options
	}
	return out
}

func (p *plain) dnsServers() []string {
	for i, d := range p.s.DNS {
		if _, err := netip.ParseAddr(d); err != nil {
			p.c.bad(p.at.with("dns", index(i)), "write for example 192.0.2.1", "%q is not an IP address", d)
		}
	}
	return p.s.DNS
}

// restartOf is Docker's restart policy: that of deploy.restart_policy, else that of restart.
func restartOf(s types.ServiceConfig) container.RestartPolicy {
	if s.Deploy != nil && s.Deploy.RestartPolicy != nil {
		r := s.Deploy.RestartPolicy
		out := container.RestartPolicy{Name: restartMode(r.Condition)}
		if r.MaxAttempts != nil {
			out.MaximumRetryCount = int(min(*r.MaxAttempts, 1<<31-1))
		}
		return out
	}
	if s.Restart == "" {
		return container.RestartPolicy{}
	}
	word, times, _ := strings.Cut(s.Restart, ":")
	out := container.RestartPolicy{Name: restartMode(word)}
	if n, err := strconv.Atoi(times); err == nil {
		out.MaximumRetryCount = n
	}
	return out
}

// restartMode translates the words of deploy.restart_policy; the others are Docker's own.
func restartMode(word string) container.RestartPolicyMode {
	switch word {
	case "none":
		return container.RestartPolicyDisabled
	case "any":
		return container.RestartPolicyAlways
	}
	return container.RestartPolicyMode(word)
}

// security sets SecurityOpt. Docker wants the content of a seccomp profile, not its path.
func (p *plain) security() {
	for i, opt := range p.s.SecurityOpt {
		if opt == "systempaths=unconfined" {
			p.out.Host.MaskedPaths, p.out.Host.ReadonlyPaths = []string{}, []string{}
			continue
		}
		key, value, ok := strings.Cut(opt, "=")
		if !ok && opt != "no-new-privileges" {
			if key, value, ok = strings.Cut(opt, ":"); !ok {
				p.c.bad(p.at.with("security_opt", index(i)), "write KEY=VALUE", "%q is not a security option", opt)
				continue
			}
		}
		if key == "seccomp" && value != "unconfined" && value != "builtin" {
			profile, err := seccomp(p.c.project.RelativePath(value))
			if err != nil {
				p.c.bad(p.at.with("security_opt", index(i)), "", "%v", err)
				continue
			}
			opt = "seccomp=" + profile
		}
		p.out.Host.SecurityOpt = append(p.out.Host.SecurityOpt, opt)
	}
}

// seccomp reads a profile and removes white space from it.
func seccomp(path string) (string, error) {
	raw, err := readLimited(path)
	if err != nil {
		return "", fmt.Errorf("cannot read the seccomp profile: %w", err)
	}
	var out bytes.Buffer
	if err := json.Compact(&out, raw); err != nil {
		return "", fmt.Errorf("the seccomp profile %s is not valid JSON: %w", path, err)
	}
	return out.String(), nil
}

// isDirectory reports whether a path is an existing directory.
func isDirectory(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}
