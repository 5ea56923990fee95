package doctor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// pullHost is the registry of images without one.
const pullHost = "registry-1.docker.io"

func lookDNS(ctx context.Context) func(*Facts) {
	limited, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	d := DNS{Name: pullHost, Servers: nameServers("/etc/resolv.conf")}
	_, d.Err = net.DefaultResolver.LookupHost(limited, pullHost)
	d.ForContainers = forContainers(d.Servers, nameServers("/run/systemd/resolve/resolv.conf"), daemonServers())
	return func(f *Facts) { f.DNS = d }
}

// forContainers are the name servers that Docker gives to containers: those of its own configuration, else the host's without
// those of the loopback, which are the host's own; with only such a server, those of systemd-resolved.
func forContainers(host, resolved, daemon []string) []string {
	if len(daemon) > 0 {
		return daemon
	}
	usable := func(list []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(s string) bool {
			a, err := netip.ParseAddr(s)
			return err != nil || a.IsLoopback()
		})
	}
	if slices.Equal(host, []string{"127.0.0.53"}) {
		return usable(resolved)
	}
	return usable(host)
}

// nameServers reads those of a resolv.conf, none if there is no such file.
func nameServers(path string) []string {
	b, _ := os.ReadFile(path)
	var out []string
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) > 1 && f[0] == "nameserver" {
			out = append(out, f[1])
		}
	}
	return out
}

// daemonServers reads those of the engine's configuration.
func daemonServers() []string {
	var conf struct {
		DNS []string `json:"dns"`
	}
	if b, err := os.ReadFile("/etc/docker/daemon.json"); err == nil {
		_ = json.Unmarshal(b, &conf) // the engine does not start with an invalid one
	}
	return conf.DNS
}

func (s *shared) rights(context.Context) func(*Facts) {
	r := Rights{StateDir: s.m.StateDir, StateErr: writable(s.m.StateDir), User: "this user"}
	me, err := user.Current()
	if err == nil {
		r.User = me.Username
	}
	at, addrErr := engine.Chosen()
	if path, found := strings.CutPrefix(at.Host, "unix://"); found && addrErr == nil {
		if info, err := os.Stat(path); err == nil {
			r.Socket, r.SocketMode, r.SocketGroup = path, info.Mode(), groupOf(info)
		}
	}
	if me != nil && r.SocketGroup != "" {
		r.Member = isMember(me, r.SocketGroup)
	}
	return func(f *Facts) { f.Rights = r }
}

// isMember reports whether the user database has a user in a group.
func isMember(u *user.User, group string) bool {
	ids, err := u.GroupIds()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(ids, func(id string) bool {
		g, err := user.LookupGroupId(id)
		return err == nil && g.Name == group
	})
}

// writable tries to make a file in a directory, or a directory in the nearest one above it that exists. Nothing is left there.
func writable(dir string) error {
	f, err := os.CreateTemp(existing(dir), ".lyandev-doctor-*")
	if err != nil {
		return err
	}
	_ = f.Close()
	return os.Remove(f.Name())
}
