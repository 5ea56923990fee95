package drill

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lyandev/lyandev/supervisor/fault"
	"github.com/lyandev/lyandev/supervisor/state"
)

// Scenario selects a drill and its parameters.
type Scenario struct {
	// Name is one of Names.
	Name string
	// Service is the target workload. Only web-hang and partition use it; partition requires it.
	Service string
	// For is how long a partition lasts, 10 s when 0.
	For time.Duration
	// Times is the number of profile switches, 10 when 0.
	Times int
}

// kind is one kind of drill.
type kind struct {
	name, about string
	needs       bool // requires Scenario.Service
	prepare     func(ctx context.Context, f finder) (*plan, error)
}

// kinds are all drills.
var kinds = []kind{
	{"redis-failover", "hang the Redis master until the sentinels elect another one", false, redisFailover},
	{"redis-crash", "kill the Redis master, which is restarted", false, redisCrash},
	{"mariadb-crash", "kill the MariaDB master, which is restarted", false, mariadbCrash},
	{"mariadb-failover", "promote the MariaDB slave under load, and switch back", false, mariadbFailover},
	{"memcached-loss", "kill a Memcached pod", false, memcachedLoss},
	{"web-hang", "hang a pod behind the host port, or of SERVICE", false, webHang},
	{"profile-switch", "switch to another profile and back, repeatedly", false, profileSwitch},
	{"partition", "disconnect a pod of SERVICE from the network for a while", true, partition},
}

// Names returns each drill's name and description.
func Names() [][2]string {
	var out [][2]string
	for _, k := range kinds {
		out = append(out, [2]string{k.name, k.about})
	}
	return out
}

// Check validates a scenario without a stack.
func (s Scenario) Check() error {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == s.Name })
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	switch {
	case i < 0:
		return fmt.Errorf("there is no drill %q; available drills: %s", s.Name, strings.Join(names, ", "))
	case kinds[i].needs && s.Service == "":
		return fmt.Errorf("drill %s needs a service: lyandev drill %s SERVICE", s.Name, s.Name)
	case s.Times < 0:
		return fmt.Errorf("cannot switch profiles %d times: the number must not be negative", s.Times)
	case s.For < 0:
		return fmt.Errorf("cannot inject a fault for %s: the duration must not be negative", s.For)
	}
	return nil
}

// plan is a drill with its target found.
type plan struct {
	target, what, expected string
	clients                []client
	// faults are undone by the supervisor or the next drill if this process is killed.
	faults []fault.Fault
	inject func(ctx context.Context) error
	// after runs after the faults were undone.
	after  func(ctx context.Context) error
	forget func()
	// hold is the minimum duration of the fault, until the maximum. harmless is the time without a failed request after which
	// the fault counts as harmless.
	hold, until, harmless time.Duration
	// timeout extends the default Limits.Timeout.
	timeout time.Duration
	// recover is the default of Limits.Recover.
	recover time.Duration
}

func (s Scenario) prepare(ctx context.Context, c Config, snap *state.Status) (*plan, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	f := finder{Config: c, Scenario: s, snap: snap, run: fmt.Sprintf("%x", time.Now().UnixNano())}
	for _, k := range kinds {
		if k.name == s.Name {
			return k.prepare(ctx, f)
		}
	}
	return nil, nil // not reached: Check has found the name
}

func redisFailover(ctx context.Context, f finder) (*plan, error) {
	t, err := f.master(ctx, "redis", 6379)
	if err != nil {
		return nil, err
	}
	allowed, err := f.downAfter(ctx)
	if err != nil {
		return nil, err
	}
	p := f.paused(t, "hang the Redis master until the sentinels have elected another one")
	p.expected = fmt.Sprintf("down-after is %s, an election takes about 1.3 s", allowed)
	p.recover, p.until, p.harmless = allowed+5*time.Second, allowed+30*time.Second, allowed+20*time.Second
	return p, f.redisClients(ctx, p, t)
}

func redisCrash(ctx context.Context, f finder) (*plan, error) {
	t, err := f.master(ctx, "redis", 6379)
	if err != nil {
		return nil, err
	}
	p := f.killed(t, "kill the Redis master")
	p.recover = 5 * time.Second
	return p, f.redisClients(ctx, p, t)
}

func mariadbCrash(ctx context.Context, f finder) (*plan, error) {
	t, err := f.master(ctx, "mariadb", 3306)
	if err != nil {
		return nil, err
	}
	p := f.killed(t, "kill the MariaDB master")
	p.recover = 10 * time.Second
	return p, f.sqlClients(ctx, p, t)
}

func mariadbFailover(ctx context.Context, f finder) (*plan, error) {
	t, err := f.master(ctx, "mariadb", 3306)
	if err != nil {
		return nil, err
	}
	if f.podWithRole("mariadb", "slave") == nil {
		return nil, fmt.Errorf("profile %q has no slave to promote; switch to a profile that has one", f.snap.Profile)
	}
	p := &plan{
		target: t.pod, what: "promote the slave under load", recover: 10 * time.Second, until: 60 * time.Second, harmless: 4 * time.Second,
		inject: func(ctx context.Context) error { return f.Operate(ctx, "mariadb", "promote") },
		after: func(ctx context.Context) error {
			for {
				err := f.Operate(ctx, "mariadb", "switchback")
				if err == nil || ctx.Err() != nil {
					return err
				}
				if sleep(ctx, 500*time.Millisecond) != nil { // the old master is still becoming a slave
					return err
				}
			}
		},
	}
	return p, f.sqlClients(ctx, p, t)
}

func memcachedLoss(ctx context.Context, f finder) (*plan, error) {
	t, err := f.anyOf(ctx, "memcached", "", 11211)
	if err != nil {
		return nil, err
	}
	p := f.killed(t, "kill a Memcached pod")
	p.recover = 5 * time.Second
	p.clients = append(f.web(), &tcp{addr: t.addr(), ask: "version\r\n", answer: "VERSION", dial: f.Dial})
	return p, nil
}

func webHang(ctx context.Context, f finder) (*plan, error) {
	service := f.Service
	if service == "" {
		service = f.behindHostPort()
	}
	t, err := f.anyOf(ctx, "", service, 0)
	if err != nil {
		return nil, err
	}
	p := f.paused(t, "hang a pod of "+service)
	p.recover, p.until, p.harmless = 60*time.Second, 90*time.Second, 20*time.Second
	p.clients = f.web()
	if len(p.clients) == 0 {
		return nil, fmt.Errorf("the stack publishes no host port for the drill's client")
	}
	return p, nil
}

func partition(ctx context.Context, f finder) (*plan, error) {
	t, err := f.anyOf(ctx, "", f.Service, 0)
	if err != nil {
		return nil, err
	}
	last := f.For
	if last == 0 {
		last = 10 * time.Second
	}
	network := f.Project + "_default"
	p := &plan{
		target: t.pod, what: fmt.Sprintf("disconnect it from the network for %s", last), hold: last, until: last, recover: last + 30*time.Second,
		faults: []fault.Fault{{Kind: fault.Cut, Container: t.sandbox, Network: network, IP: t.ip}},
		inject: func(ctx context.Context) error { return f.Engine.DisconnectNetwork(ctx, network, t.sandbox) },
	}
	return p, f.allClients(ctx, p)
}

func profileSwitch(ctx context.Context, f finder) (*plan, error) {
	times := f.Times
	if times == 0 {
		times = 10
	}
	p := &plan{
		target: f.Project, what: fmt.Sprintf("switch profiles %d times", times), recover: time.Hour, until: time.Second,
		timeout: time.Duration(times) * 3 * time.Minute,
		inject: func(ctx context.Context) error {
			for n := range times {
				began := time.Now()
				to, err := f.Switch(ctx)
				if err != nil {
					return fmt.Errorf("switch %d of %d: %w", n+1, times, err)
				}
				f.Say("%d/%d: switched to %s in %s", n+1, times, to, time.Since(began).Round(100*time.Millisecond))
			}
			return nil
		},
	}
	return p, f.allClients(ctx, p)
}

// paused is a plan that pauses a container; undoing the fault unpauses it.
func (f finder) paused(t *target, what string) *plan {
	return &plan{
		target: t.pod, what: what, faults: []fault.Fault{{Kind: fault.Paused, Container: t.container}},
		inject: func(ctx context.Context) error { return f.Engine.PauseContainer(ctx, t.container) },
	}
}

// killed is a plan that kills a container. There is nothing to undo: the supervisor restarts it.
func (f finder) killed(t *target, what string) *plan {
	return &plan{
		target: t.pod, what: what, until: 60 * time.Second, harmless: 5 * time.Second,
		inject: func(ctx context.Context) error { return f.Engine.KillContainer(ctx, t.container, "SIGKILL") },
	}
}
