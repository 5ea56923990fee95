package compat_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	composeProject = "com.docker.compose.project"
	composeService = "com.docker.compose.service"
	composeNumber  = "com.docker.compose.container-number"
	composeOneOff  = "com.docker.compose.oneoff"
	composeHook    = "com.docker.compose.hook"
	lyandevProject = "dev.lyandev.project"
	// lyandevWorkload and lyandevPod are on lyandev's containers if Compose's labels are not.
	lyandevWorkload = "dev.lyandev.workload"
	lyandevPod      = "dev.lyandev.pod"
)

const (
	// settleLimit is how long a step may take to show all its effects.
	settleLimit = 15 * time.Second
	// settled is how long nothing may have changed until a step counts as done, and settledAsExpected the same if all is as
	// it is with the other program.
	settled, settledAsExpected = 700 * time.Millisecond, 150 * time.Millisecond
	pollEvery                  = 50 * time.Millisecond
)

// snapshot is all that is compared after a step. Containers are named SERVICE-NUMBER.
type snapshot struct {
	Step       string `json:"-"`
	Failed     bool
	Containers map[string]*container
	Networks   map[string]any
	Volumes    map[string]any
	Images     map[string]any
	Dials      map[string]string

	result result
	// asked are the host names that the containers resolved.
	asked []string
}

// container is what is compared of a container.
type container struct {
	// Identity says whether the container is new since the snapshot before, the same, or another one of the same name.
	Identity string
	Inspect  any
	// Self is what the main process printed at its latest start, Seen what another process in the container sees.
	Self, Seen any
	// Output are the other lines of the log.
	Output []string

	id, service, number string
	running             bool
	shape, state        string
	started             string
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// object is a decoded JSON object.
type object = map[string]any

// at is the value below keys in decoded JSON, nil if there is none.
func at(v any, keys ...string) any {
	for _, k := range keys {
		o, _ := v.(object)
		v = o[k]
	}
	return v
}

func str(v any, keys ...string) string {
	s, _ := at(v, keys...).(string)
	return s
}

// inspect decodes `docker KIND inspect` of several objects.
func inspect(ctx context.Context, kind string, ids []string) ([]object, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	out, err := docker(ctx, append([]string{kind, "inspect"}, ids...)...)
	if err != nil {
		return nil, err
	}
	var all []object
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		return nil, fmt.Errorf("cannot read docker %s inspect: %w", kind, err)
	}
	return all, nil
}

// listed are the objects of a kind that have a label.
func listed(ctx context.Context, kind, label string) ([]object, error) {
	list := []string{kind, "ls", "-q", "--filter", "label=" + label}
	if kind == "container" {
		list = append(list, "-a", "--no-trunc")
	}
	out, err := docker(ctx, list...)
	if err != nil {
		return nil, err
	}
	return inspect(ctx, kind, strings.Fields(out))
}

// containers are those of the project's services; others are those that lyandev runs beside them.
func (s *session) containers(ctx context.Context) (map[string]*container, []object, error) {
	list, err := listed(ctx, "container", s.label+"="+s.project)
	if err != nil {
		return nil, nil, err
	}
	others, err := s.outside(ctx, list)
	if err != nil {
		return nil, nil, err
	}
	all := map[string]*container{}
	for _, o := range list {
		labels := at(o, "Config", "Labels")
		service, number := str(labels, composeService), str(labels, composeNumber)
		if service == "" && str(labels, lyandevPod) != "" && !strings.HasPrefix(str(labels, "dev.lyandev.container"), "pod") {
			service = str(labels, lyandevWorkload)
			number = "1"
		}
		if service == "" || str(labels, composeOneOff) == "True" || str(labels, composeHook) != "" {
			others = append(others, o)
			continue
		}
		state := at(o, "State")
		c := &container{
			id: str(o, "Id"), service: service, number: cmp.Or(number, "1"), running: str(state, "Status") == "running", Inspect: o,
			shape: fmt.Sprint(str(state, "Status"), at(state, "ExitCode"), str(state, "Health", "Status"), at(o, "RestartCount")),
		}
		c.started = str(state, "StartedAt")
		c.state = c.id + c.shape + c.started + str(state, "FinishedAt")
		all[c.service+"-"+c.number] = c
	}
	return all, others, nil
}

// settle waits until what the step does is done, and takes a snapshot. If the other program ran before, expected is what it
// had: then it waits for the same.
func (s *session) settle(ctx context.Context, expected *snapshot) (*snapshot, error) {
	var before string
	began := time.Now()
	since := began
	for {
		all, others, err := s.containers(ctx)
		if err != nil {
			if time.Since(began) > settleLimit {
				return nil, err
			}
			time.Sleep(pollEvery) // one was removed between list and inspect
			continue
		}
		now := ""
		changing := false
		for _, key := range sortedKeys(all) {
			now += key + all[key].state
			changing = changing || strings.HasPrefix(all[key].shape, "restarting") || strings.Contains(all[key].shape, "starting") ||
				strings.HasPrefix(all[key].shape, "removing")
		}
		if now != before {
			before, since = now, time.Now()
		}
		want := settled
		if expected != nil {
			want = settleLimit
			if sameShapes(all, expected.Containers) {
				want = settledAsExpected
			}
		} else if changing {
			want = settleLimit
		}
		if time.Since(since) >= want || time.Since(began) > settleLimit {
			return s.collect(ctx, all, others, expected)
		}
		time.Sleep(pollEvery)
	}
}

// sameShapes says whether the same containers are in the same states.
func sameShapes(a, b map[string]*container) bool {
	return maps.EqualFunc(a, b, func(x, y *container) bool { return x.shape == y.shape })
}

// collect looks at everything.
func (s *session) collect(ctx context.Context, all map[string]*container, others []object, expected *snapshot) (*snapshot, error) {
	snap := &snapshot{Containers: all, Dials: map[string]string{}, asked: s.names(all, expected)}
	var err error
	if snap.Networks, err = s.networks(ctx, all); err != nil {
		return nil, err
	}
	if snap.Volumes, err = s.volumes(ctx); err != nil {
		return nil, err
	}
	if snap.Images, err = s.images(ctx); err != nil {
		return nil, err
	}
	for _, key := range sortedKeys(all) {
		c := all[key]
		c.Identity = s.identity(key, c)
		if c.running {
			c.Seen = s.see(ctx, c, snap.asked)
		}
		if err := s.log(ctx, c); err != nil {
			return nil, err
		}
	}
	for _, addr := range s.c.list("dial") {
		argv := append(slices.Clone(s.before), tools.probe, "dial", s.expand(addr))
		r, err := command(ctx, "", nil, argv[0], argv[1:]...)
		if err != nil {
			return nil, err
		}
		snap.Dials[addr] = strings.TrimSpace(r.out)
		if r.code != 0 {
			snap.Dials[addr] = "no answer"
		}
	}
	return s.normalise(snap, others)
}

// identity compares a container with the one of the snapshot before.
func (s *session) identity(key string, c *container) string {
	if s.last == nil {
		return "new"
	}
	before := s.last.Containers[key]
	switch {
	case before == nil:
		return "new"
	case before.id != c.id:
		return "recreated"
	case before.started != c.started:
		return "started again"
	}
	return "kept"
}

// log reads what the main process said of itself, and what else is in the log.
func (s *session) log(ctx context.Context, c *container) error {
	r, err := command(ctx, "", nil, "docker", "logs", c.id)
	if err != nil {
		return err
	}
	for line := range strings.Lines(r.out + r.err) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, `{"self":`) {
			c.Output = append(c.Output, line)
			continue
		}
		var said object
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			return fmt.Errorf("cannot read what the process of %s says of itself: %w", c.service, err)
		}
		c.Self = said["self"]
	}
	return nil
}

// see has the container say what it sees.
func (s *session) see(ctx context.Context, c *container, names []string) any {
	look := s.expand(strings.Join(s.c.list("look"), ","))
	r, err := command(ctx, "", nil, "docker", "exec", c.id, "/probe", "see", "-names", strings.Join(names, ","), "-look", look,
		"-sysctls", strings.Join(s.c.list("sysctls"), ","))
	var seen any
	if err != nil || r.code != 0 || json.Unmarshal([]byte(r.out), &seen) != nil {
		return fmt.Sprintf("cannot look: %v %s%s", err, r.out, r.err)
	}
	return seen
}
