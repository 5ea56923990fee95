package drill

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
	"github.com/lyandev/lyandev/supervisor/state"
)

// finder finds targets and clients in the supervisor's state.
type finder struct {
	Config
	Scenario
	snap *state.Status
	run  string
}

// target is the container that a drill injects its fault into.
type target struct {
	pod       string
	container string // the engine's ID
	// sandbox is the container that owns the pod's network: container itself, for a pod without a sandbox.
	sandbox string
	ip      netip.Addr
	port    int
	env     map[string]string
}

func (t *target) addr() string { return net.JoinHostPort(t.ip.String(), strconv.Itoa(t.port)) }

// podWithRole returns a pod that has a role in an operator's verdict, or nil.
func (f finder) podWithRole(operator, role string) *corev1.Pod {
	for _, p := range f.snap.Pods {
		if f.snap.Operators[operator].Pods[p.Name].Role == role {
			return p
		}
	}
	return nil
}

// master returns the container that listens on the port, in the pod that is master in the operator's verdict.
func (f finder) master(ctx context.Context, operator string, port int) (*target, error) {
	p := f.podWithRole(operator, "master")
	if p == nil {
		return nil, fmt.Errorf("the stack has no %s master", operator)
	}
	return f.target(ctx, p, port)
}

// anyOf returns the first pod by name of an operator or of a workload.
func (f finder) anyOf(ctx context.Context, operator, workload string, port int) (*target, error) {
	for _, p := range f.snap.Pods {
		_, byOperator := f.snap.Operators[operator].Pods[p.Name]
		if operator != "" && byOperator || workload != "" && p.Labels[services.WorkloadLabel] == workload {
			return f.target(ctx, p, port)
		}
	}
	if workload == "" {
		return nil, fmt.Errorf("the stack has no %s", operator)
	}
	var names []string
	for _, w := range f.snap.Workloads {
		names = append(names, w.Name)
	}
	return nil, fmt.Errorf("no service %q with a pod; services: %s", workload, strings.Join(names, ", "))
}

// target finds the container of a pod that declares the port, or else the first, and the container that owns the network.
func (f finder) target(ctx context.Context, p *corev1.Pod, port int) (*target, error) {
	name := p.Spec.Containers[0].Name
	for _, c := range p.Spec.Containers {
		for _, cp := range c.Ports {
			if int(cp.ContainerPort) == port {
				name = c.Name
			}
		}
	}
	t := &target{pod: p.Name, port: port, env: map[string]string{}}
	for _, c := range p.Status.ContainerStatuses {
		if c.Name == name && c.State.Running != nil {
			t.container = c.ContainerID[strings.LastIndexByte(c.ContainerID, '/')+1:]
			t.sandbox = t.container
		}
	}
	var err error
	if t.ip, err = netip.ParseAddr(p.Status.PodIP); err != nil || t.container == "" {
		return nil, fmt.Errorf("pod %s is not running", p.Name)
	}
	all, err := f.Engine.ListContainers(ctx, map[string]string{
		services.ProjectLabel: f.Project, services.PodUIDLabel: string(p.UID), services.KindLabel: dockerpod.KindSandbox,
	})
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		if c.State == engine.StateRunning {
			t.sandbox = c.ID
		}
	}
	c, err := f.Engine.InspectContainer(ctx, t.container)
	if err != nil {
		return nil, err
	}
	for _, e := range c.Env {
		k, v, _ := strings.Cut(e, "=")
		t.env[k] = v
	}
	return t, nil
}

// service returns the address at which the app reaches a pod: the Service that selects the pod by its role, or the first that
// selects the pod if none selects by role.
func (f finder) service(pod string, port int) (string, error) {
	p := f.snap.Pod(pod)
	found := ""
	for _, v := range f.snap.Services {
		if len(v.Spec.Selector) == 0 || !selects(v.Spec.Selector, p.Labels) {
			continue
		}
		for _, sp := range v.Spec.Ports {
			if port != 0 && int(sp.Port) != port {
				continue
			}
			addr := net.JoinHostPort(v.Name, strconv.Itoa(int(sp.Port)))
			if v.Spec.Selector[services.RoleLabel] != "" {
				return addr, nil
			}
			if found == "" {
				found = addr
			}
		}
	}
	if found == "" {
		return "", fmt.Errorf("no Service targets port %d of pod %s", port, pod)
	}
	return found, nil
}

func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// web returns a client of the first host port, none if there is no host port.
func (f finder) web() []client {
	for _, h := range f.snap.Bound {
		return []client{newWeb("http://" + h.Address() + "/")}
	}
	return nil
}

// behindHostPort returns the workload behind the first host port, or "".
func (f finder) behindHostPort() string {
	for _, h := range f.snap.Bound {
		for _, v := range f.snap.Services {
			for _, p := range f.snap.Pods {
				if v.Name == h.Service && selects(v.Spec.Selector, p.Labels) {
					return p.Labels[services.WorkloadLabel]
				}
			}
		}
	}
	return ""
}

func (f finder) redisClients(_ context.Context, p *plan, t *target) error {
	addr, err := f.service(t.pod, 6379)
	if err != nil {
		return err
	}
	p.clients = append(p.clients, newRedisWriter(addr, t.env["REDIS_PASSWORD"], f.run, f.Dial))
	p.clients = append(p.clients, f.web()...)
	return nil
}

func (f finder) sqlClients(_ context.Context, p *plan, t *target) error {
	addr, err := f.service(t.pod, 3306)
	if err != nil {
		return err
	}
	get := func(name string) string {
		for _, prefix := range []string{"MARIADB_", "MYSQL_"} {
			if v := t.env[prefix+name]; v != "" {
				return v
			}
		}
		return ""
	}
	if get("DATABASE") == "" || get("USER") == "" {
		return errors.New("the MariaDB master has no user and database for the drill's client: set MARIADB_USER and MARIADB_DATABASE")
	}
	c, err := newSQLWriter(addr, get("USER"), get("PASSWORD"), get("DATABASE"), f.run, f.Dial)
	if err != nil {
		return err
	}
	p.clients = append(append(p.clients, c), f.web()...)
	return nil
}

// allClients adds one client of each kind that the stack can serve.
func (f finder) allClients(ctx context.Context, p *plan) error {
	for _, k := range []struct {
		operator string
		port     int
		add      func(context.Context, *plan, *target) error
	}{{"redis", 6379, f.redisClients}, {"mariadb", 3306, f.sqlClients}} {
		if t, err := f.master(ctx, k.operator, k.port); err == nil {
			if err := k.add(ctx, p, t); err != nil {
				return err
			}
		}
	}
	seen := map[string]bool{}
	var once []client
	for _, c := range append(p.clients, f.web()...) {
		if !seen[c.name()] {
			once = append(once, c)
		}
		seen[c.name()] = true
	}
	p.clients = once
	if len(once) == 0 {
		return errors.New("the stack has nothing that a client could use: no host port, no MariaDB, no Redis")
	}
	return nil
}

// downAfter reads the sentinels' down-after-milliseconds setting.
func (f finder) downAfter(ctx context.Context) (time.Duration, error) {
	p := f.podWithRole("redis", "sentinel")
	if p == nil {
		return 0, fmt.Errorf("profile %q has no sentinels; switch to a profile that has them", f.snap.Profile)
	}
	t, err := f.target(ctx, p, 26379)
	if err != nil {
		return 0, err
	}
	c := redis.NewClient(&redis.Options{
		Addr: t.addr(), Password: t.env["REDIS_SENTINEL_PASSWORD"], Dialer: f.Dial, Protocol: 2, DisableIdentity: true, MaxRetries: -1,
	})
	defer c.Close()
	list, err := c.Do(ctx, "SENTINEL", "MASTERS").Slice()
	if err != nil || len(list) == 0 {
		return 0, fmt.Errorf("cannot ask the sentinel of pod %s for its master: %w", p.Name, err)
	}
	fields, _ := list[0].([]any)
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == "down-after-milliseconds" {
			n, err := strconv.Atoi(fmt.Sprint(fields[i+1]))
			return time.Duration(n) * time.Millisecond, err
		}
	}
	return 0, fmt.Errorf("the sentinel of pod %s does not report down-after-milliseconds", p.Name)
}
