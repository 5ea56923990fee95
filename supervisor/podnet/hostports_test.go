package podnet

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/network"
)

// busy listens at a port of 127.0.0.1 until the test ends.
func busy(t *testing.T) int32 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return int32(l.Addr().(*net.TCPAddr).Port)
}

func hostPort(n int32) services.HostPort {
	return services.HostPort{HostIP: "127.0.0.1", HostPort: n, Service: "web", Port: 80, Protocol: corev1.ProtocolTCP, Source: "f:1"}
}

func agentWith(n int32) *engine.Container {
	return &engine.Container{Ports: []engine.PortBinding{{HostIP: loopback, HostPort: uint16(n), ContainerPort: 1, Protocol: "tcp"}}}
}

func choose(t *testing.T, c portChooser, wanted int32) int32 {
	t.Helper()
	c.local = true
	if c.taken == nil {
		c.taken = map[string]bool{}
	}
	p := hostPort(wanted)
	if err := c.choose(&p); err != nil {
		t.Fatal(err)
	}
	return p.HostPort
}

func TestChoosePort(t *testing.T) {
	taken, other := busy(t), busy(t)
	free, err := network.NextFree("tcp", loopback, 23000)
	if err != nil {
		t.Fatal(err)
	}
	before := func(wanted, got int32) map[string]int32 { return map[string]int32{portKey(hostPort(wanted)): got} }
	if got := choose(t, portChooser{}, int32(free)); got != int32(free) {
		t.Errorf("a free port becomes %d", got)
	}
	if got := choose(t, portChooser{old: agentWith(taken)}, taken); got != taken {
		t.Errorf("what the agent has becomes %d", got)
	}
	if got := choose(t, portChooser{auto: true}, taken); got <= taken {
		t.Errorf("a taken port with auto becomes %d", got)
	}
	if got := choose(t, portChooser{auto: true, before: before(taken, int32(free))}, taken); got != int32(free) {
		t.Errorf("what was chosen before (%d) becomes %d", free, got)
	}
	if got := choose(t, portChooser{before: before(taken, other), old: agentWith(other)}, taken); got != other {
		t.Errorf("what the agent has by an earlier choice (%d) becomes %d, without auto", other, got)
	}
	if got := choose(t, portChooser{before: before(0, other)}, 0); got == other || got == 0 {
		t.Errorf("any port, the one of before being taken (%d), becomes %d", other, got)
	}
	c := portChooser{taken: map[string]bool{portAddress(hostPort(20080)): true}}
	if got := choose(t, c, 0); got <= 20080 {
		t.Errorf("any port, though 20080 is asked for elsewhere, becomes %d", got)
	}
}

func TestTakenPortNamesItsOwner(t *testing.T) {
	p := hostPort(busy(t))
	err := (&portChooser{local: true, taken: map[string]bool{}}).choose(&p)
	var conflict *network.PortConflict
	if !errors.As(err, &conflict) || conflict.PID == 0 {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"f:1", "in use by process", "--ports auto"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

func TestOursLooksAtTheProtocol(t *testing.T) {
	udp := hostPort(53)
	udp.Protocol = corev1.ProtocolUDP
	ip := netip.MustParseAddr("127.0.0.1")
	if ours(agentWith(53), udp, ip) {
		t.Error("a UDP port is taken for the TCP port of that number")
	}
	if !ours(agentWith(53), hostPort(53), ip) || ours(nil, udp, ip) {
		t.Error("a TCP port is not seen")
	}
}
