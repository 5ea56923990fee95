package profiles

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lyandev/lyandev/services"
)

// verifyPorts checks that what names a port or a Service names one that there is: probes and hooks, target ports, ingresses.
func (c *converter) verifyPorts() {
	for _, w := range c.stack.Workloads {
		if !w.Plain() {
			c.verifyContainerPorts(w)
		}
	}
	for _, svc := range c.stack.Services {
		c.verifyTargets(svc)
	}
	for _, ing := range c.stack.Ingresses {
		c.verifyIngress(ing)
	}
}

// verifyContainerPorts checks the port names in the probes and hooks of a workload's containers. Kubernetes looks for a name in
// the container itself.
func (c *converter) verifyContainerPorts(w *services.Workload) {
	spec := w.PodSpec()
	for _, kind := range []struct {
		field string
		list  []corev1.Container
	}{{"initContainers", spec.InitContainers}, {"containers", spec.Containers}} {
		for i := range kind.list {
			cont := &kind.list[i]
			at := "spec." + kind.field + index(i)
			for _, p := range []struct {
				field string
				probe *corev1.Probe
			}{{"livenessProbe", cont.LivenessProbe}, {"readinessProbe", cont.ReadinessProbe}, {"startupProbe", cont.StartupProbe}} {
				if p.probe != nil {
					c.verifyHandler(w, cont, p.probe.HTTPGet, p.probe.TCPSocket, at+"."+p.field, "the probe")
				}
			}
			if l := cont.Lifecycle; l != nil && l.PostStart != nil {
				c.verifyHandler(w, cont, l.PostStart.HTTPGet, l.PostStart.TCPSocket, at+".lifecycle.postStart", "the hook")
			}
			if l := cont.Lifecycle; l != nil && l.PreStop != nil {
				c.verifyHandler(w, cont, l.PreStop.HTTPGet, l.PreStop.TCPSocket, at+".lifecycle.preStop", "the hook")
			}
		}
	}
}

func (c *converter) verifyHandler(w *services.Workload, cont *corev1.Container, get *corev1.HTTPGetAction, tcp *corev1.TCPSocketAction, at, what string) {
	var port intstr.IntOrString
	switch {
	case get != nil:
		port, at = get.Port, at+".httpGet.port"
	case tcp != nil:
		port, at = tcp.Port, at+".tcpSocket.port"
	}
	if port.Type != intstr.String {
		return
	}
	names := portNames(cont)
	if !slices.Contains(names, port.StrVal) {
		path := c.podOrigin(w, keyPath{"services", c.written(w.Name())}, splitField(at))
		c.bad(path, portHint(port.StrVal, names), "%s uses the port %q, and container %s has none of that name", what, port.StrVal, cont.Name)
	}
}

func portNames(cont *corev1.Container) []string {
	var names []string
	for _, p := range cont.Ports {
		if p.Name != "" {
			names = append(names, p.Name)
		}
	}
	return names
}

// portHint says how a port gets a name, or which name was probably meant.
func portHint(name string, names []string) string {
	if h := didYouMean(name, names); h != "" {
		return h
	}
	return fmt.Sprintf("give its number, or name the port: x-lyandev.container.ports: [{name: %s, containerPort: NUMBER}]", name)
}

// verifyTargets checks the names in targetPort of a Service: some pod behind it must have a port of that name.
func (c *converter) verifyTargets(svc *corev1.Service) {
	var names []string
	behind := false
	for _, w := range c.stack.Workloads {
		if w.Behind(svc) {
			behind = true
			for i := range w.PodSpec().Containers {
				names = append(names, portNames(&w.PodSpec().Containers[i])...)
			}
		}
	}
	for i, p := range svc.Spec.Ports {
		if behind && p.TargetPort.Type == intstr.String && !slices.Contains(names, p.TargetPort.StrVal) {
			c.bad(c.declaredAt["Service/"+svc.Name].with("ports", index(i), "targetPort"), portHint(p.TargetPort.StrVal, names),
				"no container behind Service %s has a port named %q", svc.Name, p.TargetPort.StrVal)
		}
	}
}

// verifyIngress checks that the backends of an ingress are Services of the stack and have the port.
func (c *converter) verifyIngress(ing *networkingv1.Ingress) {
	at := keyPath{extensionKey, "ingresses", ing.Name}
	if b := ing.Spec.DefaultBackend; b != nil && b.Service != nil {
		c.verifyBackend(b.Service, at.with("defaultBackend", "service"))
	}
	for i, r := range ing.Spec.Rules {
		if r.HTTP == nil {
			continue
		}
		for k, p := range r.HTTP.Paths {
			if p.Backend.Service != nil {
				c.verifyBackend(p.Backend.Service, at.with("rules", index(i), "http", "paths", index(k), "backend", "service"))
			}
		}
	}
}

func (c *converter) verifyBackend(b *networkingv1.IngressServiceBackend, at keyPath) {
	svc := c.stack.Service(b.Name)
	if svc == nil {
		c.backendMissing(b.Name, at.with("name"))
		return
	}
	var have []string
	for _, p := range svc.Spec.Ports {
		if p.Port == b.Port.Number || b.Port.Name != "" && p.Name == b.Port.Name {
			return
		}
		have = append(have, strings.TrimSpace(fmt.Sprint(p.Port, " ", p.Name)))
	}
	hint := "it has none; declare it in x-lyandev.service"
	if len(have) > 0 {
		hint = "it has " + strings.Join(have, ", ")
	}
	switch {
	case b.Port.Name != "":
		c.bad(at.with("port", "name"), hint, "Service %s has no port named %q", b.Name, b.Port.Name)
	case b.Port.Number != 0: // the other case is one of Kubernetes' own errors
		c.bad(at.with("port", "number"), hint, "Service %s has no port %d", b.Name, b.Port.Number)
	}
}

// backendMissing reports an ingress that leads to no Service of the stack. One of an inactive profile is only noted.
func (c *converter) backendMissing(name string, at keyPath) {
	file := c.written(name)
	_, active := c.project.Services[file]
	_, inactive := c.project.DisabledServices[file]
	switch {
	case c.l.p.damaged("services", file):
	case inactive:
		c.warn(at, "the ingress leads to service %s, which is not part of %s", file, c.l.profileName())
	case active:
		c.bad(at, "publish a port under ports:, or declare x-lyandev.service", "the ingress leads to service %s, which has no Service with a port", file)
	default:
		c.bad(at, didYouMean(name, c.hosts()), "the ingress leads to Service %q, which does not exist", name)
	}
}

// warn is note for what is probably a mistake.
func (c *converter) warn(path keyPath, format string, args ...any) {
	at := c.l.loc.at(path...)
	c.l.warnings = appendNew(c.l.warnings, c.l.noteAt(at.pos, at.shown(path), format, args...))
}

// verifyHostPorts reports two entries that publish one host port: Docker refuses the second.
func (c *converter) verifyHostPorts() {
	for i, h := range c.stack.HostPorts {
		for _, o := range c.stack.HostPorts[:i] {
			if h.HostPort == 0 || h.HostPort != o.HostPort || h.Protocol != o.Protocol || h.LastHostPort+o.LastHostPort > 0 || !sameAddress(h.HostIP, o.HostIP) {
				continue
			}
			c.hostPortTwice(h, o)
			break
		}
	}
}

func sameAddress(a, b string) bool {
	all := func(ip string) bool { return ip == "0.0.0.0" || ip == "::" || ip == "[::]" }
	return a == b || all(a) || all(b)
}

func (c *converter) hostPortTwice(h, o services.HostPort) {
	entries, others := c.portEntries(h), c.portEntries(o)
	if len(entries) == 0 || len(others) == 0 {
		return
	}
	mine, other := entries[len(entries)-1], others[0] // they are the same if one line has both
	if slices.Equal(mine, other) {
		return
	}
	at, first := c.l.loc.at(mine...), c.l.loc.at(other...)
	e := Error{
		Path: at.shown(mine).String(), Hint: "change one of them",
		Message: fmt.Sprintf("the host port %s is published already, by service %s (%s)", h.Address(), other[1], first.pos),
	}
	switch {
	case mine[1] == other[1] && first.pos.file == at.pos.file && first.pos.line == at.pos.line:
		e.Message = fmt.Sprintf("the host port %s is published already, by another entry of this list", h.Address())
	case first.pos.file == at.pos.file:
		e.also = first.pos.line
		e.Message = fmt.Sprintf("the host port %s is published already, by service %s on line %d", h.Address(), other[1], first.pos.line)
	}
	c.l.p.say(damage{pos: at.pos, path: at.path}, e)
}

// portEntries are the paths of the entries of ports that a host port may come from: one line can have several.
func (c *converter) portEntries(h services.HostPort) (out []keyPath) {
	for name, s := range c.project.Services {
		for i, p := range s.Ports {
			path := keyPath{"services", name, "ports", index(i)}
			if p.Published == fmt.Sprint(h.HostPort) && c.l.loc.pos(path...).String() == h.Source && strings.EqualFold(p.Protocol, string(h.Protocol)) {
				out = append(out, path)
			}
		}
	}
	return out
}

// restartPolicies are the values of restart: Docker refuses others when it makes the container.
var restartPolicies = []string{"no", "always", "unless-stopped", "on-failure"}

// verifyRestart reports a restart policy that Docker does not have.
func (c *converter) verifyRestart(s types.ServiceConfig) {
	policy, retries, counted := strings.Cut(s.Restart, ":")
	if s.Restart == "" || slices.Contains(restartPolicies, policy) && !counted {
		return
	}
	if _, err := strconv.ParseUint(retries, 10, 31); policy == "on-failure" && err == nil {
		return
	}
	hint := nearestHint(policy, restartPolicies)
	if hint == "" || counted {
		hint = "known: no, always, unless-stopped, on-failure, on-failure:N"
	}
	c.bad(keyPath{"services", s.Name, "restart"}, hint, "%q is no restart policy", s.Restart)
}

// warnMissing tells of directories and files that are named and do not exist. Docker Compose accepts such a file.
func (c *converter) warnMissing(s types.ServiceConfig) {
	at := keyPath{"services", s.Name}
	if s.Develop != nil {
		for i, t := range s.Develop.Watch {
			if _, err := os.Stat(t.Path); err != nil && !c.inEmbedded(t.Path) {
				c.warn(at.with("develop", "watch", index(i), "path"), "%s does not exist, so there is nothing to watch%s", c.l.relative(t.Path), nearPath(t.Path))
			}
		}
	}
	if s.Build == nil || !filepath.IsAbs(s.Build.Context) || c.inEmbedded(s.Build.Context) {
		return
	}
	context := keyPath{"build", "context"}
	if c.l.loc.at(at.with(context...)...).depth < 4 {
		context = keyPath{"build"}
	}
	file := s.Build.Dockerfile
	if !filepath.IsAbs(file) {
		file = filepath.Join(s.Build.Context, file)
	}
	switch {
	case !isDirectory(s.Build.Context):
		c.warn(at.with(context...), "the build context %s does not exist, so the image cannot be built%s", c.l.relative(s.Build.Context), nearPath(s.Build.Context))
	case s.Build.DockerfileInline == "" && !isFile(file):
		c.warn(at.with("build", "dockerfile"), "there is no file %s, so the image cannot be built%s", c.l.relative(file), nearPath(file))
	}
}

// warnMisspelt tells of extensions that look like x-lyandev misspelt. Docker Compose accepts them, as it does all extensions, and nobody
// reads them.
func (c *converter) warnMisspelt() {
	for _, d := range c.l.docs {
		c.warnMisspeltIn(d.root, nil)
		if list := d.root.get("services"); list.isMap() {
			for _, name := range list.keys {
				c.warnMisspeltIn(list.fields[name], keyPath{"services", name})
			}
		}
	}
}

func (c *converter) warnMisspeltIn(it *item, at keyPath) {
	if !it.isMap() {
		return
	}
	for _, key := range it.keys {
		if lower := strings.ToLower(key); key != extensionKey && strings.HasPrefix(lower, "x-") && editDistance(lower, extensionKey) <= 2 {
			c.warn(at.with(key), "nobody reads this key; did you mean %s?", extensionKey)
		}
	}
}

// relative is a path relative to the work directory, if it is below it.
func (l *load) relative(path string) string { return shortened(l.o.WorkDir, path) }

// nearPath names the nearest entry of the directory that a missing path would be in, "" if none is near.
func nearPath(path string) string {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return ""
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if near := Nearest(filepath.Base(path), names); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}
