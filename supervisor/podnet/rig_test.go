package podnet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/network"
)

const podLabel = "test.pod"

// rig is a Network on a fake engine, with an agent that answers while its container runs in the network.
type rig struct {
	*enginefake.Engine
	t *testing.T
	n *Network

	mu sync.Mutex
	// imageErr is why there is no image, refuse why the agent takes no table, hang how long it takes for one.
	imageErr, refuse error
	hang             time.Duration
	// waited is how many connections had to wait for the agent so far.
	waited          int64
	tables          []*agent.Table
	clients, closed int
	events          []string
	changes         int
}

// onRig runs a test in virtual time with a network and an agent, while Run runs. An empty table has been pushed.
func onRig(t *testing.T, test func(r *rig)) {
	t.Helper()
	onRigWith(t, Everything(), test)
}

// onRigWith is onRig for a stack with other needs.
func onRigWith(t *testing.T, needs Request, test func(r *rig)) {
	t.Helper()
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, root)
		if err := r.n.Ensure(t.Context(), needs, false); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.n.Run(ctx) }()
		r.n.Offer(&network.View{})
		r.pass(time.Second)
		test(r)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run ended with %v", err)
		}
	})
}

// newRig is a rig whose network is not there yet; root keeps the instance's files.
func newRig(t *testing.T, root string) *rig {
	t.Helper()
	i, err := (&instance.Registry{Root: root}).Resolve(t.Context(), "s", root, "s")
	if err == nil {
		err = i.Save()
	}
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Engine: enginefake.New(), t: t}
	r.AddImage("agent:1", enginefake.Image{})
	r.AddImage("img:1", enginefake.Image{})
	r.n = New(Config{
		Engine: r.Engine, Instance: i, Log: slog.New(slog.DiscardHandler),
		Image: func(context.Context) (string, string, error) {
			return "agent:1", "hash1", r.read(func() error { return r.imageErr })
		},
		Changed: func() { r.set(func() { r.changes++ }) },
		Event: func(kind, name, typ, reason, _ string) {
			r.set(func() { r.events = append(r.events, fmt.Sprintf("%s %s %s %s", kind, name, typ, reason)) })
		},
		Rejoin: r.rejoin,
		Client: func(address, token, _ string) AgentClient {
			r.set(func() { r.clients++ })
			return &client{r, address, token}
		},
	})
	return r
}

func (r *rig) set(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do()
}

func (r *rig) read(get func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return get()
}

func (r *rig) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// pushed is how many tables the agent has got; last the names of the pods in the last one.
func (r *rig) pushed() (n int, last []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.tables) == 0 {
		return 0, nil
	}
	for _, p := range r.tables[len(r.tables)-1].Pods {
		last = append(last, p.Name)
	}
	return len(r.tables), last
}

// told are the events so far.
func (r *rig) told() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// changed is how often the loop was told to look, open how many clients have not been closed.
func (r *rig) changed() (n int) { r.set(func() { n = r.changes }); return n }
func (r *rig) open() (n int)    { r.set(func() { n = r.clients - r.closed }); return n }

func (r *rig) wantEvents(want ...string) {
	r.t.Helper()
	if got := r.told(); !slices.Equal(got, want) {
		r.t.Errorf("events %q, want %q", got, want)
	}
}

// agent is the agent's container.
func (r *rig) agent() engine.Container {
	r.t.Helper()
	c, err := r.n.findAgent(r.t.Context())
	if err != nil || c == nil {
		r.t.Fatalf("no agent: %v", err)
	}
	return *c
}

// run starts the container of a pod in the network.
func (r *rig) run(name string) (id string) {
	r.t.Helper()
	ip, err := r.n.PodIP(name)
	if err != nil {
		r.t.Fatal(err)
	}
	id, err = r.CreateContainer(r.t.Context(), engine.ContainerSpec{
		Name: "s-" + name, Image: "img:1", Labels: map[string]string{podLabel: name}, Network: r.n.Name(), IP: ip,
	})
	if err == nil {
		err = r.StartContainer(r.t.Context(), id)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

// rejoin stands in for the pods' runtime.
func (r *rig) rejoin(ctx context.Context) (pods []string, err error) {
	all, err := r.ListContainers(ctx, map[string]string{podLabel: ""})
	for _, c := range all {
		if _, in := c.IPs[r.n.Name()]; in || c.State != engine.StateRunning {
			continue
		}
		ip, ipErr := r.n.PodIP(c.Labels[podLabel])
		err = errors.Join(err, ipErr, r.ConnectNetwork(ctx, r.n.Name(), c.ID, engine.EndpointAt(ip)))
		pods = append(pods, c.Labels[podLabel])
	}
	return pods, err
}

// view is what a table of running pods with these names is made from.
func view(names ...string) *network.View {
	v := new(network.View)
	for i, name := range names {
		v.Pods = append(v.Pods, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)},
			Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIP: fmt.Sprintf("10.201.0.%d", 10+i)},
		})
	}
	return v
}

// client is a client of the rig's agent, which answers only where its container publishes the control port.
type client struct {
	r              *rig
	address, token string
}

var errNobody = errors.New("connection refused")

func (c *client) reach(ctx context.Context) error {
	list, err := c.r.ListContainers(ctx, c.r.n.Labels("agent"))
	if err != nil {
		return err
	}
	for i := range list {
		if at, ok := controlAddress(list[i]); ok && at == c.address && list[i].State == engine.StateRunning && c.r.n.inside(&list[i]) {
			return nil
		}
	}
	return errNobody
}

func (c *client) Health(ctx context.Context) (agent.Health, error) {
	var h agent.Health
	c.r.set(func() { h.Limit, h.Waited = 10, c.r.waited })
	return h, c.reach(ctx)
}

func (c *client) Push(ctx context.Context, t *agent.Table) (agent.Pushed, error) {
	if err := c.reach(ctx); err != nil {
		return agent.Pushed{}, err
	}
	var hang time.Duration
	c.r.set(func() { hang = c.r.hang })
	select {
	case <-time.After(hang):
	case <-ctx.Done():
		return agent.Pushed{}, ctx.Err()
	}
	err := c.r.read(func() error { return c.r.refuse })
	if err == nil {
		c.r.set(func() { c.r.tables = append(c.r.tables, t) })
	}
	return agent.Pushed{}, err
}

func (c *client) Table(context.Context) (*agent.Table, error) {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	if len(c.r.tables) == 0 {
		return nil, errNobody
	}
	return c.r.tables[len(c.r.tables)-1], nil
}

func (c *client) DialContext(_ context.Context, _, addr string) (net.Conn, error) {
	return nil, errors.New("dialed " + addr)
}

func (c *client) Close() { c.r.set(func() { c.r.closed++ }) }

// publishing is the request of a stack with these host ports.
func publishing(ports ...services.HostPort) Request {
	r := Everything()
	r.HostPorts = ports
	return r
}

// published is a host port of 127.0.0.1 that leads to a Service.
func published(port int32) services.HostPort { return hostPort(port) }
