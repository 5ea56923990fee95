//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
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

// end removes all that this run has made. A supervisor that could not be told to stop ends within a second when its directory is gone, and
// would make again what was removed before; so the directory goes first.
func (b *bench) end() {
	b.cleanUp(0)
	_ = os.RemoveAll(b.tmp)
	ctx, cancel := context.WithTimeout(context.Background(), cleanUpLimit)
	defer cancel()
	if b.stillRuns {
		_ = sleep(ctx, 3*time.Second)
	}
	b.sweep(ctx, func(name string) bool { return strings.HasPrefix(name, b.name+"-") })
}

// sweepTries is how often the clean-up tries to remove what a busy engine does not remove at once.
const sweepTries = 5

// sweep removes the containers, networks and volumes of the benchmark whose names are chosen, and says what it could not remove.
func (b *bench) sweep(ctx context.Context, chosen func(name string) bool) {
	for n := range sweepTries {
		left, err := b.sweepOnce(ctx, chosen)
		if len(left) == 0 && err == nil {
			return
		}
		if n == sweepTries-1 || sleep(ctx, time.Second) != nil {
			fmt.Fprintf(os.Stderr, "bench: cannot remove %s; the next run tries again: %v\n", strings.Join(left, ", "), err)
			return
		}
	}
}

// sweepOnce returns the names of what it could not remove.
func (b *bench) sweepOnce(ctx context.Context, chosen func(name string) bool) (left []string, err error) {
	for _, kind := range []struct{ list, remove []string }{
		{[]string{"ps", "-a", "--format", "{{.Names}}"}, []string{"rm", "-f", "-v"}},
		{[]string{"network", "ls", "--format", "{{.Name}}"}, []string{"network", "rm"}},
		{[]string{"volume", "ls", "--format", "{{.Name}}"}, []string{"volume", "rm"}},
	} {
		out, failed := b.command(ctx, append(append([]string{"docker"}, kind.list...), "--filter", "name="+prefix)...)
		if failed != nil {
			err = failed
			continue
		}
		names := slices.DeleteFunc(strings.Fields(out), func(name string) bool { return !chosen(name) })
		if len(names) == 0 {
			continue
		}
		if _, failed := b.command(ctx, append(append([]string{"docker"}, kind.remove...), names...)...); failed != nil {
			left, err = append(left, names...), failed
		}
	}
	return left, err
}
