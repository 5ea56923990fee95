//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// stack is a stack that lyandev runs for the benchmark.
type stack struct {
	b    *bench
	name string
	// dir is where its file is, args say which.
	dir  string
	args []string
	env  []string
	// undone is how many steps of the clean-up there were when its own had been added.
	undone int
}

// newStack prepares a stack of the file compose.yaml of a directory; nothing runs yet. It is taken down with its volumes at the end of
// the program.
func (b *bench) newStack(name, dir string) *stack {
	s := &stack{b: b, name: b.name + "-" + name, dir: dir, env: b.env()}
	b.onEnd(func(ctx context.Context) {
		if _, err := s.lyandev(ctx, "down", "--volumes", "--quiet"); err != nil {
			fmt.Fprintf(os.Stderr, "bench: cannot take down %s: %v\n", s.name, err)
			b.stillRuns = true
		}
	})
	s.undone = len(b.undo)
	return s
}

// written is newStack with a new directory that has these files.
func (b *bench) written(name string, files map[string]string) (*stack, error) {
	dir := filepath.Join(b.tmp, name)
	if err := writeFiles(dir, files); err != nil {
		return nil, err
	}
	return b.newStack(name, dir), nil
}

func writeFiles(dir string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// example is the example of the repository, under a name of its own and with a free host port.
func (b *bench) example(name string) (*stack, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := b.newStack(name, b.root)
	s.args = []string{"-f", "lyanna.dev.yaml"}
	s.env = b.env(fmt.Sprintf("LYANNA_PORT=%d", port))
	return s, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// lyandev runs a command on the stack.
func (s *stack) lyandev(ctx context.Context, args ...string) (ended, error) {
	argv := append([]string{s.b.lyandev, "-p", s.name}, s.args...)
	return s.b.run(ctx, cmd{dir: s.dir, env: s.env, argv: append(argv, args...)})
}

// timed runs a command on the stack and returns how long it took, in seconds.
func (s *stack) timed(ctx context.Context, args ...string) (float64, error) {
	r, err := s.lyandev(ctx, args...)
	return r.took.Seconds(), err
}

// json runs a command on the stack and reads what it prints.
func (s *stack) json(ctx context.Context, into any, args ...string) error {
	r, err := s.lyandev(ctx, args...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(r.out), into); err != nil {
		return fmt.Errorf("cannot read what lyandev %s printed: %w", strings.Join(args, " "), err)
	}
	return nil
}

// buildImages builds the images of the example.
func (b *bench) buildImages(ctx context.Context) error {
	s := &stack{b: b, name: b.name + "-images", dir: b.root, args: []string{"-f", "lyanna.dev.yaml"}, env: b.env()}
	if _, err := s.lyandev(ctx, "build", "--profile", "ha"); err != nil {
		return fmt.Errorf("cannot build the images: %w", err)
	}
	return nil
}

// startHA runs the example in profile ha, if it does not run yet, and waits until it is ready.
func (b *bench) startHA(ctx context.Context) error {
	if b.ha != nil {
		return nil
	}
	s, err := b.example("ha")
	if err != nil {
		return err
	}
	if _, err := s.lyandev(ctx, "up", "-d", "--wait", "--quiet", "--profile", "ha"); err != nil {
		b.cleanUp(s.undone - 1)
		return err
	}
	b.ha = s
	return nil
}

// endHA takes the example in profile ha down.
func (b *bench) endHA() {
	if b.ha == nil {
		return
	}
	b.cleanUp(b.ha.undone - 1)
	b.ha = nil
}
