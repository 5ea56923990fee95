package throwaway

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/state"
)

// HostEnv returns the resolved environment that a workload declares, overridden by extra, with the names of Services replaced by
// their published addresses on this host. The result is NAME=value, sorted by name.
func (c *Copy) HostEnv(ctx context.Context, workload string, extra map[string]string) ([]string, error) {
	env, err := c.declaredEnv(ctx, workload)
	if err != nil {
		return nil, err
	}
	maps.Copy(env, extra)
	rewritten := rewrite(env, c.stack.HostPorts)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(rewritten)) {
		out = append(out, name+"="+rewritten[name])
	}
	return out, nil
}

// declaredEnv reads the variables that the workload's template declares from a running container.
func (c *Copy) declaredEnv(ctx context.Context, workload string) (map[string]string, error) {
	w := c.stack.Workload(workload)
	if w == nil {
		return nil, fmt.Errorf("cannot find the environment of %s: there is no such workload in profile %q", workload, c.stack.Profile)
	}
	out := map[string]string{}
	first := w.PodSpec().Containers[0]
	if len(first.Env) == 0 && len(first.EnvFrom) == 0 {
		return out, nil
	}
	list, err := c.eng.ListContainers(ctx, map[string]string{
		services.ProjectLabel: c.name, services.WorkloadLabel: workload, containerLabel: first.Name,
	})
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(x engine.Container) bool { return x.State == engine.StateRunning })
	if i < 0 {
		return nil, fmt.Errorf("cannot find the environment of %s: no pod of it runs", workload)
	}
	declared := c.declaredNames(first)
	for _, e := range list[i].Env {
		if name, value, _ := strings.Cut(e, "="); declared[name] {
			out[name] = value
		}
	}
	return out, nil
}

// containerLabel names the container in its pod.
const containerLabel = "dev.lyandev.container"

// declaredNames returns the names of the variables that a container's template declares, directly or by ConfigMaps and Secrets.
func (c *Copy) declaredNames(x corev1.Container) map[string]bool {
	out := map[string]bool{}
	for _, e := range x.Env {
		out[e.Name] = true
	}
	for _, from := range x.EnvFrom {
		for _, m := range c.stack.ConfigMaps {
			if from.ConfigMapRef != nil && from.ConfigMapRef.Name == m.Name {
				for k := range m.Data {
					out[from.Prefix+k] = true
				}
			}
		}
		for _, m := range c.stack.Secrets {
			if from.SecretRef != nil && from.SecretRef.Name == m.Name {
				for k := range m.Data {
					out[from.Prefix+k] = true
				}
				for k := range m.StringData {
					out[from.Prefix+k] = true
				}
			}
		}
	}
	return out
}

// wellKnown are the default ports of URL schemes.
var wellKnown = map[string]int32{"http": 80, "https": 443, "redis": 6379, "mysql": 3306, "mariadb": 3306, "memcached": 11211, "amqp": 5672, "postgres": 5432}

// rewrite replaces Services by addresses on this host: in URLs, in "name:port" lists, and in variables X_HOST that hold only a
// Service's name, with the port in X_PORT. It is pure.
func rewrite(env map[string]string, ports []services.HostPort) map[string]string {
	out := maps.Clone(env)
	if out == nil {
		out = map[string]string{}
	}
	for name, value := range env {
		out[name] = rewriteValue(value, ports)
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if service := serviceName(env[name]); portsOf(ports, service) != nil {
			rewriteHost(out, env, name, service, ports)
		}
	}
	return out
}

func rewriteHost(out, env map[string]string, name, service string, ports []services.HostPort) {
	portName := name + "_PORT"
	if strings.HasSuffix(name, "HOST") {
		portName = strings.TrimSuffix(name, "HOST") + "PORT"
	}
	mapped := portsOf(ports, service)
	want, err := strconv.Atoi(env[portName])
	found, ok := mapped[int32(want)]
	if err != nil {
		for _, p := range slices.Sorted(maps.Keys(mapped)) {
			found, ok = mapped[p], true
			break
		}
	}
	if ok {
		out[name], out[portName] = loopback, strconv.Itoa(int(found))
	}
}

// authority matches a host with a port: at the beginning, or after what ends a scheme, user or list item.
var authority = regexp.MustCompile(`(^|[/@,;=\s])([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?):(\d+)`)

func rewriteValue(value string, ports []services.HostPort) string {
	value = authority.ReplaceAllStringFunc(value, func(m string) string {
		parts := authority.FindStringSubmatch(m)
		n, err := strconv.Atoi(parts[3])
		if mapped, ok := portsOf(ports, serviceName(parts[2]))[int32(n)]; err == nil && ok {
			return fmt.Sprintf("%s%s:%d", parts[1], loopback, mapped)
		}
		return m
	})
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Port() != "" {
		return value
	}
	if mapped, ok := portsOf(ports, serviceName(u.Host))[wellKnown[u.Scheme]]; ok {
		return strings.Replace(value, u.Host, fmt.Sprintf("%s:%d", loopback, mapped), 1)
	}
	return value
}

// serviceName returns the Service's name of any of its DNS names (web, web.default, web.default.svc.cluster.local).
func serviceName(host string) string {
	short, rest, more := strings.Cut(strings.TrimSuffix(host, "."), ".")
	if more && rest != metav1.NamespaceDefault && !strings.HasPrefix(rest, metav1.NamespaceDefault+".svc") {
		return host
	}
	return short
}

func portsOf(ports []services.HostPort, service string) map[int32]int32 {
	var out map[int32]int32
	for _, p := range ports {
		if p.Service == service && service != "" {
			if out == nil {
				out = map[int32]int32{}
			}
			out[p.Port] = p.HostPort
		}
	}
	return out
}

// PodOf returns the name of a workload's first Ready pod, else of its first pod.
func PodOf(s *state.Status, workload string) (string, bool) {
	pods := s.PodsOf(workload)
	for _, p := range pods {
		if state.PodReady(p) {
			return p.Name, true
		}
	}
	if len(pods) > 0 {
		return pods[0].Name, true
	}
	return "", false
}
