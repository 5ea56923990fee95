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

// Scenario is one drill to do.
type Scenario struct {
	// Name is one of Names.
	Name string
	// Service is the workload that it is about, where it may be any.
	Service string
	// For is how long a partition lasts, 10 s when 0.
	For time.Duration
	// Times is how often profiles are switched, 10 when 0.
	Times int
}

// kind is one drill.
type kind struct {
	name, about string
	needs       bool // a service
	prepare     func(ctx context.Context, f finder) (*plan, error)
}

// kinds are the drills there are.
var kinds = []kind{
	{"redis-failover", "hang the Redis master until the sentinels choose another", false, redisFailover},
	{"redis-crash", "kill the Redis master, which starts again", false, redisCrash},
	{"mariadb-crash", "kill the MariaDB master, which starts again", false, mariadbCrash},
	{"mariadb-failover", "promote the MariaDB slave under load, and switch back", false, mariadbFailover},
	{"memcached-loss", "kill a Memcached", false, memcachedLoss},
	{"web-hang", "hang a pod behind the host port, or of SERVICE", false, webHang},
	{"profile-switch", "switch to another profile and back, again and again", false, profileSwitch},
	{"partition", "cut a pod of SERVICE off the network for a while", true, partition},
}

// Names lists the drills with what they do.
func Names() [][2]string {
	var out [][2]string
	for _, k := range kinds {
		out = append(out, [2]string{k.name, k.about})
	}
	return out
}

// Check says what is wrong with a scenario before anything is asked of a stack.
func (s Scenario) Check() error {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == s.Name })
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	switch {
	case i < 0:
		return fmt.Errorf("there is no drill %q; there are %s", s.Name, strings.Join(names, ", "))
	case kinds[i].needs && s.Service == "":
		return fmt.Errorf("drill %s needs a service: lyandev drill %s SERVICE", s.Name, s.Name)
	case s.Times < 0:
		return fmt.Errorf("cannot do something %d times", s.Times)
	case s.For < 0:
		return fmt.Errorf("cannot break something for %s", s.For)
	}
	return nil
}

// plan is a drill with its target found.
type plan struct {
	target, what, expected string
	clients                []client
	// faults are what the supervisor, or the next drill, undoes if this process cannot.
	faults []fault.Fault
	inject func(ctx context.Context) error
	// after is done beside undoing the faults.
	after  func(ctx context.Context) error
	forget func()
	// hold is how long the fault lasts at least, until at most; harmless is when it is clear that it hurts nobody.
	hold, until, harmless time.Duration
	// timeout replaces the usual one, when not 0.
	timeout time.Duration
	// recover is the limit that goes for it unless the user says another.
	recover time.Duration
}

func (s Scenario) prepare(ctx context.Context, c Config, snap *state.Snapshot) (*plan, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	f := finder{Config: c, Scenario: s, snap: snap, run: fmt.Sprintf("%x", time.Now().UnixNano())}
	for _, k := range kinds {
		if k.name == s.Name {
			return k.prepare(ctx, f)
		}
	}
	return nil, nil // Check has found it
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
	p := f.paused(t, "hang the Redis master until the sentinels have chosen another")
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
		return nil, fmt.Errorf("there is no slave to promote in profile %q: switch to one that has it", f.snap.Profile)
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
	p := f.killed(t, "kill a Memcached")
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
		return nil, fmt.Errorf("no port of the stack is on the host, so no client could watch")
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
		target: t.pod, what: fmt.Sprintf("cut it off the network for %s", last), hold: last, until: last, recover: last + 30*time.Second,
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

// paused hangs a container; undoing lets it go on.
func (f finder) paused(t *target, what string) *plan {
	return &plan{
		target: t.pod, what: what, faults: []fault.Fault{{Kind: fault.Paused, Container: t.container}},
		inject: func(ctx context.Context) error { return f.Engine.PauseContainer(ctx, t.container) },
	}
}

// killed needs no undoing: the supervisor starts the container again.
func (f finder) killed(t *target, what string) *plan {
	return &plan{
		target: t.pod, what: what, until: 60 * time.Second, harmless: 5 * time.Second,
		inject: func(ctx context.Context) error { return f.Engine.KillContainer(ctx, t.container, "SIGKILL") },
	}
}
