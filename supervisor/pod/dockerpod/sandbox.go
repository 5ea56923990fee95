package dockerpod

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// bareSandbox is the sandbox of a pod without a sandbox container: nothing in the engine stands for it.
type bareSandbox struct {
	attempt int
	lost    bool
}

// LoseSandbox records that the sandbox of a pod without a sandbox container ended with the engine: the pod starts again with its
// init containers, as after a restart of its node in a cluster (R76). It has no effect on pods with a sandbox container.
func (r *Runtime) LoseSandbox(p *corev1.Pod) {
	if pod.NeedsSandbox(p) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sandboxes[string(p.UID)]
	s.lost = true
	r.sandboxes[string(p.UID)] = s
}

// RunSandbox implements pod.Sandboxes.
func (r *Runtime) RunSandbox(ctx context.Context, p *corev1.Pod, attempt int) (string, error) {
	r.disown(p)
	if !pod.NeedsSandbox(p) {
		r.mu.Lock()
		r.sandboxes[string(p.UID)] = bareSandbox{attempt: attempt}
		r.mu.Unlock()
		return r.address(p), nil
	}
	if err := r.runSandbox(ctx, p, attempt); err != nil {
		return "", err
	}
	return r.address(p), nil
}

// runSandbox makes and starts the sandbox container of the attempt, unless it runs already; older ones go.
func (r *Runtime) runSandbox(ctx context.Context, p *corev1.Pod, attempt int) error {
	old, err := r.list(ctx, p)
	if err != nil {
		return err
	}
	for _, c := range old {
		if c.Labels[services.KindLabel] != KindSandbox {
			continue
		}
		if number(c.Labels[SandboxLabel]) == attempt && c.State == engine.StateRunning {
			return nil
		}
		if err := r.cfg.Engine.RemoveContainer(ctx, c.ID); err != nil {
			return err
		}
	}
	image, err := r.cfg.SandboxImage(ctx)
	if err != nil {
		return fmt.Errorf("cannot create the sandbox of pod %s: %w", p.Name, err)
	}
	spec := engine.ContainerSpec{
		Name: fit(fmt.Sprintf("%s-%s-sandbox-%d", r.cfg.Project, p.Name, attempt)), Image: image, Cmd: sandboxCommand(p),
		Labels: r.podLabels(p, KindSandbox), CPUShares: 2,
		CapDrop: []string{"ALL"}, ReadOnlyRootFS: true, SecurityOpt: []string{"no-new-privileges"},
	}
	spec.Labels[SandboxLabel] = strconv.Itoa(attempt)
	if err := r.onNetwork(p, &spec); err != nil {
		return err
	}
	spec.Sysctls = sysctls(p)
	id, err := r.create(ctx, p, spec)
	if err != nil {
		return err
	}
	return r.startAddressed(ctx, id)
}

// sandboxCommand is what the pod's sandbox runs: the ports of the loopback that lead elsewhere are its argument.
func sandboxCommand(p *corev1.Pod) []string {
	if ports := p.Annotations[services.LocalhostAnnotation]; ports != "" {
		return []string{"sandbox", ports}
	}
	return []string{"sandbox"}
}

// onNetwork puts a container on the project's network under the pod's address and name (R128).
func (r *Runtime) onNetwork(p *corev1.Pod, spec *engine.ContainerSpec) error {
	if p.Spec.HostNetwork {
		spec.Network = "host"
		return nil
	}
	ip, err := r.cfg.PodIP(p.Name)
	if err != nil {
		return fmt.Errorf("cannot assign an address to pod %s: %w", p.Name, err)
	}
	spec.IP = ip
	r.attach(p, spec)
	return nil
}

// attach puts a container on the project's network, or on the host's, under the pod's name.
func (r *Runtime) attach(p *corev1.Pod, spec *engine.ContainerSpec) {
	if p.Spec.HostNetwork {
		spec.Network = "host"
		return
	}
	ip := spec.IP
	spec.Network, spec.Hostname = r.cfg.Network, hostname(p)
	if p.Spec.Subdomain != "" {
		fqdn := fmt.Sprintf("%s.%s.%s.svc.cluster.local", spec.Hostname, p.Spec.Subdomain, namespace(p))
		spec.ExtraHosts = append(spec.ExtraHosts, fqdn+":"+ip.String())
	}
	for _, a := range p.Spec.HostAliases {
		for _, name := range a.Hostnames {
			spec.ExtraHosts = append(spec.ExtraHosts, name+":"+a.IP)
		}
	}
	r.resolver(p, spec)
}

func hostname(p *corev1.Pod) string {
	if p.Spec.Hostname != "" {
		return p.Spec.Hostname
	}
	return p.Name[:min(len(p.Name), 63)]
}

func namespace(p *corev1.Pod) string {
	if p.Namespace == "" {
		return metav1.NamespaceDefault
	}
	return p.Namespace
}

// resolver sets up name resolution as the pod's dnsPolicy and dnsConfig say (R128).
func (r *Runtime) resolver(p *corev1.Pod, spec *engine.ContainerSpec) {
	if p.Spec.DNSPolicy == corev1.DNSDefault {
		return
	}
	if r.cfg.DNS != nil && p.Spec.DNSPolicy != corev1.DNSNone {
		if dns := r.cfg.DNS(); dns.IsValid() {
			ns := namespace(p)
			spec.DNS = []netip.Addr{dns}
			spec.DNSSearch = []string{ns + ".svc.cluster.local", "svc.cluster.local", "cluster.local"}
			spec.DNSOptions = []string{"ndots:5"}
		}
	}
	if c := p.Spec.DNSConfig; c != nil {
		for _, s := range c.Nameservers {
			if a, err := netip.ParseAddr(s); err == nil {
				spec.DNS = append(spec.DNS, a)
			}
		}
		spec.DNSSearch = append(spec.DNSSearch, c.Searches...)
		for _, o := range c.Options {
			if o.Value != nil {
				spec.DNSOptions = append(spec.DNSOptions, o.Name+":"+*o.Value)
			} else {
				spec.DNSOptions = append(spec.DNSOptions, o.Name)
			}
		}
	}
}

// StopSandbox implements pod.Sandboxes. The sandbox gets no grace period.
func (r *Runtime) StopSandbox(ctx context.Context, p *corev1.Pod) error {
	all, err := r.list(ctx, p)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Labels[services.KindLabel] == KindSandbox && c.State == engine.StateRunning {
			if err := r.cfg.Engine.KillContainer(ctx, c.ID, "SIGKILL"); err != nil {
				return err
			}
		}
	}
	return nil
}

// RemovePod implements pod.Sandboxes.
func (r *Runtime) RemovePod(ctx context.Context, p *corev1.Pod) error {
	all, err := r.list(ctx, p)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, c := range all {
		g.Go(func() error { return r.RemoveContainer(gctx, p, c.ID) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	vols, err := r.cfg.Engine.ListVolumes(ctx, map[string]string{
		services.ProjectLabel: r.cfg.Project, services.KindLabel: KindPodVolume, services.PodUIDLabel: string(p.UID),
	})
	if err != nil {
		return err
	}
	for _, v := range vols {
		if err := r.cfg.Engine.RemoveVolume(ctx, v.Name); err != nil {
			return err
		}
	}
	r.disown(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sandboxes, string(p.UID))
	return nil
}

func sysctls(p *corev1.Pod) map[string]string {
	if p.Spec.SecurityContext == nil || len(p.Spec.SecurityContext.Sysctls) == 0 {
		return nil
	}
	out := map[string]string{}
	for _, s := range p.Spec.SecurityContext.Sysctls {
		out[s.Name] = s.Value
	}
	return out
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
