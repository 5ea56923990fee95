// Package provider runs the programs on the host that a Compose file's services need: those of services with `provider:`, and the
// Docker Model plugin for `models:`. It calls them as Docker Compose v5 does, and puts what they answer into the environment of the
// services that depend on them.
package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
)

// Runner runs the programs of one project. All fields but Info are required.
type Runner struct {
	// Project is the instance's name, Dir the directory that the programs run in.
	Project, Dir string
	// Env is the environment of the programs.
	Env []string
	// Info is given the programs' progress, one line a call; nil discards it.
	Info func(service, line string)
}

// answer is what a provider said that its dependents get.
type answer struct{ prefixed, raw map[string]string }

// Up makes what the stack's providers provide and its models ready, and completes the environment of the stack's workloads. only
// are the services, as the file has them, to which it is limited, with what they depend on; none is all. It blocks until all
// programs have ended. If a program is missing, nothing is run.
func (r *Runner) Up(ctx context.Context, stack *services.Stack, only []string) error {
	list := Needed(stack, only)
	programs := make([]string, len(list))
	var errs []error
	for i, p := range list {
		var err error
		if programs[i], err = r.program(p); err != nil {
			errs = append(errs, err)
		}
	}
	models, err := r.modelPlugin(ctx, stack)
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	for i, p := range list {
		a, err := r.run(ctx, p, programs[i], "up")
		if err != nil {
			return err
		}
		for _, name := range p.Dependents {
			if x := stack.Find(name); x != nil {
				if err := complete(x, p.Name, a); err != nil {
					return err
				}
			}
		}
	}
	if models == nil {
		return nil
	}
	return models.prepare(ctx, stack)
}

// Down removes what the providers made. It goes on after an error, and returns all.
func (r *Runner) Down(ctx context.Context, list []*compose.Provider) error {
	var errs []error
	for _, p := range slices.Backward(list) {
		program, err := r.program(p)
		if err == nil {
			_, err = r.run(ctx, p, program, "down")
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Needed are the providers that some services, as the file has them, need; all if there are none. Those that depend on others come later.
func Needed(stack *services.Stack, only []string) []*compose.Provider {
	byName := map[string]*compose.Provider{}
	for _, p := range stack.Providers {
		byName[p.Name] = p
	}
	var out []*compose.Provider
	seen := map[string]bool{}
	var add func(name string)
	add = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		p := byName[name]
		if p == nil {
			if x := stack.Find(name); x != nil {
				for _, d := range x.DependsOn {
					if on := stack.Workload(d.Workload); on != nil {
						add(on.DisplayName())
					}
				}
			}
			for _, q := range stack.Providers {
				if slices.Contains(q.Dependents, name) {
					add(q.Name)
				}
			}
			return
		}
		for _, d := range p.DependsOn {
			add(d)
		}
		out = append(out, p)
	}
	if len(only) == 0 {
		for _, p := range stack.Providers {
			add(p.Name)
		}
	}
	for _, name := range only {
		add(name)
	}
	return out
}

// program finds a provider's program: a plugin of the Docker CLI, else a program in PATH.
func (r *Runner) program(p *compose.Provider) (string, error) {
	if p.Type == "compose" {
		return "", fmt.Errorf("%s: cannot provide service %s: compose is no type of provider", p.Source, p.Name)
	}
	if path := r.plugin(p.Type); path != "" {
		return path, nil
	}
	path, err := r.lookPath(p.Type)
	if err != nil {
		return "", fmt.Errorf("%s: cannot provide service %s: there is neither a Docker CLI plugin docker-%s nor a program %s in PATH; install it",
			p.Source, p.Name, p.Type, p.Type)
	}
	return path, nil
}

// command is a call of a program.
func (r *Runner) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = r.Dir, r.Env
	return cmd
}

// run calls a provider's program and reads what it says.
func (r *Runner) run(ctx context.Context, p *compose.Provider, program, verb string) (answer, error) {
	args, err := r.arguments(ctx, p, program, verb)
	if err != nil {
		return answer{}, err
	}
	fail := func(err error) (answer, error) {
		return answer{}, fmt.Errorf("%s: cannot %s service %s with %s: %w", p.Source, verb, p.Name, program, err)
	}
	cmd := r.command(ctx, program, args...)
	var errText bytes.Buffer
	cmd.Stderr = &errText
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return fail(err)
	}
	a, readErr := r.read(p.Name, out)
	_, _ = io.Copy(io.Discard, out) // so that it can end
	switch err := cmd.Wait(); {
	case readErr != nil:
		return fail(readErr)
	case err != nil && errText.Len() > 0:
		return fail(fmt.Errorf("%w: %s", err, strings.TrimSpace(errText.String())))
	case err != nil:
		return fail(err)
	}
	return a, nil
}

// read reads a provider's messages, JSON objects, to their end.
func (r *Runner) read(service string, out io.Reader) (answer, error) {
	a := answer{prefixed: map[string]string{}, raw: map[string]string{}}
	for d := json.NewDecoder(out); ; {
		var m struct{ Type, Message string }
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return a, nil
		} else if err != nil {
			return a, fmt.Errorf("it printed something that is no JSON message: %w", err)
		}
		switch m.Type {
		case "error":
			return a, errors.New(m.Message)
		case "info":
			if line, _, _ := strings.Cut(m.Message, "\n"); r.Info != nil {
				r.Info(service, line)
			}
		case "debug":
		case "setenv", "rawsetenv":
			key, value, found := strings.Cut(m.Message, "=")
			if !found {
				return a, fmt.Errorf("it set %q, which is not NAME=VALUE", m.Message)
			}
			if m.Type == "setenv" {
				a.prefixed[key] = value
			} else {
				a.raw[key] = value
			}
		default:
			return a, fmt.Errorf("it printed a message of the unknown type %q", m.Type)
		}
	}
}

// metadata is what a provider says about its options.
type metadata struct {
	Description string
	Up, Down    struct{ Parameters []parameter }
}

type parameter struct {
	Name     string
	Required bool
}

// arguments are those of a call. A provider that describes its parameters gets only these.
func (r *Runner) arguments(ctx context.Context, p *compose.Provider, program, verb string) ([]string, error) {
	var m metadata
	if out, err := r.command(ctx, program, "compose", "metadata").Output(); err != nil || json.Unmarshal(out, &m) != nil {
		m = metadata{} // it does not describe itself
	}
	known := m.Up.Parameters
	if verb == "down" {
		known = m.Down.Parameters
	}
	described := m.Description != "" || m.Up.Parameters != nil || m.Down.Parameters != nil
	for _, k := range known {
		if _, set := p.Options[k.Name]; k.Required && !set {
			return nil, fmt.Errorf("%s: cannot %s service %s: its provider %s needs the option %s", p.Source, verb, p.Name, p.Type, k.Name)
		}
	}
	args := []string{"compose", "--project-name=" + r.Project, verb}
	for _, key := range slices.Sorted(maps.Keys(p.Options)) {
		if described && !slices.ContainsFunc(known, func(k parameter) bool { return k.Name == key }) {
			continue
		}
		for _, v := range p.Options[key] {
			args = append(args, "--"+key+"="+v)
		}
	}
	return append(args, p.Name), nil
}
