package dockerpod

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/kube"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
)

const clusterDomain = "cluster.local"

// labels are what every container of a pod carries; the Compose ones make other tools group them.
func (r *Runtime) labels(p *corev1.Pod, kind, container string, attempt int) map[string]string {
	workload := p.Labels[services.WorkloadLabel]
	number := 1
	if i, err := strconv.Atoi(p.Labels["apps.kubernetes.io/pod-index"]); err == nil {
		number = i + 1
	}
	profile := ""
	if r.cfg.Profile != nil {
		profile = r.cfg.Profile()
	}
	manifest, _ := json.Marshal(corev1.Pod{ObjectMeta: withoutManaged(p.ObjectMeta), Spec: p.Spec}) // plain data: cannot fail
	l := map[string]string{
		services.ProjectLabel: r.cfg.Project, services.DirLabel: r.cfg.Dir, services.WorkloadLabel: workload,
		PodLabel: p.Name, UIDLabel: string(p.UID), KindLabel: kind, AttemptLabel: strconv.Itoa(attempt),
		ProfileLabel: profile, ManifestLabel: string(manifest),
		"com.docker.compose.project": r.cfg.Project, "com.docker.compose.service": workload,
		"com.docker.compose.oneoff": "False", "com.docker.compose.container-number": strconv.Itoa(number),
	}
	if container != "" {
		l[ContainerLabel] = container
	}
	return l
}

func withoutManaged(m metav1.ObjectMeta) metav1.ObjectMeta {
	m.ManagedFields = nil
	return m
}

// containerSpec translates one container of a pod. It asks the engine for the image (user, entrypoint) and, in a pod with
// a sandbox, for the sandbox to join.
func (r *Runtime) containerSpec(ctx context.Context, req pod.CreateRequest) (engine.ContainerSpec, error) {
	p, c := req.Pod, req.Container
	img, err := r.cfg.Engine.InspectImage(ctx, c.Image)
	if err != nil {
		return engine.ContainerSpec{}, err
	}
	kind := kindContainer
	if req.Init {
		kind = kindInit
	}
	spec := engine.ContainerSpec{
		Name: r.containerName(req), Image: c.Image, Labels: r.labels(p, kind, c.Name, req.Attempt),
		WorkingDir: c.WorkingDir, TTY: c.TTY, Stdin: c.Stdin,
		CPUShares: kube.CPUShares(c.Resources), CPUQuota: kube.CPUQuota(c.Resources), MemoryBytes: kube.MemoryLimit(c.Resources),
		StopSignal: annotated(p, "dev.lyandev/stop-signal", c.Name),
		Init:       annotated(p, "dev.lyandev/init", c.Name) == "true",
	}
	spec.Labels[SandboxLabel] = strconv.Itoa(req.Sandbox)
	if req.BackOff != nil {
		b, _ := json.Marshal(req.BackOff) // plain data: cannot fail
		spec.Labels[BackOffLabel] = string(b)
	}
	// command replaces entrypoint and cmd, args alone replaces cmd (R136).
	if len(c.Command) > 0 {
		spec.Entrypoint, spec.Cmd = c.Command, c.Args
	} else if len(c.Args) > 0 {
		spec.Cmd = c.Args
	}
	for _, e := range req.Env {
		spec.Env = append(spec.Env, e.Name+"="+e.Value)
	}
	security(&spec, p, c, img)
	if err := r.mounts(&spec, req); err != nil {
		return spec, err
	}
	if err := r.join(ctx, &spec, p); err != nil {
		return spec, err
	}
	if r.cfg.Wrap != nil {
		r.cfg.Wrap(&spec, p, c.Name, img)
	}
	return spec, nil
}

// containerName is readable: project-pod-attempt where a pod has one container, with the container's name otherwise.
func (r *Runtime) containerName(req pod.CreateRequest) string {
	p := req.Pod
	if !needsSandbox(p) && !req.Init {
		return fmt.Sprintf("%s-%s-%d", r.cfg.Project, p.Name, req.Attempt)
	}
	return fmt.Sprintf("%s-%s-%s-%d", r.cfg.Project, p.Name, req.Container.Name, req.Attempt)
}

// annotated reads an annotation that may speak of one container ("key.name") or of all ("key").
func annotated(p *corev1.Pod, key, container string) string {
	if v, ok := p.Annotations[key+"."+container]; ok {
		return v
	}
	return p.Annotations[key]
}

// join gives the container its network: the pod's address, or the sandbox's namespace.
func (r *Runtime) join(ctx context.Context, spec *engine.ContainerSpec, p *corev1.Pod) error {
	if !needsSandbox(p) {
		ip, err := r.cfg.PodIP(p.Name)
		if err != nil {
			return err
		}
		r.network(spec, p, ip)
		return nil
	}
	list, err := r.list(ctx, p.UID)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.Labels[KindLabel] == kindSandbox && c.State == engine.StateRunning {
			spec.NetworkContainer = c.ID
			if share := p.Spec.ShareProcessNamespace; share != nil && *share {
				spec.PIDMode = "container:" + c.ID
			}
			return nil
		}
	}
	return fmt.Errorf("cannot create container %s: the sandbox of pod %s does not run", spec.Name, p.Name)
}

// network attaches a container to the project's network as the pod: address, hostname, resolver (R128).
func (r *Runtime) network(spec *engine.ContainerSpec, p *corev1.Pod, ip netip.Addr) {
	host := p.Name
	if p.Spec.Hostname != "" {
		host = p.Spec.Hostname
	}
	spec.Network, spec.IP, spec.Hostname = r.cfg.Network, ip, host[:min(len(host), 63)]
	ns := services.Namespace
	if p.Spec.Subdomain != "" {
		fqdn := fmt.Sprintf("%s.%s.%s.svc.%s", host, p.Spec.Subdomain, ns, clusterDomain)
		spec.ExtraHosts = append(spec.ExtraHosts, fqdn+":"+ip.String())
	}
	for _, a := range p.Spec.HostAliases {
		for _, name := range a.Hostnames {
			spec.ExtraHosts = append(spec.ExtraHosts, name+":"+a.IP)
		}
	}
	r.resolver(spec, p, ns)
	if s := p.Spec.SecurityContext; s != nil && len(s.Sysctls) > 0 {
		spec.Sysctls = map[string]string{}
		for _, x := range s.Sysctls {
			spec.Sysctls[x.Name] = x.Value
		}
	}
}

// resolver is the pod's DNS policy with its own configuration laid over it.
func (r *Runtime) resolver(spec *engine.ContainerSpec, p *corev1.Pod, ns string) {
	policy := p.Spec.DNSPolicy
	if (policy == "" || policy == corev1.DNSClusterFirst || policy == corev1.DNSClusterFirstWithHostNet) && r.cfg.DNS != nil {
		spec.DNS = []netip.Addr{r.cfg.DNS()}
		spec.DNSSearch = []string{ns + ".svc." + clusterDomain, "svc." + clusterDomain, clusterDomain}
		spec.DNSOptions = []string{"ndots:5"}
	}
	conf := p.Spec.DNSConfig
	if conf == nil {
		return
	}
	for _, n := range conf.Nameservers {
		if a, err := netip.ParseAddr(n); err == nil {
			spec.DNS = append(spec.DNS, a)
		}
	}
	spec.DNSSearch = append(spec.DNSSearch, conf.Searches...)
	for _, o := range conf.Options {
		text := o.Name
		if o.Value != nil {
			text += ":" + *o.Value
		}
		spec.DNSOptions = append(spec.DNSOptions, text)
	}
}

// security translates the security contexts (R153, R154).
func security(spec *engine.ContainerSpec, p *corev1.Pod, c *corev1.Container, img engine.Image) {
	s := pod.SecurityOf(p, c)
	spec.User = annotated(p, "dev.lyandev/user", c.Name)
	if s.RunAsUser != nil {
		spec.User = strconv.FormatInt(*s.RunAsUser, 10)
	}
	if s.RunAsGroup != nil {
		user, _, _ := strings.Cut(spec.User, ":")
		if user == "" {
			user, _, _ = strings.Cut(img.User, ":")
		}
		if user == "" {
			user = "0"
		}
		spec.User = user + ":" + strconv.FormatInt(*s.RunAsGroup, 10)
	}
	if ps := p.Spec.SecurityContext; ps != nil {
		if ps.FSGroup != nil {
			spec.GroupAdd = append(spec.GroupAdd, strconv.FormatInt(*ps.FSGroup, 10))
		}
		for _, g := range ps.SupplementalGroups {
			spec.GroupAdd = append(spec.GroupAdd, strconv.FormatInt(g, 10))
		}
		seccomp(spec, ps.SeccompProfile)
	}
	cs := c.SecurityContext
	if cs == nil {
		return
	}
	spec.Privileged = cs.Privileged != nil && *cs.Privileged
	spec.ReadOnlyRootFS = cs.ReadOnlyRootFilesystem != nil && *cs.ReadOnlyRootFilesystem
	if cs.AllowPrivilegeEscalation != nil && !*cs.AllowPrivilegeEscalation {
		spec.SecurityOpt = append(spec.SecurityOpt, "no-new-privileges:true")
	}
	if cs.Capabilities != nil {
		for _, a := range cs.Capabilities.Add {
			spec.CapAdd = append(spec.CapAdd, string(a))
		}
		for _, d := range cs.Capabilities.Drop {
			spec.CapDrop = append(spec.CapDrop, string(d))
		}
	}
	seccomp(spec, cs.SeccompProfile)
}

func seccomp(spec *engine.ContainerSpec, p *corev1.SeccompProfile) {
	if p != nil && p.Type == corev1.SeccompProfileTypeUnconfined {
		spec.SecurityOpt = append(spec.SecurityOpt, "seccomp=unconfined")
	}
}

// defaultMessagePath is where Kubernetes lets containers write their last words (R40).
const defaultMessagePath = "/dev/termination-log"

// messageFile makes the file of this instance for its termination message (R160), where the engine is on this machine.
func (r *Runtime) messageFile(spec *engine.ContainerSpec, c *corev1.Container) error {
	path := c.TerminationMessagePath
	if path == "" {
		path = defaultMessagePath
	}
	if r.cfg.TerminationDir == "" {
		return nil
	}
	file := r.terminationFile(spec.Name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("cannot make the directory of termination messages: %w", err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return fmt.Errorf("cannot make the file of the termination message: %w", err)
	}
	if err := os.Chmod(file, 0o666); err != nil { // the container's user writes it; the directory keeps others out
		return fmt.Errorf("cannot make the file of the termination message: %w", err)
	}
	spec.Mounts = append(spec.Mounts, engine.Mount{Bind: file, Target: path})
	return nil
}
