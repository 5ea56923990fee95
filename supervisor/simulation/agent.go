package simulation

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/podnet"
	"github.com/lyandev/lyandev/supervisor/selfimage"
)

// agentWorld is what the agents know, by the ID of their container. World.mu guards it.
type agentWorld struct {
	tables map[string]*agent.Table
	// hangs: nothing is answered. trouble is when an agent was found not to answer last.
	hangs   bool
	trouble time.Time
}

func newAgentWorld() agentWorld { return agentWorld{tables: map[string]*agent.Table{}} }

// agentContainer is the agent's container, if it runs in the stack's network.
func (w *World) agentContainer() (engine.Container, bool) {
	for _, c := range w.containers(func(c engine.Container) bool { return c.Labels[selfimage.KindLabel] == "agent" }) {
		if _, in := c.IPs["s_default"]; in && c.State == engine.StateRunning {
			return c, true
		}
	}
	return engine.Container{}, false
}

// agentTable is the table that the agent serves, nil if none runs.
func (w *World) agentTable() *agent.Table {
	c, ok := w.agentContainer()
	if !ok {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.agent.tables[c.ID]
}

// agentClient implements podnet.AgentClient without HTTP.
type agentClient struct {
	link *link
	port string
}

func (r *running) agentClient(address, _, _ string) podnet.AgentClient {
	return &agentClient{r.link, address[strings.LastIndex(address, ":")+1:]}
}

// reach is the container of the agent at the client's address.
func (c *agentClient) reach(ctx context.Context) (string, error) {
	w := c.link.w
	w.mu.Lock()
	hangs := w.agent.hangs
	w.mu.Unlock()
	if hangs {
		w.agentTrouble()
		<-ctx.Done()
		return "", ctx.Err()
	}
	at, ok := w.agentContainer()
	for _, p := range at.Ports {
		if ok && p.ContainerPort == agent.ControlPort && c.port == portText(p.HostPort) {
			return at.ID, nil
		}
	}
	w.agentTrouble()
	return "", errNobody
}

func (w *World) agentTrouble() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.agent.trouble = time.Now()
}

// ask does a request to the agent.
func (c *agentClient) ask(ctx context.Context, what string, answer func(id string)) error {
	err := c.link.do(ctx, call{method: "agent", object: what}, func() error {
		id, err := c.reach(ctx)
		if err == nil {
			answer(id)
		}
		return err
	})
	if err != nil {
		c.link.w.agentTrouble()
	}
	return err
}

// Push implements podnet.AgentClient.
func (c *agentClient) Push(ctx context.Context, t *agent.Table) (agent.Pushed, error) {
	w := c.link.w
	began := time.Now()
	ready := readyIn(c.link.r.Store().Latest())
	err := c.ask(ctx, "push", func(id string) {
		w.mu.Lock()
		w.agent.tables[id] = t
		w.mu.Unlock()
		w.trace.add(false, "#%d pushed %s", c.link.gen, tableText(t))
		w.checkTable(c.link.r, t, began, ready)
	})
	return agent.Pushed{}, err
}

// tableText is the pods of a table, with + for ready and - for terminating ones.
func tableText(t *agent.Table) string {
	var out []string
	for _, p := range t.Pods {
		text := p.Name
		if p.Ready {
			text += "+"
		}
		if p.Terminating {
			text += "-"
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

// Health implements podnet.AgentClient.
func (c *agentClient) Health(ctx context.Context) (agent.Health, error) {
	return agent.Health{Limit: 10}, c.ask(ctx, "health", func(string) {})
}

// Table implements podnet.AgentClient.
func (c *agentClient) Table(ctx context.Context) (t *agent.Table, err error) {
	w := c.link.w
	err = c.ask(ctx, "table", func(id string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		t = w.agent.tables[id]
	})
	if err == nil && t == nil {
		t = &agent.Table{}
	}
	return t, err
}

// DialContext implements podnet.AgentClient: nothing in the stacks listens.
func (c *agentClient) DialContext(context.Context, string, string) (net.Conn, error) {
	return nil, errNobody
}

// Close implements podnet.AgentClient.
func (c *agentClient) Close() {}
