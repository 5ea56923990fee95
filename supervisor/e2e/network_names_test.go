package e2e_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
)

// answer is what a name gave inside a pod.
type answer struct {
	rcode   string
	records []string // "NAME TTL IN TYPE DATA"
}

// data are the records without the name and the TTL, sorted.
func (a answer) data() []string {
	var out []string
	for _, r := range a.records {
		f := strings.Fields(r)
		out = append(out, strings.Join(f[3:], " "))
	}
	slices.Sort(out)
	return out
}

// dig asks the resolver of the pod client for one name.
func dig(i *harness.Instance, name, kind string) answer { return digAll(i, name, kind)[0] }

// digAll asks it for pairs of names and types.
func digAll(i *harness.Instance, args ...string) (out []answer) {
	for block := range strings.SplitSeq(inPod(i, "client", append([]string{"/testpod", "dig"}, args...)...), "\n\n") {
		lines := strings.Split(block, "\n")
		out = append(out, answer{lines[0], lines[1:]})
	}
	return out
}

// TestNames: inside a pod, names answer as CoreDNS answers in a cluster, and lead where the registry says.
func TestNames(t *testing.T) {
	t.Parallel()
	i := newNet(t, netNames)
	i.Up("--wait")
	known := endpoints(t, i)
	web, db := known["web"], known["db"]
	if web.Address == "" || web.Type != "ClusterIP" || db.Type != "Headless" || len(db.Ready) != 3 {
		t.Fatalf("the registry says %+v and %+v", web, db)
	}
	var addresses, srv []string
	for _, e := range db.Ready {
		addresses = append(addresses, "A "+e.Address)
		srv = append(srv, "SRV 0 33 9001 "+e.Hostname+".")
	}
	slices.Sort(addresses)
	const zone = ".default.svc.cluster.local"
	cases := []struct {
		name, kind, rcode string
		want              []string
	}{
		{"web" + zone, "A", "NOERROR", []string{"A " + web.Address}},
		{"db" + zone, "A", "NOERROR", addresses},
		{"db-1.db" + zone, "A", "NOERROR", []string{"A " + i.Pod("db-1").Status.PodIP}},
		{"_memcache._tcp.db" + zone, "SRV", "NOERROR", srv},
		{"_http._tcp.web" + zone, "SRV", "NOERROR", []string{"SRV 0 100 80 web" + zone + "."}},
		{"_talk._udp.web" + zone, "SRV", "NOERROR", []string{"SRV 0 100 90 web" + zone + "."}},
		{reverse(t, web.Address), "PTR", "NOERROR", []string{"PTR web" + zone + "."}},
		{"outside" + zone, "CNAME", "NOERROR", []string{"CNAME example.com."}},
		{"web" + zone, "AAAA", "NOERROR", nil},
		{"empty" + zone, "A", "NOERROR", []string{"A " + known["empty"].Address}},
		{"nothere" + zone, "A", "NXDOMAIN", nil},
		{"db-7.db" + zone, "A", "NXDOMAIN", nil},
		{"_http._udp.web" + zone, "SRV", "NXDOMAIN", nil},
	}
	var questions []string
	for _, c := range cases {
		questions = append(questions, c.name, c.kind)
	}
	for _, transport := range [][]string{nil, {"+tcp"}} {
		answers := digAll(i, append(transport, questions...)...)
		for n, c := range cases {
			if got := answers[n]; got.rcode != c.rcode || !slices.Equal(got.data(), c.want) {
				t.Errorf("%v %s %s: %s %v, want %s %v", transport, c.name, c.kind, got.rcode, got.data(), c.rcode, c.want)
			}
		}
	}
	first := map[string]bool{}
	for _, a := range digAll(i, slices.Repeat([]string{"db" + zone, "A"}, 9)...) {
		first[a.records[0]] = true
	}
	if len(first) != 3 {
		t.Errorf("of three addresses %d come first", len(first))
	}
	shortNames(t, i, web.Address)
	notReadyNames(t, i)
	forwarded(t, i)
	serviceEnvironment(t, i, web.Address)
}

// shortNames: the C library's resolver finds names by the search list; ndots:5 sends all of these through it first.
func shortNames(t *testing.T, i *harness.Instance, web string) {
	t.Helper()
	for name, want := range map[string]string{
		"web": web, "web.default": web, "web.default.svc": web, "web.default.svc.cluster.local": web,
		"db-0.db": i.Pod("db-0").Status.PodIP,
	} {
		if out := inPod(i, "client", "getent", "ahostsv4", name); !strings.HasPrefix(out, want+" ") {
			t.Errorf("getent %s says %q, want %s", name, out, want)
		}
	}
	if out := inPod(i, "client", "cat", "/etc/resolv.conf"); !strings.Contains(out, "ndots:5") {
		t.Errorf("resolv.conf is %q", out)
	}
	if r := i.Run("exec", "client", "--", "getent", "ahostsv4", "nothere"); r.Code != 2 {
		t.Errorf("getent nothere ends with %d: %s", r.Code, r.Out)
	}
}

// notReadyNames: a headless Service leaves out what is not ready, one with publishNotReadyAddresses does not.
func notReadyNames(t *testing.T, i *harness.Instance) {
	t.Helper()
	inPod(i, "db-1", "touch", "/tmp/notready")
	i.Until(harnessLimit, "db-1 is not ready", func(s *state) bool { return !podReady(s.Pod("db-1")) })
	const zone = ".default.svc.cluster.local"
	if got := dig(i, "db"+zone, "A"); len(got.records) != 2 {
		t.Errorf("with one of three not ready db has %v", got.records)
	}
	if got := dig(i, "db-1.db"+zone, "A"); got.rcode != "NXDOMAIN" {
		t.Errorf("a pod that is not ready has the name %v", got)
	}
	if got := dig(i, "db-early"+zone, "A"); len(got.records) != 3 {
		t.Errorf("with publishNotReadyAddresses db-early has %v", got.records)
	}
	if e := endpoints(t, i)["db"]; len(e.NotReady) != 1 || e.NotReady[0].Pod != "db-1" {
		t.Errorf("the registry's not-ready endpoints are %v", e.NotReady)
	}
	inPod(i, "db-1", "rm", "/tmp/notready")
}

// forwarded: what is not the cluster's goes to the agent's own resolver, Docker's, which knows containers in networks. That
// resolver stands before the agent too, and answers for itself who has a pod's address: so that is asked of the agent.
func forwarded(t *testing.T, i *harness.Instance) {
	t.Helper()
	ip := agentAddress(t, i, i.Engine())
	ask := func(name string, kind uint16) (out []string) {
		a, _, err := new(dns.Client).Exchange(new(dns.Msg).SetQuestion(name, kind), net.JoinHostPort(ip.String(), "53"))
		if err != nil {
			t.Fatal(err)
		}
		for _, rr := range a.Answer {
			out = append(out, strings.Join(strings.Fields(rr.String())[3:], " "))
		}
		return out
	}
	if got := ask(i.Name+"-agent."+i.Name+"_default.", dns.TypeA); !slices.Equal(got, []string{"A " + ip.String()}) {
		t.Errorf("the agent says of a name outside: %v", got)
	}
	if got := ask(reverse(t, i.Pod("db-2").Status.PodIP), dns.TypePTR); !slices.Equal(got, []string{"PTR db-2.db.default.svc.cluster.local."}) {
		t.Errorf("the agent says of db-2's address: %v", got)
	}
	if got := dig(i, "name.invalid", "A"); got.rcode == "NOERROR" {
		t.Errorf("a name that cannot exist gives %v", got)
	}
}

// serviceEnvironment: the variables of the Services that have an address, unless enableServiceLinks is false.
func serviceEnvironment(t *testing.T, i *harness.Instance, web string) {
	t.Helper()
	env := inPod(i, "client", "env")
	for _, want := range []string{
		"WEB_SERVICE_HOST=" + web, "WEB_SERVICE_PORT=80", "WEB_SERVICE_PORT_HTTP=80", "WEB_SERVICE_PORT_TALK=90",
		fmt.Sprintf("WEB_PORT=tcp://%s:80", web), fmt.Sprintf("WEB_PORT_90_UDP=udp://%s:90", web), "WEB_PORT_80_TCP_ADDR=" + web,
		"WEB_STICKY_SERVICE_HOST=",
	} {
		if !strings.Contains("\n"+env+"\n", "\n"+want) {
			t.Errorf("the environment lacks %s", want)
		}
	}
	if strings.Contains(env, "DB_SERVICE_HOST") {
		t.Error("a headless Service has variables")
	}
	if out := inPod(i, "db-0", "env"); strings.Contains(out, "SERVICE_HOST") {
		t.Errorf("with enableServiceLinks: false the environment is\n%s", out)
	}
}

func reverse(t *testing.T, ip string) string {
	t.Helper()
	name, err := dns.ReverseAddr(ip)
	if err != nil {
		t.Fatal(err)
	}
	return name
}
