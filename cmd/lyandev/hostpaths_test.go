package main

import (
	"bytes"
	"testing"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func TestHostPathsOfUp(t *testing.T) {
	etc := services.HostPath{Path: "/etc/hostname", Service: "web"}
	other := services.HostPath{Path: "/etc/hostname", Service: "worker"}
	socket := services.HostPath{Path: "/var/run/docker.sock", Service: "Proxy", Socket: true}
	const note = "note: paths outside the project are mounted: /etc/hostname, /proc\n"
	const warning = "warning: the container engine's socket is mounted, which gives control of this host: /var/run/docker.sock (service Proxy)\n"
	for _, c := range []struct {
		name  string
		paths []services.HostPath
		quiet bool
		want  string
	}{
		{"none", nil, false, ""},
		{"each path once", []services.HostPath{etc, other, {Path: "/proc", Service: "web"}}, false, note},
		{"the engine's socket", []services.HostPath{etc, socket, {Path: "/proc", Service: "web"}}, false, note + warning},
		{"quiet", []services.HostPath{etc, socket}, true, warning},
	} {
		var out bytes.Buffer
		printHostPaths(&ui.Streams{Err: &out}, c.paths, c.quiet)
		if out.String() != c.want {
			t.Errorf("%s: printed\n%swant\n%s", c.name, out.String(), c.want)
		}
	}
}
