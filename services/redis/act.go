package redis

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// act does one step. Steps are idempotent; the next observation shows the result.
func (o *Operator) act(ctx context.Context, r *round, s Step) error {
	ctx, cancel := context.WithTimeout(ctx, 2*lookDeadline)
	defer cancel()
	p := r.processes[s.Pod+"/"+s.Container]
	c := r.clients[s.Pod+"/"+s.Container]
	switch s.Do {
	case Follow:
		return follow(ctx, r, c, p, s.To)
	case Lead:
		return persist(ctx, c, s, []any{"REPLICAOF", "NO", "ONE"})
	case Announce:
		if p.role == Watcher {
			return run(ctx, c, s, []any{"SENTINEL", "CONFIG", "SET", "announce-ip", s.At.Host})
		}
		return persist(ctx, c, s, []any{"CONFIG", "SET", "replica-announce-ip", s.At.Host})
	case Rewatch:
		if err := run(ctx, c, s, []any{"SENTINEL", "REMOVE", r.facts.Settings.Group}); err != nil {
			return err
		}
		return watchMaster(ctx, r, c, p, s)
	case Watch:
		return watchMaster(ctx, r, c, p, s)
	case Set:
		return setOptions(ctx, c, r.facts.Settings.Group, s)
	case Reset:
		return run(ctx, c, s, []any{"SENTINEL", "RESET", r.facts.Settings.Group})
	case Introduce:
		m := elect(&r.facts).Master
		if m == nil {
			return nil
		}
		return run(ctx, c, s, []any{"PUBLISH", "__sentinel__:hello", hello(s, r.facts.Settings.Group, m.At)})
	case Align:
		o.mu.Lock()
		o.memory.aligned = true
		o.mu.Unlock()
		return run(ctx, c, s, debugCommand(s.Options))
	case Hurry:
		return run(ctx, c, s, debugCommand(s.Options))
	}
	return fmt.Errorf("cannot do %q: unknown step", s.Do)
}

// debugCommand sets periods of a sentinel.
func debugCommand(periods map[string]string) []any {
	command := []any{"SENTINEL", "DEBUG"}
	for _, k := range slices.Sorted(maps.Keys(periods)) {
		command = append(command, k, periods[k])
	}
	return command
}

// hello is the message by which the other sentinel of an Introduce announces itself: its address and ID, its epoch, and the master that
// it watches with the epoch of its configuration. Epochs of 0 change nothing at the receiver.
func hello(s Step, group string, master Endpoint) string {
	return fmt.Sprintf("%s,%d,%s,0,%s,%s,%d,0", s.To.Host, s.To.Port, s.ID, group, master.Host, master.Port)
}

func run(ctx context.Context, c *redis.Client, s Step, command []any) error {
	if err := c.Do(ctx, command...).Err(); err != nil {
		words := make([]string, 0, 3)
		for _, w := range command[:min(3, len(command))] { // a password could follow
			words = append(words, fmt.Sprint(w))
		}
		return fmt.Errorf("cannot run %s on %s/%s: %w", strings.Join(words, " "), s.Pod, s.Container, err)
	}
	return nil
}

// persist runs a command and writes the changed configuration to the server's file. A server started without a file is left
// without one.
func persist(ctx context.Context, c *redis.Client, s Step, command []any) error {
	if err := run(ctx, c, s, command); err != nil {
		return err
	}
	err := run(ctx, c, s, []any{"CONFIG", "REWRITE"})
	if err != nil && strings.Contains(err.Error(), "without a config file") {
		return nil
	}
	return err
}

func follow(ctx context.Context, r *round, c *redis.Client, p process, to Endpoint) error {
	s := Step{Pod: p.Pod, Container: p.Container}
	pass, err := masterPassword(ctx, r.view, p)
	if err != nil {
		return err
	}
	if pass != "" {
		if err := run(ctx, c, s, []any{"CONFIG", "SET", "masterauth", pass}); err != nil {
			return err
		}
	}
	return persist(ctx, c, s, []any{"REPLICAOF", to.Host, strconv.Itoa(to.Port)})
}

func watchMaster(ctx context.Context, r *round, c *redis.Client, p process, s Step) error {
	group := r.facts.Settings.Group
	err := run(ctx, c, s, []any{"SENTINEL", "MONITOR", group, s.To.Host, strconv.Itoa(s.To.Port), s.Options["quorum"]})
	if err != nil {
		return err
	}
	pass, err := masterPassword(ctx, r.view, p)
	if err != nil {
		return err
	}
	if pass != "" {
		if err := run(ctx, c, s, []any{"SENTINEL", "SET", group, "auth-pass", pass}); err != nil {
			return err
		}
	}
	return setOptions(ctx, c, group, s)
}

func setOptions(ctx context.Context, c *redis.Client, group string, s Step) error {
	command := []any{"SENTINEL", "SET", group}
	for _, k := range slices.Sorted(maps.Keys(s.Options)) {
		command = append(command, k, s.Options[k])
	}
	return run(ctx, c, s, command)
}
