package upplan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/services"
)

// objectKinds are the kinds of objects that are no services, with what people call those that a Compose file has.
var objectKinds = map[string]string{
	"Service": "Service", "ConfigMap": "config", "Secret": "secret", "Ingress": "Ingress", "Network": "network", "Volume": "volume",
}

func isObject(kind string) bool { return objectKinds[kind] != "" }

// object is what happens to an object that is no service. told are the services that have a line, text all of these lines.
func object(c profiles.Change, told map[string]bool, text string) Object {
	o := Object{Kind: c.Kind, Name: c.Name, Fields: c.Fields, Action: map[profiles.Action]Action{
		profiles.Start: Create, profiles.Stop: Remove, profiles.Update: Change,
	}[c.Action]}
	name := objectKinds[c.Kind] + " " + c.Name
	content := c.Kind == "ConfigMap" || c.Kind == "Secret"
	switch {
	case content && (c.Action != profiles.Update || strings.Contains(text, "content of "+name)):
		// one that is new or gone is so because of who uses it
	case content:
		o.Text = name + ": its content changed"
	case c.Kind == "Volume" && c.Action == profiles.Update && onlyHowItIsMounted(c.Reasons):
		// a service that mounts it has other semantics now, which its own line says; the volume stays as it is
	case told[c.Name] && c.Kind != "Network" && c.Kind != "Volume":
	case c.Action == profiles.Start:
		o.Text = name + ": added"
	case c.Action == profiles.Stop:
		o.Text = name + ": removed"
	default:
		o.Text = name + ": changed: " + strings.Join(topics(c.Reasons), ", ")
	}
	return o
}

// onlyHowItIsMounted reports whether a volume stays, and only the way changes in which services get it.
func onlyHowItIsMounted(reasons []string) bool {
	return !slices.ContainsFunc(topics(reasons), func(t string) bool { return t != "claim" && t != "onDemand" })
}

// hostPorts are the host ports that are added, removed or moved. name is what people call a Service.
func hostPorts(before, after []services.HostPort, name func(service string) string) []Object {
	target := func(h services.HostPort) services.HostPort {
		return services.HostPort{Namespace: h.Namespace, Service: h.Service, Port: h.Port, Protocol: h.Protocol}
	}
	missing := func(list, other []services.HostPort) (out []services.HostPort) {
		for _, h := range list {
			if !slices.ContainsFunc(other, func(o services.HostPort) bool { return target(o) == target(h) && o.Address() == h.Address() }) {
				out = append(out, h)
			}
		}
		return out
	}
	gone, added := missing(before, after), missing(after, before)
	var out []Object
	add := func(action Action, h services.HostPort, text string) {
		out = append(out, Object{Kind: "HostPort", Name: h.Address(), Action: action, Text: fmt.Sprintf("%s: host port %s", name(h.Service), text)})
	}
	for _, h := range added {
		i := slices.IndexFunc(gone, func(o services.HostPort) bool { return target(o) == target(h) })
		if i < 0 {
			add(Create, h, address(h)+" added")
			continue
		}
		add(Change, h, fmt.Sprintf("moved from %s to %s", address(gone[i]), address(h)))
		gone = slices.Delete(gone, i, i+1)
	}
	for _, h := range gone {
		add(Remove, h, address(h)+" removed")
	}
	return out
}

// address is a host port for people.
func address(h services.HostPort) string {
	if h.HostPort == 0 {
		return "on " + h.HostIP + " (any free one)"
	}
	return h.Address()
}
