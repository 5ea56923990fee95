package compat_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// play runs the case's steps and takes a snapshot after each.
func (s *session) play(ctx context.Context) ([]*snapshot, error) {
	var all []*snapshot
	for n, step := range s.c.steps {
		snap, err := s.step(ctx, n, step)
		if err != nil {
			return all, fmt.Errorf("cannot do step %q with %s: %w", step, s.name, err)
		}
		all = append(all, snap)
		if e := s.expected(n); e != nil && e.Failed != snap.Failed {
			break // what comes after it says nothing
		}
	}
	return all, nil
}

func (s *session) step(ctx context.Context, n int, step string) (*snapshot, error) {
	r, err := s.do(ctx, s.expand(step))
	if err != nil {
		return nil, err
	}
	failed := r.code != 0
	if e := s.expected(n); e != nil && e.Failed != failed {
		return &snapshot{Step: step, Failed: failed, result: r}, nil // there is nothing to compare
	}
	snap, err := s.look(ctx, n, step)
	if err != nil {
		return nil, err
	}
	snap.Failed, snap.result = failed, r
	return snap, nil
}

// look takes a snapshot when the effects of a step are there.
func (s *session) look(ctx context.Context, n int, step string) (*snapshot, error) {
	snap, err := s.settle(ctx, s.expected(n))
	if err != nil {
		return nil, err
	}
	snap.Step = step
	s.last = snap
	return snap, nil
}

// expected is what the other side had after the step.
func (s *session) expected(n int) *snapshot {
	if n < len(s.truth) {
		return s.truth[n]
	}
	return nil
}

// do carries out a step:
//
//	up ARGS                  start, or apply changes
//	again                    up, with nothing changed
//	crash [SERVICE]          the processes of the service's containers fail, of all that run if none is named
//	restart [SERVICE]        the program's own restart
//	docker VERB [-FLAG] [SERVICE]
//	                         docker restart, kill, stop, start ... of the containers
//	exec SERVICE ARGS        run something in its containers
//	write FILE               replace a file by FILE.new of the case
//	cli ARGS                 any command of both programs
func (s *session) do(ctx context.Context, step string) (result, error) {
	words := strings.Fields(step)
	switch verb, args := words[0], words[1:]; verb {
	case "up":
		return s.start(ctx, args...)
	case "again":
		return s.start(ctx)
	case "crash":
		r, err := s.each(ctx, args, func(id string) []string { return []string{"exec", id, "/probe", "crash"} })
		r.code = 0 // the command may die with the container
		return r, err
	case "restart":
		if len(args) == 0 {
			args = s.services()
		}
		return s.run(ctx, append([]string{"restart"}, args...)...)
	case "docker":
		n := slices.IndexFunc(args[1:], func(a string) bool { return !strings.HasPrefix(a, "-") }) + 1
		if n == 0 {
			n = len(args)
		}
		return s.each(ctx, args[n:], func(id string) []string { return append(slices.Clone(args[:n]), id) })
	case "exec":
		return s.each(ctx, args[:1], func(id string) []string { return append([]string{"exec", id}, args[1:]...) })
	case "write":
		data, ok := s.c.files[args[0]+".new"]
		if !ok {
			return result{}, fmt.Errorf("the case has no file %s.new", args[0])
		}
		return result{}, s.put(args[0], data)
	case "cli":
		return s.run(ctx, args...)
	}
	return result{}, fmt.Errorf("there is no such step")
}

// services are the services of the containers in the last snapshot.
func (s *session) services() []string {
	var all []string
	for _, c := range s.last.Containers {
		if !slices.Contains(all, c.service) {
			all = append(all, c.service)
		}
	}
	slices.Sort(all)
	return all
}

// each runs a docker command for the containers of the services, or of all that run; its code is the last that was not 0.
func (s *session) each(ctx context.Context, services []string, argv func(id string) []string) (result, error) {
	var all result
	for _, key := range sortedKeys(s.last.Containers) {
		c := s.last.Containers[key]
		if len(services) > 0 && !slices.Contains(services, c.service) || len(services) == 0 && !c.running {
			continue
		}
		r, err := command(ctx, "", nil, "docker", argv(c.id)...)
		if err != nil {
			return all, err
		}
		all.out += r.out
		all.err += r.err
		if r.code != 0 {
			all.code = r.code
		}
	}
	return all, nil
}
