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

// Policy determines when volumes are prepared for later runs. With every policy except PrepareNever a copy starts from prepared
// volumes if there are any.
type Policy string

// The policies.
const (
	// PrepareNever is also the meaning of "".
	PrepareNever Policy = "never"
	// PrepareAuto prepares volumes if the start from empty volumes took longer than 30 s.
	PrepareAuto Policy = "auto"
	// PrepareAlways prepares volumes after every start from empty volumes.
	PrepareAlways Policy = "always"
)

const (
	// worthwhile is how long a start must take for its volumes to be saved: saving takes about a second, and disk space.
	worthwhile = 30 * time.Second
	// saveLimit bounds how long the tests wait for the save.
	saveLimit = time.Minute
)

// ParsePolicy reads "auto", "always" or "never".
func ParsePolicy(s string) (Policy, error) {
	switch p := Policy(s); p {
	case PrepareNever, PrepareAuto, PrepareAlways:
		return p, nil
	}
	return "", fmt.Errorf("unknown policy %q: it must be %s, %s or %s", s, PrepareAuto, PrepareAlways, PrepareNever)
}

func (p Policy) on() bool { return p == PrepareAuto || p == PrepareAlways }

// saves reports whether the volumes of a start from empty ones that took this long are saved. It is pure.
func (p Policy) saves(took time.Duration) bool {
	return p == PrepareAlways || p == PrepareAuto && took > worthwhile
}

// Prepared configures the prepared volumes that a copy uses and saves.
type Prepared struct {
	Policy Policy
	// Project and Dir identify the instance that owns the prepared snapshots.
	Project, Dir string
	// Locks is a directory for lock files, created if missing.
	Locks string
}

var errChanged = errors.New("images, or files that the stack mounts, have changed since the start; files that a service itself " +
	"writes belong into a volume")

// preparing is a copy's state about prepared volumes.
type preparing struct {
	// key is the key of the stack when the copy started, "" if an image was missing.
	key string
	// from is the snapshot that the volumes were filled from, "" if they started empty.
	from string
	// off is true if there is nothing to prepare, or an error occurred.
	off bool
}

var unfitForName = regexp.MustCompile(`[^a-z0-9.-]+`)

// preparedName returns the name of the snapshot of a profile and key: "test-PROFILE-" and the first twelve digits of the key. It
// is pure.
func preparedName(profile, key string) string {
	name := unfitForName.ReplaceAllString(strings.ToLower(profile), "-")
	if name = strings.Trim(name[:min(len(name), 30)], "-."); name == "" {
		name = "default"
	}
	return "test-" + name + "-" + key[:12]
}

// FromPrepared returns the name of the earlier run's snapshot that the volumes were filled from, "" for none. It must be called
// after Start.
func (c *Copy) FromPrepared() string { return c.preparing.from }

// store returns the Config for prepared snapshots: they belong to the instance and not to the test session, whose reaper would
// remove them.
func (c *Copy) store() snapshot.Config {
	return snapshot.Config{Engine: c.eng.Docker, Project: c.cfg.Prepared.Project, Dir: c.cfg.Prepared.Dir}
}

// seedPrepared fills the volumes from prepared ones. After any error the copy starts with empty volumes.
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
	c.cfg.Log.Warn("cannot use prepared volumes; starting with empty ones. If this happens again, remove the test-... snapshots of `lyandev snapshot ls`",
		"profile", c.stack.Profile, "error", err)
	if err := c.emptyVolumes(ctx); err != nil {
		c.cfg.Log.Warn("cannot remove partly filled volumes", "name", c.name, "error", err)
	}
	return nil
}

func (c *Copy) tryPrepared(ctx context.Context) (tidy func(context.Context) error, err error) {
	key, err := keyOf(ctx, c.eng, c.cfg.Stack, c.cfg.Version)
	if err != nil && c.cfg.Prepared.Policy == PrepareAuto {
		c.preparing.off = true // not requested
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
		return nil, err // another run is deleting old ones
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

// emptyVolumes removes the volumes of claims. No container uses them yet.
func (c *Copy) emptyVolumes(ctx context.Context) error {
	vols, err := c.eng.ListVolumes(ctx, map[string]string{services.ProjectLabel: c.name, snapshot.KindLabel: dockerpod.KindClaim})
	errs := []error{err}
	for _, v := range vols {
		errs = append(errs, c.eng.RemoveVolume(ctx, v.Name))
	}
	return errors.Join(errs...)
}

// Prepare saves the volumes for later runs of the same stack, if the policy requires it, and deletes prepared snapshots of
// older versions of the profile. It must be called when the copy is ready, before tests write data. It blocks until the
// snapshot is synced to disk, one minute at most, and returns its name, "" if none was made. An error does not affect the copy.
// Of several concurrent runs only one saves its volumes.
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
		return "", err // another run is saving or has saved
	}
	name = preparedName(c.stack.Profile, key)
	if err := c.sup.SaveTo(ctx, store, name, key); err != nil {
		return "", err
	}
	if err := c.prune(ctx, name); err != nil {
		c.cfg.Log.Warn("cannot delete older prepared volumes", "profile", c.stack.Profile, "error", err)
	}
	return name, c.WaitReady(ctx) // the services were paused
}

// prune deletes prepared snapshots with other keys. If another run is reading one, it leaves that to the next run.
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

// lock returns a lock file that synchronises runs of the same profile: "save" is held by the run that saves its volumes, "use" is
// shared by runs that read prepared volumes.
func (c *Copy) lock(what string) (*flock.Flock, error) {
	dir := c.cfg.Prepared.Locks
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot create the directory for locks: %w", err)
	}
	return flock.New(filepath.Join(dir, fmt.Sprintf("%s-%s.%s", c.cfg.Prepared.Project, preparedName(c.stack.Profile, strings.Repeat("0", 12)), what))), nil
}
