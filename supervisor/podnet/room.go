package podnet

import (
	"fmt"
	"net/netip"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/network"
)

// CheckRoom says whether the stack's pods and Services can all have an address in its network, which need not be there yet.
// Pods of the host's network count too, so that nothing makes more pods than that. It asks nobody and blocks for nothing but
// a small file.
func (n *Network) CheckRoom(stack *services.Stack) error {
	layout := n.expected()
	var pods int64
	var most *services.Workload
	for _, x := range stack.Workloads {
		if x.Plain() {
			continue // Docker gives its containers addresses of other ranges
		}
		count := podsOf(x)
		if pods += count; most == nil || count > podsOf(most) {
			most = x
		}
	}
	if room := int64(layout.Pods.Size()); pods > room {
		return fmt.Errorf("cannot start the stack: it asks for %d pods, and its network %s has addresses for %d; %s: %s alone asks for %d: lower its replicas",
			pods, layout.Subnet, room, most.Source, most.Name(), podsOf(most))
	}
	var vips int64
	for _, s := range stack.Services {
		if network.NeedsVIP(s) {
			vips++
		}
	}
	if room := int64(layout.Services.Size()); vips > room {
		return fmt.Errorf("cannot start the stack: it has %d services that need an address, and its network %s has addresses for %d; "+
			"make some of them headless (clusterIP: None)", vips, layout.Subnet, room)
	}
	return nil
}

// podsOf is how many pods a workload has at a time, without those of a rolling update.
func podsOf(x *services.Workload) int64 {
	count := int64(x.Replicas())
	if job, ok := x.Object.(*batchv1.Job); ok && job.Spec.Completions != nil {
		count = min(count, int64(*job.Spec.Completions))
	}
	return max(count, 0)
}

// expected is the layout of the network, or the one that it will probably have.
func (n *Network) expected() network.Layout {
	n.mu.Lock()
	layout := n.layout
	n.mu.Unlock()
	if layout.Subnet.IsValid() {
		return layout
	}
	if layout, err := network.LayoutOf(n.load().Subnet); err == nil {
		return layout
	}
	layout, _ = network.LayoutOf(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 201}), network.SubnetBits))
	return layout
}
