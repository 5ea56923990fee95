package agent

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// sample is a stack as tests use it: a ClusterIP, a headless one with hostnames, an external one, one without endpoints.
func sample() *Table {
	addr := netip.MustParseAddr
	return &Table{
		Format: TableFormat, Version: 1,
		Pods: []Pod{
			{Name: "db-0", UID: "u0", Address: addr("10.201.0.10"), Hostname: "db-0", Subdomain: "db", Ready: true},
			{Name: "db-1", UID: "u1", Address: addr("10.201.0.11"), Hostname: "db-1", Subdomain: "db", Ready: true},
			{Name: "db-2", UID: "u2", Address: addr("10.201.0.12"), Hostname: "db-2", Subdomain: "db"},
			{Name: "web-a", UID: "u3", Address: addr("10.201.0.20"), Ready: true},
			{Name: "web-b", UID: "u4", Address: addr("10.201.0.21"), Ready: true, Terminating: true},
		},
		Services: []Service{
			{
				Namespace: "default", Name: "db", Ports: []ServicePort{{Name: "mysql", Protocol: TCP, Port: 3306}},
				Subsets: []Subset{{Pods: []int{0, 1, 2}, Ports: []uint16{13306}}},
			},
			{
				Namespace: "default", Name: "db-all", PublishNotReady: true, Ports: []ServicePort{{Protocol: TCP, Port: 3306}},
				Subsets: []Subset{{Pods: []int{0, 1, 2}, Ports: []uint16{3306}}},
			},
			{
				Namespace: "default", Name: "web", VIP: addr("10.201.2.1"),
				Ports: []ServicePort{
					{Name: "http", Protocol: TCP, Port: 80},
					{Name: "dns", Protocol: UDP, Port: 53},
				},
				Subsets: []Subset{{Pods: []int{3, 4}, Ports: []uint16{8000, 5353}}},
			},
			{
				Namespace: "default", Name: "empty", VIP: addr("10.201.2.2"),
				Ports: []ServicePort{{Protocol: TCP, Port: 80}},
			},
			{Namespace: "default", Name: "none", Ports: []ServicePort{{Protocol: TCP, Port: 80}}},
			{
				Namespace: "default", Name: "portless",
				Subsets: []Subset{{Pods: []int{3}}},
			},
			{Namespace: "default", Name: "docs", ExternalName: "example.org"},
			{Namespace: "default", Name: "alias", ExternalName: "web.default.svc.cluster.local"},
			{Namespace: "default", Name: "loop", ExternalName: "loop.default.svc.cluster.local"},
			{Namespace: "default", Name: "number", ExternalName: "192.0.2.7"},
			{Namespace: "tools", Name: "grafana", VIP: addr("10.201.2.3"), Ports: []ServicePort{{Name: "http", Protocol: TCP, Port: 3000}}},
		},
	}
}

func TestTableRoundTrip(t *testing.T) {
	raw, err := json.Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeTable(raw)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := json.Marshal(got)
	if string(again) != string(raw) {
		t.Errorf("read back\n%s\nwant\n%s", again, raw)
	}
}

func TestTableRefused(t *testing.T) {
	change := func(f func(*Table)) string {
		s := sample()
		f(s)
		raw, _ := json.Marshal(s)
		return string(raw)
	}
	good := change(func(*Table) {})
	for name, c := range map[string]struct{ body, want string }{
		"not JSON":          {"services", "cannot decode table"},
		"unknown field":     {`{"format":1,"version":1,"extra":1}`, "unknown field"},
		"data after it":     {good + "{}", "data after the table"},
		"other format":      {change(func(s *Table) { s.Format = 9 }), "format is 9, this agent supports 1"},
		"pod by index":      {change(func(s *Table) { s.Services[0].Subsets[0].Pods[0] = 99 }), "no pod 99"},
		"negative index":    {change(func(s *Table) { s.Services[0].Subsets[0].Pods[0] = -1 }), "array of indexes"},
		"port count":        {change(func(s *Table) { s.Services[0].Subsets[0].Ports = nil }), "0 target ports for 1 ports"},
		"service name":      {change(func(s *Table) { s.Services[0].Name = "../x" }), "DNS labels"},
		"twice":             {change(func(s *Table) { s.Services[1].Name = "db" }), "declared twice"},
		"shared VIP":        {change(func(s *Table) { s.Services[3].VIP = s.Services[2].VIP }), "is also that of"},
		"IPv6":              {change(func(s *Table) { s.Pods[0].Address = netip.IPv6Loopback() }), "not IPv4"},
		"SCTP":              {change(func(s *Table) { s.Services[0].Ports[0].Protocol = "SCTP" }), "cannot be served"},
		"affinity":          {change(func(s *Table) { s.Services[2].AffinitySeconds = 86401 }), "0..86400"},
		"host port 0":       {change(func(s *Table) { s.HostPorts = []HostPort{{Protocol: TCP}} }), "host port 0/TCP"},
		"ingress path":      {change(func(s *Table) { s.Ingress = []IngressRule{{Path: "x", PathType: "Prefix"}} }), "must begin with /"},
		"ingress path type": {change(func(s *Table) { s.Ingress = []IngressRule{{Path: "/x", PathType: "Regex"}} }), "path type"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := DecodeTable(strings.NewReader(c.body))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	if _, err := DecodeTable(strings.NewReader(strings.Repeat(" ", MaxTableBytes+1))); err == nil {
		t.Error("a table over the limit was taken")
	}
}

func TestValidateReportsAll(t *testing.T) {
	s := sample()
	s.Services[0].Name, s.Services[2].AffinitySeconds = "A", -1
	err := s.Validate()
	if err == nil || !strings.Contains(err.Error(), "default/A") || !strings.Contains(err.Error(), "affinity of -1") {
		t.Errorf("not all errors: %v", err)
	}
}

func FuzzDecodeTable(f *testing.F) {
	raw, _ := json.Marshal(sample())
	f.Add(raw)
	f.Add([]byte(`{"format":1,"services":[{"subsets":[{"pods":[0]}]}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		table, err := decodeTable(raw)
		if err != nil {
			return
		}
		ix := newIndex(table) // what Validate let through must not break what serves it
		for i := range table.Services {
			s := &table.Services[i]
			for n := range s.Ports {
				ix.targets(s, n)
			}
		}
		ix.names(netip.MustParseAddr("10.201.0.10"))
	})
}

func TestTargets(t *testing.T) {
	pods := func(ix *index, name string) (out []string) {
		for _, w := range ix.targets(ix.service("default", name), 0) {
			out = append(out, w.pod)
		}
		return out
	}
	check := func(ix *index, service, want string) {
		t.Helper()
		if got := strings.Join(pods(ix, service), " "); got != want {
			t.Errorf("%s goes to %q, want %q", service, got, want)
		}
	}
	table := sample()
	ix := newIndex(table)
	check(ix, "db", "db-0 db-1")
	check(ix, "db-all", "db-0 db-1 db-2") // R123
	check(ix, "web", "web-a")             // a ready one is there: the terminating one is left out
	check(ix, "empty", "")

	table = sample()
	table.Pods[3].Ready = false
	check(newIndex(table), "web", "web-b") // R122: none ready, one that serves while it terminates
	table.Pods[4].Ready = false
	check(newIndex(table), "web", "")

	table = sample()
	table.Services[0].Subsets[0].Ports[0] = 0
	check(newIndex(table), "db", "") // a named port that the pods lack
}

// Plain services: the ready pods; while there are none those that start; while there are none those that end.
func TestTargetsOfPlainServices(t *testing.T) {
	table := &Table{
		Pods: []Pod{
			{Name: "a", Address: netip.MustParseAddr("10.201.3.1"), Ready: true},
			{Name: "b", Address: netip.MustParseAddr("10.201.3.2")},
			{Name: "c", Address: netip.MustParseAddr("10.201.3.3"), Ready: true, Terminating: true},
		},
		Services: []Service{{
			Namespace: "default", Name: "s", PublishNotReady: true, PreferReady: true, Ports: []ServicePort{{Protocol: TCP, Port: 80}},
			Subsets: []Subset{{Pods: Indexes{0, 1, 2}, Ports: []uint16{80}}},
		}},
	}
	check := func(when, want string) {
		t.Helper()
		ix := newIndex(table)
		var got []string
		for _, w := range ix.targets(ix.service("default", "s"), 0) {
			got = append(got, w.pod)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	check("one is healthy", "a")
	table.Pods[0].Ready = false
	check("none is healthy", "a b")
	table.Pods[0].Terminating, table.Pods[1].Terminating = true, true
	check("all end", "a b c")
	table.Services[0].PreferReady = false
	table.Pods[2].Terminating = false
	check("of Kubernetes' semantics", "a b c") // R123
}

func TestIndexes(t *testing.T) {
	for raw, want := range map[string]string{
		"[]": "[]", "[7]": "[7]", "[0,12,345]": "[0 12 345]", "[ 1 ,\n 2]": "[1 2]", "null": "[]", "[999999999]": "[999999999]",
		`"x"`: "error", "[1.5]": "error", "[-1]": "error", `["1"]`: "error", "[[1]]": "error", "[1e3]": "error",
		"[9999999999]": "error", "{}": "error", "[1,2": "error", "[null]": "error",
	} {
		var x Indexes
		got := "error"
		if err := json.Unmarshal([]byte(raw), &x); err == nil {
			got = fmt.Sprint([]int(x))
		}
		if got != want {
			t.Errorf("%s read as %s, want %s", raw, got, want)
		}
	}
}
