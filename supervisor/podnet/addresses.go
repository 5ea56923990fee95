package podnet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/network"
)

// addressFile is the file of the instance that keeps the addresses, so that they are the same after everything was down.
const addressFile = "addresses.json"

// savedAddresses is the content of addressFile.
type savedAddresses struct {
	Pods     map[string]netip.Addr `json:"pods"`
	Services map[string]netip.Addr `json:"services"`
	Subnet   netip.Prefix          `json:"subnet"`
	// Ports are the host ports chosen here, by what was asked for.
	Ports map[string]int32 `json:"ports,omitempty"`
}

// use takes a subnet into use, with the addresses that names had in it before. The subnet that is in use already stays as
// it is: its allocators know the pods that run.
func (n *Network) use(subnet netip.Prefix, saved savedAddresses) error {
	layout, err := network.LayoutOf(subnet)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pods != nil && n.layout == layout {
		return nil
	}
	n.layout = layout
	n.pods, n.vips = network.NewAllocator(layout.Pods), network.NewAllocator(layout.Services)
	n.chosen = saved.Ports
	if saved.Subnet == subnet {
		for name, a := range saved.Services {
			_ = n.vips.Adopt(name, a) // the file is ours; an address out of range is forgotten
		}
		for name, a := range saved.Pods {
			n.pods.Remember(name, a)
		}
	}
	return nil
}

func (n *Network) load() savedAddresses {
	var saved savedAddresses
	b, err := os.ReadFile(n.cfg.Instance.File(addressFile))
	if err == nil {
		err = json.Unmarshal(b, &saved)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		n.log.Warn("cannot read the saved addresses; pods and services get new ones", "error", err)
	}
	return saved
}

// save writes the addresses as they are to their file. It must not be called with mu held, which the loop takes at every
// look: a write waits for the disk.
func (n *Network) save() {
	n.saving.Lock()
	defer n.saving.Unlock()
	n.mu.Lock()
	if n.pods == nil { // without a network there are no addresses to keep
		n.mu.Unlock()
		return
	}
	now := savedAddresses{Pods: n.pods.Held(), Services: n.vips.Held(), Subnet: n.layout.Subnet, Ports: maps.Clone(n.chosen)}
	n.mu.Unlock()
	b, err := json.Marshal(now)
	if err == nil {
		err = instance.WriteFile(n.cfg.Instance.File(addressFile), b)
	}
	if err != nil {
		n.log.Warn("cannot save the addresses; they may be other ones after a restart", "error", err)
	}
}

// PodIP is the address of a pod, from now until Release. It fails before the network is there, and with network.ErrFull.
// A new address is written to disk before it is returned.
func (n *Network) PodIP(pod string) (netip.Addr, error) {
	a, fresh, err := n.allocate(pod)
	if fresh {
		n.save()
	}
	return a, err
}

func (n *Network) allocate(pod string) (a netip.Addr, fresh bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pods == nil {
		return netip.Addr{}, false, fmt.Errorf("cannot give pod %s an address: the network is not up yet", pod)
	}
	held := n.pods.Len()
	a, err = n.pods.Allocate(pod)
	return a, n.pods.Len() != held, err
}

// Release makes the address of a pod free.
func (n *Network) Release(pod string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pods != nil {
		n.pods.Release(pod)
	}
}

// AdoptPod records the address that a running pod has. Text that is no address is ignored: the pod has none yet.
func (n *Network) AdoptPod(pod, ip string) {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pods == nil {
		return
	}
	if err := n.pods.Adopt(pod, a); err != nil {
		n.log.Warn("a running pod has an address that it should not have", "pod", pod, "error", err)
	}
}

// ClusterIPs gives every Service that needs one its address, and writes it into spec.clusterIP.
func (n *Network) ClusterIPs(list []*corev1.Service) error {
	fresh, err := n.clusterIPs(list)
	if fresh {
		n.save()
	}
	return err
}

func (n *Network) clusterIPs(list []*corev1.Service) (fresh bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.ContainsFunc(list, network.NeedsVIP) {
		return false, nil
	}
	if n.vips == nil {
		return false, errors.New("cannot give services addresses: the network is not up yet")
	}
	before := n.vips.Len()
	for _, v := range list {
		if !network.NeedsVIP(v) {
			continue
		}
		a, err := n.vips.Allocate(v.Name)
		if err != nil {
			return n.vips.Len() != before, err
		}
		v.Spec.ClusterIP, v.Spec.ClusterIPs = a.String(), []string{a.String()}
	}
	return n.vips.Len() != before, nil
}
