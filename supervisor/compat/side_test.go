package compat_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// runLimit bounds one command of either program.
const runLimit = 2 * time.Minute

// side is one of the two programs that run a case.
type side struct {
	name string
	// binary and up are the program and how it starts a stack in the background; wait is added unless the case says nowait.
	binary   string
	up, down []string
	// label is the key of the container label that has the project.
	label string
}

// session is one run of a case by one program.
type session struct {
	*side
	c       *testCase
	project string
	dir     string
	env     []string
	// before is what the program is run with, before its name.
	before []string
	vars   map[string]string
	// truth are the snapshots of the other side, if it ran before.
	truth []*snapshot
	// last is the latest snapshot.
	last *snapshot
}

// result is what a command gave.
type result struct {
	out, err string
	code     int
}

// variables are what ${NAME} in a case stands for.
func variables(project, dir string, ports []string) map[string]string {
	vars := map[string]string{"PROJECT": project, "DIR": dir, "DISK": disk()}
	for n, p := range ports {
		vars[fmt.Sprintf("PORT%d", n+1)] = p
	}
	return vars
}

// disk is a block device of the machine.
func disk() string {
	list, _ := os.ReadDir("/sys/block")
	for _, e := range list {
		if _, err := os.Stat("/dev/" + e.Name()); err == nil {
			return "/dev/" + e.Name()
		}
	}
	return "/dev/none"
}

// expand replaces the names of variables, and only those.
func (s *session) expand(text string) string {
	for k, v := range s.vars {
		text = strings.ReplaceAll(text, "${"+k+"}", v)
	}
	return text
}

// write puts the case's files into an empty directory.
func (s *session) write() error {
	if err := os.RemoveAll(s.dir); err != nil {
		return err
	}
	for name, data := range s.c.files {
		if err := s.put(name, data); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) put(name, data string) error {
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if strings.HasPrefix(data, "#!") {
		mode = 0o755
	}
	return os.WriteFile(path, []byte(s.expand(data)), mode)
}

// run runs the side's program, with the case's flags before the command.
func (s *session) run(ctx context.Context, args ...string) (result, error) {
	argv := slices.Clone(s.c.list("flags"))
	for i := range argv {
		argv[i] = s.expand(argv[i])
	}
	argv = append(append(append(slices.Clone(s.before), s.binary), argv...), args...)
	return command(ctx, s.dir, s.env, argv[0], argv[1:]...)
}

// start is up with more arguments.
func (s *session) start(ctx context.Context, args ...string) (result, error) {
	argv := slices.Clone(s.up)
	if !s.c.nowait {
		argv = append(argv, "--wait")
	}
	return s.run(ctx, append(argv, args...)...)
}

// command runs a program to its end. It is no error if that ends with another code than 0.
func command(ctx context.Context, dir string, env []string, name string, args ...string) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, env
	cmd.WaitDelay = time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return result{}, fmt.Errorf("cannot run %s %s: %w\n%s", name, strings.Join(args, " "), err, errs.String())
	}
	r := result{out: out.String(), err: errs.String(), code: cmd.ProcessState.ExitCode()}
	if ctx.Err() != nil {
		r.err += fmt.Sprintf("\nkilled after %s", runLimit)
	}
	return r, nil
}

// docker runs the Docker command line, which must succeed.
func docker(ctx context.Context, args ...string) (string, error) {
	r, err := command(ctx, "", nil, "docker", args...)
	if err == nil && r.code != 0 {
		err = fmt.Errorf("docker %s ended with %d: %s", strings.Join(args, " "), r.code, r.err)
	}
	return r.out, err
}

// prepare makes what the case needs on the engine.
func (s *session) prepare(ctx context.Context) error {
	if err := s.write(); err != nil {
		return err
	}
	for _, line := range s.c.before {
		if _, err := docker(ctx, strings.Fields(s.expand(line))...); err != nil {
			return err
		}
	}
	return nil
}

// finish removes all that the case has made.
func (s *session) finish(ctx context.Context) error {
	r, err := s.run(ctx, s.down...)
	if err == nil && r.code != 0 {
		err = fmt.Errorf("%s %s ended with %d: %s%s", s.name, strings.Join(s.down, " "), r.code, r.out, r.err)
	}
	for _, line := range s.c.after {
		_, e := docker(ctx, strings.Fields(s.expand(line))...)
		err = errors.Join(err, e)
	}
	return err
}

// sweep removes by force what is left of the project.
func (s *sessions) sweep(ctx context.Context) {
	for _, key := range []string{composeProject, lyandevProject} {
		filter := "label=" + key + "=" + s.project
		for _, kind := range [][]string{{"ps", "-aq"}, {"network", "ls", "-q"}, {"volume", "ls", "-q"}} {
			out, _ := docker(ctx, append(kind, "--filter", filter)...)
			for _, id := range strings.Fields(out) {
				switch kind[0] {
				case "ps":
					_, _ = docker(ctx, "rm", "-fv", id)
				default:
					_, _ = docker(ctx, kind[0], "rm", id)
				}
			}
		}
	}
	if out, _ := docker(ctx, "images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference="+s.project+"-*"); out != "" {
		_, _ = docker(ctx, append([]string{"rmi", "-f"}, strings.Fields(out)...)...)
	}
}
