package enginefake

import (
	"context"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// container is one container. All of it is guarded by the engine's mutex.
type container struct {
	id, name, imageID string
	spec              engine.ContainerSpec
	state             string
	created           time.Time
	started, exited   time.Time
	code, pid         int
	oom               bool
	err               string
	// conf is what the engine obeys of spec.
	conf     settings
	networks map[string]*attachment
	ports    []engine.PortBinding
	script   Script
	// run counts starts, so that a timer of a former run does nothing. gone is closed when the run ends.
	run  int
	gone chan struct{}
	// byHand says that a stop or kill was asked for, so that the restart policy does not apply; restarts counts its work, and
	// backoff is its last wait.
	byHand   bool
	restarts int
	backoff  time.Duration
	// signal is the last signal that somebody sent.
	signal  int
	health  *engine.Health
	waiters map[*waiter]struct{}
	// columns and rows are the terminal's size.
	columns, rows uint
	stats         engine.Stats
	// pending is a stop signal that waits for the end of a pause.
	pending func()
	log     []logLine
	// unprinted are the lines of the script yet to come.
	unprinted []Output
	// printed is closed and renewed whenever the log or the state changes.
	printed chan struct{}
	files   map[string]file
}

// attachment is a connection to a network: the addresses asked for, and those in use while the container runs.
type attachment struct {
	static, ip   netip.Addr
	static6, ip6 netip.Addr
	mac          string
	aliases      []string
}

func (c *container) alive() bool {
	return c.state == engine.StateRunning || c.state == engine.StatePaused
}

var nameForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)

// find looks a container up by name, ID or the beginning of an ID; e.mu is held.
func (e *Engine) find(ref string) *container {
	if c := e.containers[ref]; c != nil {
		return c
	}
	for _, c := range e.containers {
		if c.name == ref {
			return c
		}
	}
	for id, c := range e.containers {
		if len(ref) >= 12 && strings.HasPrefix(id, ref) {
			return c
		}
	}
	return nil
}

func (e *Engine) need(ref string) (*container, error) {
	if c := e.find(ref); c != nil {
		return c, nil
	}
	return nil, errNotFound("No such container: %s", ref)
}

// sorted are the containers, the newest first, as Docker lists them; e.mu is held.
func (e *Engine) sorted() []*container {
	out := slices.Collect(maps.Values(e.containers))
	slices.SortFunc(out, func(a, b *container) int { return strings.Compare(b.id, a.id) })
	return out
}

// CreateContainer implements engine.Containers.
func (e *Engine) CreateContainer(ctx context.Context, spec engine.ContainerSpec) (string, error) {
	var id string
	var warnings []string
	err := e.call(ctx, "CreateContainer", spec.Name, func() error {
		var err error
		if spec.Exact != nil {
			if warnings, err = engine.CheckExact(spec.Exact, e.info.APIVersion); err != nil {
				return err
			}
		}
		id, err = e.create(spec)
		warnings = append(warnings, e.warnings...)
		return err
	})
	if err == nil && spec.Warn != nil {
		for _, text := range warnings {
			spec.Warn(text)
		}
	}
	return id, wrap(err, "create container %s from image %s", spec.Name, spec.Image)
}

func (e *Engine) create(spec engine.ContainerSpec) (string, error) {
	for _, m := range spec.Mounts {
		if m.SubPath != "" && m.Volume != "" {
			return "", engine.ErrUnsupported
		}
	}
	img := e.findImage(spec.Image)
	if img == nil {
		return "", errNotFound("No such image: %s", spec.Image)
	}
	id := e.id()
	if spec.Name == "" {
		spec.Name = "unnamed_" + id[:12]
	}
	if err := e.checkName(spec.Name); err != nil {
		return "", err
	}
	spec = merged(spec, img)
	c := &container{
		id: id, name: spec.Name, imageID: img.ID, spec: spec, conf: settingsOf(spec), state: engine.StateCreated, created: time.Now(),
		networks: e.attachments(spec), printed: make(chan struct{}), files: map[string]file{}, waiters: map[*waiter]struct{}{},
	}
	for _, m := range c.conf.mounts {
		if m.Volume != "" {
			e.makeVolume(engine.VolumeSpec{Name: m.Volume})
		}
	}
	e.containers[id] = c
	e.emit(c, "create")
	return id, nil
}

func (e *Engine) checkName(name string) error {
	if !nameForm.MatchString(name) {
		return errInvalid("Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name)
	}
	for _, c := range e.containers {
		if c.name == name {
			return errConflict("Conflict. The container name %q is already in use by container %q. You have to remove "+
				"(or rename) that container to be able to reuse that name.", "/"+name, c.id)
		}
	}
	return nil
}

func cloneSpec(s engine.ContainerSpec) engine.ContainerSpec {
	s.Labels, s.Sysctls = maps.Clone(s.Labels), maps.Clone(s.Sysctls)
	s.Env, s.Cmd, s.Entrypoint = slices.Clone(s.Env), slices.Clone(s.Cmd), slices.Clone(s.Entrypoint)
	s.Publish, s.Mounts, s.Aliases = slices.Clone(s.Publish), slices.Clone(s.Mounts), slices.Clone(s.Aliases)
	if s.Exact != nil {
		x := *s.Exact
		x.Networks = slices.Clone(x.Networks)
		s.Exact = &x
	}
	return s
}

// Spec is what a container was created from, and whether there is one of that name or ID. For assertions.
func (e *Engine) Spec(ref string) (engine.ContainerSpec, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.find(ref); c != nil {
		return cloneSpec(c.spec), true
	}
	return engine.ContainerSpec{}, false
}

// RemoveContainer implements engine.Containers.
func (e *Engine) RemoveContainer(ctx context.Context, id string) error {
	return e.removeContainer(ctx, "RemoveContainer", id)
}

// RemoveContainerOnly implements engine.Containers. The fake keeps no anonymous volumes.
func (e *Engine) RemoveContainerOnly(ctx context.Context, id string) error {
	return e.removeContainer(ctx, "RemoveContainerOnly", id)
}

func (e *Engine) removeContainer(ctx context.Context, method, id string) error {
	err := e.call(ctx, method, id, func() error {
		c := e.find(id)
		if c == nil {
			return nil
		}
		c.byHand = true
		if c.alive() {
			e.kill(c, "SIGKILL")
		}
		if e.containers[c.id] == nil { // the engine has removed it at its end
			return nil
		}
		e.remove(c)
		return nil
	})
	return wrap(err, "remove container %s", short(id))
}

// remove takes a container away that does not run; e.mu is held.
func (e *Engine) remove(c *container) {
	c.state = engine.StateRemoving
	delete(e.containers, c.id)
	c.notify()
	e.emit(c, "destroy")
	c.release(engine.Ended{ExitCode: c.code}, engine.UntilStopped, engine.UntilNextExit, engine.UntilRemoved)
}

// RenameContainer implements engine.Containers.
func (e *Engine) RenameContainer(ctx context.Context, id, name string) error {
	err := e.call(ctx, "RenameContainer", id, func() error {
		c, err := e.need(id)
		if err != nil {
			return err
		}
		if c.name == name {
			return errInvalid("Renaming a container with the same name as its current name")
		}
		if err := e.checkName(name); err != nil {
			return err
		}
		c.name = name
		e.emit(c, "rename")
		return nil
	})
	return wrap(err, "rename container %s to %s", short(id), name)
}

// InspectContainer implements engine.Containers.
func (e *Engine) InspectContainer(ctx context.Context, id string) (engine.Container, error) {
	var out engine.Container
	err := e.call(ctx, "InspectContainer", id, func() error {
		c, err := e.need(id)
		if err == nil {
			out = e.observe(c)
		}
		return err
	})
	return out, wrap(err, "inspect container %s", short(id))
}

// ListContainers implements engine.Containers.
func (e *Engine) ListContainers(ctx context.Context, labels map[string]string) ([]engine.Container, error) {
	return e.ListContainersWith(ctx, labels, func(map[string]string) bool { return true })
}

// ListContainersWith does what engine.Docker does.
func (e *Engine) ListContainersWith(ctx context.Context, labels map[string]string, want func(labels map[string]string) bool) ([]engine.Container, error) {
	out := []engine.Container{}
	err := e.call(ctx, "ListContainers", "", func() error {
		for _, c := range e.sorted() {
			if matches(c.spec.Labels, labels) && want(c.spec.Labels) {
				out = append(out, e.observe(c))
			}
		}
		return nil
	})
	if err != nil {
		return nil, wrap(err, "list containers")
	}
	return out, nil
}

func (e *Engine) observe(c *container) engine.Container {
	out := engine.Container{
		ID: c.id, Name: c.name, Image: c.spec.Image, ImageID: c.imageID, Labels: maps.Clone(c.spec.Labels), State: c.state,
		Created: c.created.UTC(), Started: utc(c.started), Exited: utc(c.exited), ExitCode: c.code, OOMKilled: c.oom,
		Error: c.err, IPs: map[string]netip.Addr{}, Networks: map[string]engine.Endpoint{}, Env: e.environment(c), Mounts: slices.Clone(c.conf.mounts),
		RestartCount: c.restarts, Restarting: c.state == engine.StateRestarting, RestartPolicy: c.conf.policy,
		AutoRemove: c.conf.remove, TTY: c.conf.tty, Stdin: c.conf.stdin, DNS: c.conf.dns,
	}
	if c.health != nil {
		h := *c.health
		out.Health = &h
	}
	for name, a := range c.networks {
		ep := engine.Endpoint{IP: a.ip, IPv6: a.ip6, Aliases: slices.Clone(a.aliases)}
		if n := e.findNetwork(name); n != nil {
			ep.NetworkID = n.id
		}
		if a.ip.IsValid() {
			out.IPs[name], ep.MAC = a.ip, a.mac
		}
		out.Networks[name] = ep
	}
	if c.alive() {
		out.PID, out.Ports = c.pid, slices.Clone(c.ports)
	}
	return out
}

// environment is the image's with the container's own laid over it.
func (e *Engine) environment(c *container) []string {
	var base []string
	if img := e.findImage(c.imageID); img != nil {
		base = img.Env
	}
	out := slices.Clone(c.conf.env)
	for _, entry := range base {
		key, _, _ := strings.Cut(entry, "=")
		if !slices.ContainsFunc(out, func(s string) bool { return strings.HasPrefix(s, key+"=") }) {
			out = append(out, entry)
		}
	}
	return out
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}

// Containers are the containers with all the labels, as they are, whether the engine answers or not. For assertions.
func (e *Engine) Containers(labels map[string]string) []engine.Container {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []engine.Container
	for _, c := range e.sorted() {
		if matches(c.spec.Labels, labels) {
			out = append(out, e.observe(c))
		}
	}
	return out
}
