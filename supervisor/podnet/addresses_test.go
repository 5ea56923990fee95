package podnet

import (
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/supervisor/network"
)

func service(name string) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// TestTheNetworkIsMadeInTheSubnetThatItHad: addresses stay what they were after everything was pruned.
func TestTheNetworkIsMadeInTheSubnetThatItHad(t *testing.T) {
	subnet := "203.0.112.0/22" // of no machine that this runs on
	r := newRig(t, t.TempDir())
	saved := `{"pods": {"db-0": "203.0.112.77"}, "services": {"db": "203.0.114.9"}, "subnet": "` + subnet + `"}`
	if err := os.WriteFile(r.n.cfg.Instance.File(addressFile), []byte(saved), 0o600); err != nil {
		t.Fatal(err)
	}
	made, err := r.n.ensureNetwork(t.Context())
	if err != nil || !made || r.n.layout.Subnet.String() != subnet {
		t.Errorf("made %v in %s, %v", made, r.n.layout.Subnet, err)
	}
	if a, err := r.n.PodIP("db-0"); err != nil || a != netip.MustParseAddr("203.0.112.77") {
		t.Errorf("db-0 has %s, %v", a, err)
	}
	db, web := service("db"), service("web")
	headless := service("headless")
	headless.Spec.ClusterIP = corev1.ClusterIPNone
	if err := r.n.ClusterIPs([]*corev1.Service{db, web, headless}); err != nil || db.Spec.ClusterIP != "203.0.114.9" {
		t.Errorf("service db has %s, %v", db.Spec.ClusterIP, err)
	}
	if a, err := netip.ParseAddr(web.Spec.ClusterIP); err != nil || !r.n.layout.Services.Contains(a) {
		t.Errorf("service web has %q", web.Spec.ClusterIP)
	}
	if headless.Spec.ClusterIP != corev1.ClusterIPNone {
		t.Errorf("a headless service has %q", headless.Spec.ClusterIP)
	}
	if made, err := r.n.ensureNetwork(t.Context()); err != nil || made {
		t.Errorf("made again: %v, %v", made, err)
	}
	next := newRig(t, t.TempDir())
	next.n.cfg.Instance = r.n.cfg.Instance
	if got := next.n.load(); got.Pods["db-0"] != netip.MustParseAddr("203.0.112.77") || got.Services["web"].String() != web.Spec.ClusterIP {
		t.Errorf("saved are %+v", got)
	}
}

// TestEnsureKeepsTheAddressesInUse: a second apply finds the network as it is; the pods that run keep their addresses, and a
// new pod gets none of them. Another subnet starts afresh.
func TestEnsureKeepsTheAddressesInUse(t *testing.T) {
	r := newRig(t, t.TempDir())
	if err := r.n.Ensure(t.Context(), publishing(), false); err != nil {
		t.Fatal(err)
	}
	first, err := network.NewAllocator(r.n.layout.Pods).Allocate("new-0")
	if err != nil {
		t.Fatal(err)
	}
	r.n.AdoptPod("running-0", first.String())
	r.n.AdoptPod("starting-0", "")
	if err := r.n.Ensure(t.Context(), publishing(), false); err != nil {
		t.Fatal(err)
	}
	if got, err := r.n.PodIP("new-0"); err != nil || got == first {
		t.Errorf("a new pod gets %s, %v: pod running-0 has that address", got, err)
	}
	if got, err := r.n.PodIP("running-0"); err != nil || got != first {
		t.Errorf("pod running-0 has %s now, %v; it had %s", got, err, first)
	}
	r.n.Release("running-0")
	if _, held := r.n.pods.Held()["running-0"]; held {
		t.Error("a released address is in use")
	}
	other := netip.MustParsePrefix("203.0.112.0/22")
	if err := r.n.use(other, savedAddresses{}); err != nil {
		t.Fatal(err)
	}
	if got, err := r.n.PodIP("new-0"); err != nil || !other.Contains(got) {
		t.Errorf("in another subnet a pod gets %s, %v", got, err)
	}
}

// TestNothingWaitsForTheDisk: while the addresses are written, what the loop calls at every look goes on.
func TestNothingWaitsForTheDisk(t *testing.T) {
	r := newRig(t, t.TempDir())
	if err := r.n.Ensure(t.Context(), publishing(), false); err != nil {
		t.Fatal(err)
	}
	r.n.saving.Lock() // a disk that hangs
	written := make(chan error, 1)
	go func() { _, err := r.n.PodIP("web-0"); written <- err }()
	for allocated := false; !allocated; runtime.Gosched() { // until PodIP has come to the writing
		r.n.mu.Lock()
		allocated = r.n.pods.Len() > 0
		r.n.mu.Unlock()
	}
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		r.n.Offer(view("web-0"))
		r.n.Bound()
		r.n.Complete(*view())
	}()
	select {
	case <-looked:
	case <-time.After(20 * time.Second):
		t.Error("the loop waits for the disk")
	}
	select {
	case err := <-written:
		t.Errorf("an address is given out before it is written (%v)", err)
	default:
	}
	r.n.saving.Unlock()
	if err := <-written; err != nil {
		t.Error(err)
	}
}

func TestBeforeTheNetworkIsThere(t *testing.T) {
	r := newRig(t, t.TempDir())
	if _, err := r.n.PodIP("a"); err == nil {
		t.Error("a pod gets an address")
	}
	if err := r.n.ClusterIPs([]*corev1.Service{service("a")}); err == nil {
		t.Error("a service gets an address")
	}
	if _, err := r.n.DialContext(t.Context(), "tcp", "10.0.0.1:80"); err == nil {
		t.Error("dialed")
	}
	if r.n.DNS().IsValid() || r.n.Gateway() != "" || r.n.Bound() != nil {
		t.Error("there is something already")
	}
	r.n.Release("a")
	r.n.Look()
}
