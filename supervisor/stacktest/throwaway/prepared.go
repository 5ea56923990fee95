package throwaway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
	"github.com/lyandev/lyandev/supervisor/snapshot"
)

// Policy says when volumes are prepared for later runs. Every policy but PrepareNever begins with prepared ones if there are.
type Policy string

// The policies.
const (
	// PrepareNever is the zero policy, too.
	PrepareNever Policy = "never"
	// PrepareAuto prepares where a start from empty volumes took longer than worthwhile.
	PrepareAuto Policy = "auto"
	// PrepareAlways prepares after every start from empty volumes.
	PrepareAlways Policy = "always"
)

const (
	// worthwhile is how long a start must take for its volumes to be kept: saving them takes about a second, and they take room on the disk.
	worthwhile = 30 * time.Second
	// saveLimit bounds how long tests wait for it.
	saveLimit = time.Minute
)

// ParsePolicy reads "auto", "always" or "never".
func ParsePolicy(s string) (Policy, error) {
	switch p := Policy(s); p {
	case PrepareNever, PrepareAuto, PrepareAlways:
		return p, nil
	}
	return "", fmt.Errorf("cannot use %q as a policy: it must be %s, %s or %s", s, PrepareAuto, PrepareAlways, PrepareNever)
}

func (p Policy) on() bool { return p == PrepareAuto || p == PrepareAlways }

// saves says whether the volumes of a start from empty ones, which took so long, are kept. It is pure.
func (p Policy) saves(took time.Duration) bool {
	return p == PrepareAlways || p == PrepareAuto && took > worthwhile
}

// Prepared says whose prepared volumes a copy begins with, and leaves.
type Prepared struct {
	Policy Policy
	// Project and Dir are the instance's whose snapshots they are.
	Project, Dir string
	// Locks is a directory, made if missing, for files that keep processes apart.
	Locks string
}

var errChanged = errors.New("images, or files that the stack mounts, have changed since it was started; files that a service itself " +
	"writes belong into a volume")

// preparing is what a copy knows of prepared volumes.
type preparing struct {
	// key is that of the stack when the copy began, "" if an image was missing.
	key string
	// from is the snapshot that the volumes came from, "" if they began empty.
	from string
	// off says that there is nothing to prepare, or that it failed.
	off bool
}

var unfitForName = regexp.MustCompile(`[^a-z0-9.-]+`)

// preparedName is the name of the snapshot of a profile and key: "test-PROFILE-" and the first twelve digits. It is pure.
func preparedName(profile, key string) string {
	name := unfitForName.ReplaceAllString(strings.ToLower(profile), "-")
	if name = strings.Trim(name[:min(len(name), 30)], "-."); name == "" {
		name = "default"
	}
	return "test-" + name + "-" + key[:12]
}

// FromPrepared is the snapshot, made by an earlier run, that the volumes began with, "" if they did not. It is known once
// Start has returned.
func (c *Copy) FromPrepared() string { return c.preparing.from }

// store is where prepared volumes are: they belong to the instance and not to the test session, whose reaper would take them.
func (c *Copy) store() snapshot.Config {
	return snapshot.Config{Engine: c.eng.Docker, Project: c.cfg.Prepared.Project, Dir: c.cfg.Prepared.Dir}
}

// seedPrepared fills the volumes from prepared ones. Whatever is wrong with those, the copy begins with empty ones.
func (c *Copy) seedPrepared(ctx context.Context) (tidy func(context.Context) error) {
	if _, err := snapshot.Sources(c.stack, nil, nil); errors.Is(err, snapshot.ErrNothing) {
		c.preparing.off = true
		return nil
	}
	tidy, err := c.tryPrepared(ctx)
	if err == nil {
		return tidy
	}
	c.preparing.off = true
	c.cfg.Log.Warn("cannot begin with prepared volumes; they begin empty. If it goes on, remove what `lyandev snapshot ls` shows as test-...",
		"profile", c.stack.Profile, "error", err)
	if err := c.emptyVolumes(ctx); err != nil {
		c.cfg.Log.Warn("cannot remove volumes that were to be filled", "name", c.name, "error", err)
	}
	return nil
}

func (c *Copy) tryPrepared(ctx context.Context) (tidy func(context.Context) error, err error) {
	key, err := keyOf(ctx, c.eng, c.cfg.Stack, c.cfg.Version)
	if err != nil && c.cfg.Prepared.Policy == PrepareAuto {
		c.preparing.off = true // nobody asked for it
		return nil, nil
	}
	if err != nil || key == "" {
		return nil, err
	}
	c.preparing.key = key
	use, err := c.lock("use")
	if err != nil {
		return nil, err
	}
	if ok, err := use.TryRLock(); err != nil || !ok {
		return nil, err // old ones are just being deleted
	}
	defer func() {
		if tidy == nil {
			err = errors.Join(err, use.Unlock())
		}
	}()
	m, err := c.store().FindPrepared(ctx, key)
	if err != nil || m == nil {
		return nil, err
	}
	fire, err := c.seedFrom(ctx, m)
	if err != nil {
		return nil, err
	}
	c.preparing.from = m.Name
	return func(ctx context.Context) error { return errors.Join(fire(ctx), use.Unlock()) }, nil
}

// emptyVolumes removes the volumes of claims, which no container uses yet.
func (c *Copy) emptyVolumes(ctx context.Context) error {
	vols, err := c.eng.ListVolumes(ctx, map[string]string{services.ProjectLabel: c.name, snapshot.KindLabel: dockerpod.KindClaim})
	errs := []error{err}
	for _, v := range vols {
		errs = append(errs, c.eng.RemoveVolume(ctx, v.Name))
	}
	return errors.Join(errs...)
}

// Prepare keeps the volumes for later runs of the same stack where the policy says so, and deletes those kept for another
// content of the profile. It is called once the copy is ready and before anything is written, blocks until all is durable, a
// minute at most, and returns the snapshot's name, "" if none was made. An error leaves the copy as it was. Of several runs
// at once one keeps its volumes.
func (c *Copy) Prepare(ctx context.Context) (name string, err error) {
	p := c.cfg.Prepared
	if c.preparing.off || c.preparing.from != "" || c.cfg.From.Name != "" || !p.Policy.saves(time.Since(c.applied)) {
		return "", nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, saveLimit, fmt.Errorf("it took longer than %s", saveLimit))
	defer cancel()
	if name, err = c.prepare(ctx); err != nil {
		return "", fmt.Errorf("cannot prepare volumes for later runs: %w", err)
	}
	return name, nil
}

func (c *Copy) prepare(ctx context.Context) (name string, err error) {
	key, err := keyOf(ctx, c.eng, c.cfg.Stack, c.cfg.Version)
	if err != nil {
		return "", err
	}
	if key == "" || c.preparing.key != "" && key != c.preparing.key {
		if c.cfg.Prepared.Policy == PrepareAlways {
			return "", errChanged
		}
		return "", nil
	}
	saving, err := c.lock("save")
	if err != nil {
		return "", err
	}
	if ok, err := saving.TryLock(); err != nil || !ok {
		return "", err
	}
	defer func() { err = errors.Join(err, saving.Unlock()) }()
	store := c.store()
	if m, err := store.FindPrepared(ctx, key); err != nil || m != nil {
		return "", err // another run was quicker
	}
	name = preparedName(c.stack.Profile, key)
	if err := c.sup.SaveTo(ctx, store, name, key); err != nil {
		return "", err
	}
	if err := c.prune(ctx, name); err != nil {
		c.cfg.Log.Warn("cannot delete older prepared volumes", "profile", c.stack.Profile, "error", err)
	}
	return name, c.WaitReady(ctx) // everything stood still for a moment
}

// prune deletes what was prepared for another content, unless somebody is just beginning with it: then the next does.
func (c *Copy) prune(ctx context.Context, keep string) error {
	use, err := c.lock("use")
	if err != nil {
		return err
	}
	if ok, err := use.TryLock(); err != nil || !ok {
		return err
	}
	return errors.Join(c.store().PrunePrepared(ctx, c.stack.Profile, keep), use.Unlock())
}

// lock is one of the files that keep runs of the same profile apart: "save" is held by the run that keeps its volumes, "use"
// is shared by those that begin with some.
func (c *Copy) lock(what string) (*flock.Flock, error) {
	dir := c.cfg.Prepared.Locks
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make a place for locks: %w", err)
	}
	return flock.New(filepath.Join(dir, fmt.Sprintf("%s-%s.%s", c.cfg.Prepared.Project, preparedName(c.stack.Profile, strings.Repeat("0", 12)), what))), nil
}
