//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

var numbered = regexp.MustCompile(`^` + prefix + `(\d+)-`)

// dead reports whether a name is that of something which a run of the benchmark made that does not run any more.
func dead(name string) bool {
	found := numbered.FindStringSubmatch(name)
	if found == nil {
		return false
	}
	pid, err := strconv.Atoi(found[1])
	return err == nil && pid != os.Getpid() && syscall.Kill(pid, 0) == syscall.ESRCH
}

// removeLeftovers removes what runs left that were killed before they could clean up: supervisors, containers, networks, volumes and
// directories.
func (b *bench) removeLeftovers(ctx context.Context) {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	for _, dir := range dirs {
		if !dead(filepath.Base(dir)) {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: removing what an earlier run left in %s\n", dir)
		instances, _ := os.ReadDir(filepath.Join(dir, "state", "lyandev"))
		for _, i := range instances {
			env := append(b.env(), "XDG_STATE_HOME="+filepath.Join(dir, "state"))
			_, _ = b.run(ctx, cmd{env: env, argv: []string{b.lyandev, "-p", i.Name(), "down", "--volumes", "--quiet"}})
		}
		_ = os.RemoveAll(dir)
	}
	b.sweep(ctx, dead)
}

// sweep removes the containers, networks and volumes of the benchmark whose names are chosen.
func (b *bench) sweep(ctx context.Context, chosen func(name string) bool) {
	for _, kind := range []struct{ list, remove []string }{
		{[]string{"ps", "-a", "--format", "{{.Names}}"}, []string{"rm", "-f", "-v"}},
		{[]string{"network", "ls", "--format", "{{.Name}}"}, []string{"network", "rm"}},
		{[]string{"volume", "ls", "--format", "{{.Name}}"}, []string{"volume", "rm"}},
	} {
		out, err := b.command(ctx, append(append([]string{"docker"}, kind.list...), "--filter", "name="+prefix)...)
		if err != nil {
			continue
		}
		for _, name := range strings.Fields(out) {
			if chosen(name) {
				_, _ = b.command(ctx, append(append([]string{"docker"}, kind.remove...), name)...)
			}
		}
	}
}
