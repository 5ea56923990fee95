package profiles

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
)

// Labels of every pod. Their value is the Compose service's name unless x-lyandev.labels sets another; selectors use both.
const (
	appLabel  = "app"
	nameLabel = "app.kubernetes.io/name"
)

// converter turns a Compose project into a stack.
type converter struct {
	l       *load
	project *types.Project
	top     topExt
	ext     map[string]serviceExt
	// plain are the services with Compose's semantics.
	plain map[string]bool
	// owner is the service whose pod a service's container runs in: itself, or X with network_mode: service:X.
	owner map[string]string
	// container is the container name by service.
	container map[string]string
	names     nameTables
	// pods are the pod templates with Kubernetes' semantics, by service.
	pods  map[string]*pod
	stack *services.Stack
	// declaredAt is the place of the declaration of objects other than workloads, by Kind/name.
	declaredAt map[string]keyPath
	// awaited are the services that others depend on with service_completed_successfully.
	awaited map[string]bool
	// extraHosts are names and addresses of extra_hosts that Kubernetes' hostAliases do not allow, such as hostGateway.
	extraHosts map[string]bool
}

// hostGateway stands for the host's address in Compose's extra_hosts, as in Docker.
const hostGateway = "host-gateway"

// convert builds the stack. Fields that cannot be converted become errors in l.p; approximated ones become notes.
func (l *load) convert(p *types.Project) *services.Stack {
	c := &converter{
		l: l, project: p, ext: map[string]serviceExt{}, plain: map[string]bool{}, owner: map[string]string{},
		container: map[string]string{}, awaited: map[string]bool{}, extraHosts: map[string]bool{hostGateway: true}, declaredAt: map[string]keyPath{},
		pods:  map[string]*pod{},
		stack: &services.Stack{Name: l.name, Profile: l.profile, OwnProfile: l.own, Dir: l.o.WorkDir},
	}
	names := c.order()
	c.nameAll()
	if !c.read(names) {
		return nil
	}
	c.stack.Timing = c.top.Timing
	if c.stack.Timing == "" {
		c.stack.Timing = "fast"
	}
	c.warnMisspelt()
	c.configMaps()
	c.secrets()
	for _, n := range names {
		c.build(p.Services[n])
		c.warnMissing(p.Services[n])
		c.verifyRestart(p.Services[n])
	}
	for _, n := range names {
		switch {
		case c.plain[n]:
			c.plainService(p.Services[n])
		case c.owner[n] == n:
			c.workload(p.Services[n], c.members(n, names))
		}
	}
	c.dockerNetworks(names)
	c.dockerVolumes(names)

	c.aliases(names)
	c.topServices()
	c.podNetworks(names)
	c.topIngresses()
	c.ingressPort()
	c.hostPorts(names)
	c.dependencies(names)
	if c.top.Order == "inferred" {
		Infer(c.stack)
	}
	c.podRoom()
	c.verify()
	c.noteIgnored()
	for n := range p.DisabledServices {
		c.stack.Inactive = append(c.stack.Inactive, c.workloadName(n))
	}
	slices.Sort(c.stack.Inactive)
	c.stack.Notes, c.stack.NotApplied, c.stack.Warnings = l.notes, l.notApplied, l.warnings
	return c.stack
}

// order returns the enabled services in the order of the files; those of included files follow.
func (c *converter) order() []string {
	var names []string
	for _, s := range slices.Concat(c.l.loc.sources, c.l.loc.related) {
		m := s.root.get("services")
		if !m.isMap() {
			continue
		}
		for _, n := range m.keys {
			if _, ok := c.project.Services[n]; ok && !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	for _, n := range slices.Sorted(maps.Keys(c.project.Services)) {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// read decodes the extensions and determines the pod of each container.
func (c *converter) read(names []string) bool {
	before := len(c.l.p.list)
	var err error
	if c.top, err = topExtension(c.project); err != nil {
		c.bad(keyPath{extensionKey}, "", "%v", err)
	}
	for _, n := range names {
		s := c.project.Services[n]
		at := keyPath{"services", n}
		if c.ext[n], err = readServiceExt(s.Extensions[extensionKey]); err != nil {
			c.bad(at.with(extensionKey), "", "%v", err)
		}
	}
	c.semantics(names)
	for _, n := range names {
		s := c.project.Services[n]
		c.owner[n] = n
		for on := n; !c.plain[n]; {
			next, ok := strings.CutPrefix(c.project.Services[on].NetworkMode, types.ServicePrefix)
			if !ok {
				break
			}
			on = next
			c.owner[n] = on
		}
		c.container[n] = c.containerName(n, c.ext[n])
		for on, d := range s.DependsOn {
			c.awaited[on] = c.awaited[on] || d.Condition == types.ServiceConditionCompletedSuccessfully
		}
	}
	return len(c.l.p.list) == before
}

func (c *converter) containerName(service string, ext serviceExt) string {
	if m, ok := ext.Container.(map[string]any); ok {
		if n, ok := m["name"].(string); ok && n != "" {
			return n
		}
	}
	return c.workloadName(service)
}

func (c *converter) members(owner string, names []string) []types.ServiceConfig {
	out := []types.ServiceConfig{c.project.Services[owner]}
	for _, n := range names {
		if n != owner && c.owner[n] == owner {
			out = append(out, c.project.Services[n])
		}
	}
	return out
}

func (c *converter) bad(path keyPath, hint, format string, args ...any) {
	c.l.bad(path, hint, format, args...)
}

func (c *converter) note(path keyPath, format string, args ...any) {
	pos, shown := c.l.loc.find(path...)
	text := c.l.note(pos, shown, format, args...)
	if strings.HasPrefix(format, "ignored") || strings.HasPrefix(format, "approximated") {
		c.l.notApplied = appendNew(c.l.notApplied, text)
	}
}

func (c *converter) source(service string) string { return c.l.loc.pos("services", service).String() }

// workload converts a service, and those that share its network, into one workload.
func (c *converter) workload(s types.ServiceConfig, members []types.ServiceConfig) {
	ext := c.ext[s.Name]
	at := keyPath{"services", s.Name}
	kind := c.kind(s, ext)
	pod := newPod(c, s.Name, kind)
	for _, m := range members {
		pod.add(m, c.ext[m.Name])
	}
	pod.finish(s, ext)
	meta := metav1.ObjectMeta{
		Name: pod.name, Namespace: metav1.NamespaceDefault,
		Labels: maps.Clone(pod.meta.Labels), Annotations: deployLabels(s),
	}
	w := &services.Workload{
		Operator: ext.Operator, Options: ext.Options, RestartOn: written(ext.RestartOn), Timing: ext.Timing,
		Source: c.source(s.Name),
	}
	c.serviceObjects(s, ext, pod, kind)
	w.Object = c.object(s, ext, kind, meta, pod)
	if ext.Test != nil {
		w.Test = &ext.Test.TestCommand
	}
	for _, b := range ext.Bootstrap {
		w.Bootstrap = append(w.Bootstrap, b.step())
	}
	for _, m := range members {
		w.Watch = append(w.Watch, c.watch(m)...)
		if m.Name == s.Name {
			continue
		}
		w.RestartOn = appendNew(w.RestartOn, written(c.ext[m.Name].RestartOn)...)
		c.ignoredInMember(m)
	}
	if ext.Kind == "CronJob" && ext.Schedule == "" {
		c.bad(at.with(extensionKey), "set schedule, for example \"0 3 * * *\"", "a CronJob needs a schedule")
	}
	c.stack.Workloads = append(c.stack.Workloads, w)
}

// ignoredInMember adds notes for fields of a service in another service's pod that only the pod's own service can set.
func (c *converter) ignoredInMember(m types.ServiceConfig) {
	ext, at := c.ext[m.Name], keyPath{"services", m.Name}
	say := func(set bool, path ...string) {
		if set {
			c.note(at.with(path...), "ignored: the container runs in the pod of %s; set it there", c.owner[m.Name])
		}
	}
	say(ext.Kind != "", extensionKey, "kind")
	say(ext.Spec != nil, extensionKey, "spec")
	say(ext.Operator != "" && ext.Operator != c.ext[c.owner[m.Name]].Operator, extensionKey, "operator")
	say(m.Scale != nil || (m.Deploy != nil && m.Deploy.Replicas != nil), "deploy", "replicas")
	say(ext.Test != nil, extensionKey, "test")
	say(len(ext.Bootstrap) > 0, extensionKey, "bootstrap")
}

// kind returns the workload's kind: x-lyandev.kind, else Job for a service that others wait to complete, DaemonSet for
// deploy.mode: global, Pod for one that must not restart, Deployment for all others.
func (c *converter) kind(s types.ServiceConfig, ext serviceExt) string {
	switch {
	case ext.Kind != "":
		return ext.Kind
	case ext.Schedule != "":
		return "CronJob"
	case c.awaited[s.Name]:
		return "Job"
	case s.Deploy != nil && s.Deploy.Mode == "global":
		return "DaemonSet"
	case s.Deploy != nil && strings.HasSuffix(s.Deploy.Mode, "-job"):
		return "Job"
	case s.Restart == types.RestartPolicyNo && s.GetScale() == 1:
		return "Pod"
	}
	return "Deployment"
}

// deployLabels are the labels under deploy, which belong to the service and not to the container.
func deployLabels(s types.ServiceConfig) map[string]string {
	if s.Deploy == nil || len(s.Deploy.Labels) == 0 {
		return nil
	}
	return maps.Clone(map[string]string(s.Deploy.Labels))
}

func appendNew[T comparable](list []T, more ...T) []T {
	for _, m := range more {
		if !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	return list
}

// verify reports duplicate names and references to missing objects in the complete stack.
func (c *converter) verify() {
	seen := map[string]bool{}
	for _, s := range c.stack.Services {
		if seen[s.Name] {
			c.bad(c.declaredAt["Service/"+s.Name], "set service: false for one of them, or rename it",
				"two Services are named %q", s.Name)
		}
		seen[s.Name] = true
	}
	for _, w := range c.stack.Workloads {
		c.verifyRefs(w)
	}
	c.verifyPorts()
	c.verifyHostPorts()
	for _, s := range slices.Sorted(maps.Keys(c.ext)) {
		c.verifyLocalhost(s)
		if len(c.ext[s].Localhost) > 0 {
			c.followRoles(s)
		}
	}
	c.kube()
}

// verifyRefs checks that the ConfigMaps and Secrets that a pod reads exist and have the keys.
func (c *converter) verifyRefs(w *services.Workload) {
	configs, secrets := references{c, "ConfigMap", map[string][]string{}}, references{c, "Secret", map[string][]string{}}
	for _, m := range c.stack.ConfigMaps {
		configs.have[m.Name] = append(known(m.Data), known(m.BinaryData)...)
	}
	for _, s := range c.stack.Secrets {
		secrets.have[s.Name] = append(known(s.Data), known(s.StringData)...)
	}
	at := keyPath{"services", c.written(w.Name()), extensionKey}
	spec := w.PodSpec()
	for _, cont := range slices.Concat(spec.InitContainers, spec.Containers) {
		for i, e := range cont.Env {
			if e.ValueFrom == nil {
				continue
			}
			if r := e.ValueFrom.ConfigMapKeyRef; r != nil {
				configs.check(r.Name, r.Key, r.Optional, at.with("env", index(i)))
			}
			if r := e.ValueFrom.SecretKeyRef; r != nil {
				secrets.check(r.Name, r.Key, r.Optional, at.with("env", index(i)))
			}
		}
		for i, e := range cont.EnvFrom {
			if r := e.ConfigMapRef; r != nil {
				configs.check(r.Name, "", r.Optional, at.with("envFrom", index(i)))
			}
			if r := e.SecretRef; r != nil {
				secrets.check(r.Name, "", r.Optional, at.with("envFrom", index(i)))
			}
		}
	}
	for _, v := range spec.Volumes {
		if v.ConfigMap != nil {
			configs.check(v.ConfigMap.Name, "", v.ConfigMap.Optional, at.with("pod", "volumes"))
		}
		if v.Secret != nil {
			secrets.check(v.Secret.SecretName, "", v.Secret.Optional, at.with("pod", "volumes"))
		}
	}
}

// references are the declared objects of one kind, with their keys.
type references struct {
	c    *converter
	kind string
	have map[string][]string
}

func (r references) check(name, key string, optional *bool, path keyPath) {
	keys, ok := r.have[name]
	switch {
	case optional != nil && *optional:
	case !ok && r.c.l.p.damagedName(name): // it is left out because of a mistake
	case !ok:
		r.c.bad(path, didYouMean(name, known(r.have)), "there is no %s %q", r.kind, name)
	case key != "" && !slices.Contains(keys, key):
		r.c.bad(path, didYouMean(key, keys), "%s %q has no key %q", r.kind, name, key)
	}
}

func sprint(v any) string { return fmt.Sprint(v) }

// written removes empty strings, which an interpolation such as "${VAR:+text}" leaves behind. A list that becomes empty stays
// an empty list, not nil.
func written(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == "" })
}
