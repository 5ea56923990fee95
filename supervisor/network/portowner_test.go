package network

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func TestCheckPort(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	at := netip.MustParseAddrPort(l.Addr().String())
	err = CheckPort("tcp", at)
	var c *PortConflict
	if !errors.As(err, &c) || !errors.Is(err, syscall.EADDRINUSE) || c.Free == 0 || c.Free == int(at.Port()) {
		t.Fatalf("error %v", err)
	}
	if runtime.GOOS == "linux" && (c.PID != os.Getpid() || c.Command == "" || !strings.Contains(err.Error(), "by process")) {
		t.Errorf("owner: %+v: %v", c, err)
	}
	l.Close()
	if err := CheckPort("tcp", at); err != nil {
		t.Errorf("after the close: %v", err)
	}
	if err := CheckPort("tcp", netip.MustParseAddrPort("192.0.2.77:1")); err == nil || errors.As(err, &c) {
		t.Errorf("an address that the host lacks: %v", err)
	}
}

// A port below 1024 is the engine's to bind: not being allowed to bind it says nothing of whether it is taken.
func TestCheckPortThatOnlyRootMayBind(t *testing.T) {
	proc := t.TempDir()
	if err := os.Mkdir(filepath.Join(proc, "net"), 0o700); err != nil {
		t.Fatal(err)
	}
	denied := func(string, netip.AddrPort) error { return os.NewSyscallError("bind", syscall.EACCES) }
	at := netip.MustParseAddrPort("127.0.0.1:80")
	if err := checkPort(proc, "tcp", at, denied); err != nil {
		t.Errorf("nobody listens: %v", err)
	}
	line := "   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0\n"
	if err := os.WriteFile(filepath.Join(proc, "net", "tcp"), []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	var c *PortConflict
	if err := checkPort(proc, "tcp", at, denied); !errors.As(err, &c) || c.PID != 0 || c.Free < 81 {
		t.Errorf("another user's process listens: %v", err)
	}
}

func TestCheckUDPPort(t *testing.T) {
	l, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var c *PortConflict
	if err := CheckPort("udp", l.LocalAddr().(*net.UDPAddr).AddrPort()); !errors.As(err, &c) {
		t.Fatalf("error %v", err)
	}
	if runtime.GOOS == "linux" && c.PID != os.Getpid() {
		t.Errorf("owner %+v", c)
	}
}

func TestListens(t *testing.T) {
	line := func(local, state string) string {
		return "   0: " + local + " 00000000:0000 " + state + " 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0"
	}
	at := netip.MustParseAddrPort("127.0.0.1:8080")
	for text, want := range map[string]bool{
		line("0100007F:1F90", "0A"):                         true,
		line("00000000:1F90", "0A"):                         true, // all addresses
		line("0200007F:1F90", "0A"):                         false,
		line("0100007F:1F91", "0A"):                         false,
		line("0100007F:1F90", "01"):                         false, // a connection
		line("00000000000000000000000000000000:1F90", "0A"): true,
		line("0000000000000000FFFF00000100007F:1F90", "0A"): true,
		line("zz:1F90", "0A"):                               false,
		"sl  local_address":                                 false,
	} {
		inode, got := listens(text, "tcp", at)
		if got != want || (got && inode != "4242") {
			t.Errorf("%s: %v %s", text, got, inode)
		}
	}
}

func TestNextFree(t *testing.T) {
	if _, err := NextFree("tcp", netip.MustParseAddr("192.0.2.77"), 1); err == nil {
		t.Error("found a port at an address that the host lacks")
	}
}
