package supervisor

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/network"
)

// Labels of what is not a pod.
const (
	kindLabel      = "dev.lyandev.kind" // "network", "agent", "volume"; pods' containers say "container", "sandbox", "init"
	agentHashLabel = "dev.lyandev.agent"
	portsLabel     = "dev.lyandev.ports"
)

// fabric is the stack's network: the Docker network, the addresses in it, the agent, and the table it serves.
type fabric struct {
	s *Supervisor

	mu     sync.Mutex
	layout network.Layout
	pods   *network.Allocator
	vips   *network.Allocator
	bound  []network.Published
	// chosen are the host ports that were taken in the place of others, by what was asked for (portKey).
	chosen map[string]int32
	// wanted are the host ports that were asked for, for an agent that has to be made again.
	wanted []services.HostPort
	client *agent.Client
	dialer *network.Dialer
	token  string
	// trouble is why the agent does not serve, "" while it does or is only being started.
	trouble string
	// crowded says that connections wait for room in the agent, "" while none do. instance and waited are the agent's at the
	// last look.
	crowded, instance string
	waited            int64

	// imaging is held while the agent's image is looked for or made. It guards binaryHash, which identifies the running binary,
	// "" until it was asked for.
	imaging    sync.Mutex
	binaryHash string
	// changing is held while the agent is made, replaced or started again.
	changing sync.Mutex

	// What the loop offered and the pusher has not pushed: only the latest counts.
	pending *agent.Table
	after   []func()
	last    []byte
	wake    chan struct{}
	// queued are the callbacks of the step that is going on; the loop's own.
	queued []func()
}

func newFabric(s *Supervisor) *fabric {
	return &fabric{s: s, wake: make(chan struct{}, 1)}
}

// networkName is the name Compose would give it, so that other tools find it.
func (f *fabric) networkName() string { return f.s.cfg.Instance.Name + "_default" }

func (f *fabric) labels(kind string) map[string]string {
	return map[string]string{
		services.ProjectLabel: f.s.cfg.Instance.Name, kindLabel: kind, services.DirLabel: f.s.cfg.Instance.Dir,
		"com.docker.compose.project": f.s.cfg.Instance.Name,
	}
}

// savedAddresses is what the instance remembers of its addresses: they are the same after everything was down.
type savedAddresses struct {
	Pods     map[string]netip.Addr `json:"pods"`
	Services map[string]netip.Addr `json:"services"`
	Subnet   netip.Prefix          `json:"subnet"`
	// Ports are the host ports chosen here, by what was asked for.
	Ports map[string]int32 `json:"ports,omitempty"`
}

// use takes a subnet into use, with the addresses that names had in it before. The subnet that is in use already stays as
// it is: its allocators know the pods that run.
func (f *fabric) use(subnet netip.Prefix, saved savedAddresses) error {
	layout, err := network.LayoutOf(subnet)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pods != nil && f.layout == layout {
		return nil
	}
	f.layout = layout
	f.pods, f.vips = network.NewAllocator(layout.Pods), network.NewAllocator(layout.Services)
	f.chosen = saved.Ports
	if saved.Subnet == subnet {
		for name, a := range saved.Services {
			_ = f.vips.Adopt(name, a) // the file is ours; an address out of range is forgotten
		}
		for name, a := range saved.Pods {
			f.pods.Remember(name, a)
		}
	}
	return nil
}

func (f *fabric) load() savedAddresses {
	var saved savedAddresses
	b, err := os.ReadFile(f.s.cfg.Instance.File("addresses.json"))
	if err == nil {
		err = json.Unmarshal(b, &saved)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.s.log.Warn("cannot read the addresses of before; new ones are given", "error", err)
	}
	return saved
}

// save is called with the lock held.
func (f *fabric) save() {
	b, err := json.Marshal(savedAddresses{Pods: f.pods.Held(), Services: f.vips.Held(), Subnet: f.layout.Subnet, Ports: f.chosen})
	if err == nil {
		err = instance.WriteFile(f.s.cfg.Instance.File("addresses.json"), b)
	}
	if err != nil {
		f.s.log.Warn("cannot remember the addresses", "error", err)
	}
}

// podIP is the address of a pod, from now until releasePod.
func (f *fabric) podIP(pod string) (netip.Addr, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pods == nil {
		return netip.Addr{}, fmt.Errorf("cannot give pod %s an address: the network is not up yet", pod)
	}
	held := len(f.pods.Held())
	a, err := f.pods.Allocate(pod)
	if err == nil && len(f.pods.Held()) != held {
		f.save()
	}
	return a, err
}

func (f *fabric) releasePod(pod string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pods.Release(pod)
}

// adoptPod records the address that a running pod has.
func (f *fabric) adoptPod(pod string, ip string) {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.pods.Adopt(pod, a); err != nil {
		f.s.log.Warn("a pod has an address that it should not have", "pod", pod, "error", err)
	}
}

// clusterIPs gives every Service that needs one its address, and writes it into spec.clusterIP.
func (f *fabric) clusterIPs(list []*corev1.Service) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.vips.Held())
	for _, v := range list {
		if !network.NeedsVIP(v) {
			continue
		}
		a, err := f.vips.Allocate(v.Name)
		if err != nil {
			return err
		}
		v.Spec.ClusterIP, v.Spec.ClusterIPs = a.String(), []string{a.String()}
	}
	if len(f.vips.Held()) != before {
		f.save()
	}
	return nil
}

// secret is the agent's token: made once an instance, readable by its user only.
func (f *fabric) secret() (string, error) {
	path := f.s.cfg.Instance.File("agent-token")
	if b, err := os.ReadFile(path); err == nil && len(b) >= 16 {
		return string(b), nil
	}
	token := rand.Text()
	return token, instance.WriteFile(path, []byte(token))
}
