package doctor

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
)

// Engine is what is asked of the engine.
type Engine interface {
	Details(ctx context.Context) (engine.Details, error)
	ListContainers(ctx context.Context, labels map[string]string) ([]engine.Container, error)
}

// Machine is this computer, with the engine and the file that the command line chooses.
type Machine struct {
	Engine Engine // nil if the environment's choice cannot be used; then EngineErr says why
	// EngineErr is why Engine is nil.
	EngineErr error
	// Load loads the file; it is called once. File has all but the stack; the error is not needed: it is in File.Errors.
	Load func(ctx context.Context) (File, *services.Stack)
	// Own is the name of the instance of this directory, "" for none.
	Own string
	// Instances are those of this user. Answers reports whether the supervisor of one answers: false if none runs, and an error if one runs
	// and does not answer.
	Instances []*instance.Instance
	Answers   func(ctx context.Context, i *instance.Instance) (bool, error)
	StateDir  string
}

// Parts are the parts of the facts about the machine. Each may be used once.
func (m *Machine) Parts() []Part {
	s := &shared{m: m}
	return []Part{
		{PartEngine, s.engine},
		{PartContexts, contexts},
		{PartDisks, s.disks},
		{PartDNS, lookDNS},
		{PartRights, s.rights},
		{PartInstances, s.instances},
		{PartFile, s.file},
		{PartPorts, s.ports},
		{PartWatches, s.watches},
	}
}

// Facts returns what is known without looking.
func (m *Machine) Facts() *Facts {
	f := &Facts{OS: runtime.GOOS, Allowed: engine.AllowRemote(), DockerHost: os.Getenv("DOCKER_HOST")}
	f.Address, f.AddressErr = engine.Chosen()
	f.Proxies = Proxies{Host: proxiesOf(os.Getenv), Containers: proxiesOf(func(name string) string { return engine.ProxyEnv(f.Address.Host)[name] })}
	return f
}

func proxiesOf(env func(string) string) ProxySet {
	get := func(name string) string {
		if v := env(name); v != "" {
			return v
		}
		return env(strings.ToLower(name))
	}
	return ProxySet{HTTP: get("HTTP_PROXY"), HTTPS: get("HTTPS_PROXY"), No: get("NO_PROXY")}
}

// shared is what more than one part needs, looked at once.
type shared struct {
	m          *Machine
	details    once[engine.Details]
	containers once[[]engine.Container]
	loaded     once[loaded]
}

type loaded struct {
	file  File
	stack *services.Stack
}

// once is a value that is looked at once, for all that ask for it.
type once[T any] struct {
	start sync.Once
	done  chan struct{}
	value T
	err   error
}

// get returns the value. It blocks until it is there or ctx ends, whose cause is the error then; look goes on for other callers.
func (o *once[T]) get(ctx context.Context, look func(ctx context.Context) (T, error)) (T, error) {
	o.start.Do(func() {
		o.done = make(chan struct{})
		go func() {
			defer close(o.done)
			o.value, o.err = look(context.WithoutCancel(ctx))
		}()
	})
	select {
	case <-o.done:
		return o.value, o.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// ask asks the engine what it says about itself.
func (s *shared) ask(ctx context.Context) (engine.Details, error) {
	return s.details.get(ctx, func(ctx context.Context) (engine.Details, error) {
		if s.m.Engine == nil {
			return engine.Details{}, s.m.EngineErr
		}
		return s.m.Engine.Details(ctx)
	})
}

// list lists all containers of the engine. It returns none if the engine does not answer soon, which its own check says.
func (s *shared) list(ctx context.Context) []engine.Container {
	soon, cancel := context.WithTimeout(ctx, listLimit)
	defer cancel()
	list, _ := s.containers.get(soon, func(ctx context.Context) ([]engine.Container, error) {
		if s.m.Engine == nil {
			return nil, s.m.EngineErr
		}
		return s.m.Engine.ListContainers(ctx, nil)
	})
	return list
}

// load loads the file.
func (s *shared) load(ctx context.Context) (File, *services.Stack) {
	l, _ := s.loaded.get(ctx, func(ctx context.Context) (loaded, error) {
		file, stack := s.m.Load(ctx)
		return loaded{file, stack}, nil
	})
	return l.file, l.stack
}

// listLimit is how long parts wait for the engine that can do without it.
const listLimit = 3 * time.Second

func (s *shared) file(ctx context.Context) func(*Facts) {
	file, _ := s.load(ctx)
	return func(f *Facts) { f.File = file }
}

func (s *shared) engine(ctx context.Context) func(*Facts) {
	d, err := s.ask(ctx)
	free := available()
	if err == nil {
		return func(f *Facts) { f.Engine, f.Free = &d, free }
	}
	var why Why
	if at, addrErr := engine.Chosen(); addrErr == nil {
		why = whyNot(ctx, at.Host)
	}
	return func(f *Facts) { f.EngineErr, f.Why = err, why }
}

// whyNot tries to connect to an address.
func whyNot(ctx context.Context, host string) Why {
	kind, address, _ := strings.Cut(host, "://")
	if kind != "unix" && kind != "tcp" {
		return ""
	}
	conn, err := new(net.Dialer).DialContext(ctx, kind, address)
	switch {
	case err == nil:
		_ = conn.Close()
		return ""
	case errors.Is(err, fs.ErrPermission):
		return Denied
	case errors.Is(err, fs.ErrNotExist):
		return Absent
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	}
	return ""
}

// contexts looks for other engines: the docker CLI's contexts, and sockets in the usual places.
func contexts(ctx context.Context) func(*Facts) {
	found := engine.Contexts()
	var sockets []Socket
	for _, s := range usualSockets() {
		if _, err := os.Stat(s.Path); err != nil {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		conn, err := new(net.Dialer).DialContext(limited, "unix", s.Path)
		cancel()
		if s.Answers = err == nil; s.Answers {
			_ = conn.Close()
		}
		sockets = append(sockets, s)
	}
	return func(f *Facts) { f.Contexts, f.Sockets = found, sockets }
}

// usualSockets are the places where engines put their sockets. A socket that is a link to another one counts once, as the first.
func usualSockets() []Socket {
	home, _ := os.UserHomeDir()
	run := os.Getenv("XDG_RUNTIME_DIR")
	list := []Socket{
		{Kind: "Docker", Path: "/var/run/docker.sock"},
		{Kind: "Podman as root", Path: "/run/podman/podman.sock"},
		{Kind: "Docker Desktop", Path: filepath.Join(home, ".docker/desktop/docker.sock")},
		{Kind: "Docker Desktop", Path: filepath.Join(home, ".docker/run/docker.sock")},
		{Kind: "Rancher Desktop", Path: filepath.Join(home, ".rd/docker.sock")},
		{Kind: "OrbStack", Path: filepath.Join(home, ".orbstack/run/docker.sock")},
	}
	if run != "" {
		list = append(list, Socket{Kind: "rootless Docker", Path: filepath.Join(run, "docker.sock")}, Socket{Kind: "rootless Podman", Path: filepath.Join(run, "podman/podman.sock")})
	}
	colima, _ := filepath.Glob(filepath.Join(home, ".colima", "*", "docker.sock")) // the pattern is valid
	for _, path := range colima {
		list = append(list, Socket{Kind: "Colima", Path: path})
	}
	var real []string
	return slices.DeleteFunc(list, func(s Socket) bool {
		at, err := filepath.EvalSymlinks(s.Path)
		twice := err == nil && slices.Contains(real, at)
		real = append(real, at)
		return twice
	})
}

// disks looks at the file systems of the engine's data, if it is on this machine, and of the state directory.
func (s *shared) disks(ctx context.Context) func(*Facts) {
	var out []Disk
	soon, cancel := context.WithTimeout(ctx, listLimit)
	defer cancel()
	if d, err := s.ask(soon); err == nil && d.Local {
		out = append(out, disk("the engine's data", d.RootDir))
	}
	out = append(out, disk("lyandev's state", existing(s.m.StateDir)))
	return func(f *Facts) { f.Disks = out }
}

func disk(what, path string) Disk {
	d := Disk{What: what, Path: path}
	d.Free, d.Total, d.FreeNodes, d.Nodes, d.Err = space(path)
	return d
}

// existing is the nearest directory above path, or path itself, that exists.
func existing(path string) string {
	for {
		if _, err := os.Stat(path); err == nil || filepath.Dir(path) == path {
			return path
		}
		path = filepath.Dir(path)
	}
}

// instances looks for instances with running containers whose supervisor is gone or does not answer.
func (s *shared) instances(ctx context.Context) func(*Facts) {
	running := map[string]int{}
	for _, c := range s.list(ctx) {
		if c.State == engine.StateRunning {
			running[c.Labels[services.ProjectLabel]]++
		}
	}
	left := make([]*Left, len(s.m.Instances))
	var wg sync.WaitGroup
	for k, i := range s.m.Instances {
		wg.Go(func() {
			limited, cancel := context.WithTimeout(ctx, 3*time.Second)
			defer cancel()
			answers, err := s.m.Answers(limited, i)
			_, gone := os.Stat(i.Dir)
			if !answers && (err != nil || running[i.Name] > 0) {
				left[k] = &Left{Name: i.Name, Dir: i.Dir, Gone: errors.Is(gone, fs.ErrNotExist), Running: running[i.Name], Hangs: err != nil, PID: i.Holder()}
			}
		})
	}
	wg.Wait()
	return func(f *Facts) {
		for _, l := range left {
			if l != nil {
				f.Left = append(f.Left, *l)
			}
		}
	}
}
