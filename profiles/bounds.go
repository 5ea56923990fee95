package profiles

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/lyandev/lyandev/services"
)

// Limits of what a stack may ask for. Merging takes time that grows with the square of the number of ports.
const (
	maxPorts = 20_000
	// maxPods is about the number of addresses in a stack's network; see podnet.CheckRoom for the exact one.
	maxPods = 1000
)

// bounds checks ports and their number before compose-go expands their ranges.
func (l *load) bounds() {
	total := 0
	check := func(root *item, prefix keyPath) {
		m := root.get("services")
		if !m.isMap() {
			return
		}
		for _, name := range m.keys {
			at := prefix.with("services", name)
			for _, field := range []string{"ports", "expose"} {
				list := m.get(name, field)
				if list == nil {
					continue
				}
				for i, p := range list.list {
					total += l.port(p, field, at.with(field, index(i)), total)
				}
			}
		}
	}
	for _, d := range l.docs {
		check(d.root, nil)
	}
	for _, d := range l.related {
		check(d.root, nil)
	}
	for _, pr := range l.chain {
		for _, f := range pr.fragments {
			check(f.root, f.prefix)
		}
	}
}

// port checks one entry of ports or expose in the short form, and returns how many ports it stands for. before is the number of
// ports of earlier entries.
func (l *load) port(it *item, field string, at keyPath, before int) int {
	if it.isMap() {
		if target := it.get("target"); target != nil {
			if n, ok := wholeNumber(target.value, target.replaced); ok && (n < 1 || n > 65535) {
				l.p.at(target.pos, at.with("target"), "write a port from 1 to 65535", "%v is not a port", target.value)
			}
		}
		return 1
	}
	if it.isList || it.value == nil {
		return 1 // the schema checks it
	}
	text := fmt.Sprint(it.value)
	if strings.Contains(text, "${") {
		return 1 // a variable of an inactive profile
	}
	n := rangeSize(text)
	if before+n > maxPorts {
		l.tooMany = true
		if before <= maxPorts {
			l.p.at(it.pos, at, "use network_mode: host for so many ports", "%q makes more than %d ports in the stack", text, maxPorts)
		}
		return n
	}
	if field == "expose" {
		return n // its form is checked where it is converted
	}
	if _, err := types.ParsePortConfig(text); err != nil {
		l.p.at(it.pos, at, "write for example 8080:80 or 127.0.0.1:8080:80/tcp", "%q is not a port mapping: %s", text, err)
	}
	return n
}

// rangeSize is the number of container ports in a short-form entry, 1 if it has no valid range.
func rangeSize(entry string) int {
	entry, _, _ = strings.Cut(entry, "/")
	if i := strings.LastIndexByte(entry, ':'); i >= 0 {
		entry = entry[i+1:]
	}
	first, last, ok := strings.Cut(entry, "-")
	from, errFrom := strconv.ParseUint(first, 10, 16)
	to, errTo := strconv.ParseUint(last, 10, 16)
	if !ok || errFrom != nil || errTo != nil || to < from {
		return 1
	}
	return int(to-from) + 1
}

// podRoom reports a stack that asks for more pods than its network can have. podnet.CheckRoom checks it again, exactly, when the
// network is known.
func (c *converter) podRoom() {
	var total int64
	var most *services.Workload
	for _, w := range c.stack.Workloads {
		total += int64(w.Replicas())
		if most == nil || w.Replicas() > most.Replicas() {
			most = w
		}
	}
	if total <= maxPods {
		return
	}
	name := c.written(most.Name())
	c.bad(keyPath{"services", name, "deploy", "replicas"}, "lower it",
		"the stack asks for %d containers, %d of them for %s; its network has addresses for about %d", total, most.Replicas(), name, maxPods)
}
