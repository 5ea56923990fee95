package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/fault"
)

const (
	// maxFrozen is how long services may stand still. Sentinels call a Redis down after 5 s.
	maxFrozen = 3500 * time.Millisecond
	// littleLeft is what may have to be copied while they do; while it is more, it is copied once more before.
	littleLeft = 48 << 20
	maxPasses  = 4
)

// SaveRequest says what to save.
type SaveRequest struct {
	Name    string
	Profile string
	Sources []Source
	// Replace takes the place of a snapshot of that name, which goes when the new one is whole.
	Replace bool
	// To is whose the snapshot is; nil is the project that the sources are of. Its Engine makes the snapshot's volumes.
	To *Config
	// Steps and Prepared are noted in the snapshot.
	Steps    map[string]string
	Prepared string
	// Say is told what is going on; nil is silent.
	Say func(text string)
}

// Save makes a snapshot. Services go on, but for a moment at the end in which all of them are frozen together, so that the
// copies are of one instant. An error leaves no snapshot of that name, but for one that was to be replaced. It blocks until
// all is durable.
func (c Config) Save(ctx context.Context, q SaveRequest) (*Meta, error) {
	if err := CheckName(q.Name); err != nil {
		return nil, err
	}
	if q.Say == nil {
		q.Say = func(string) {}
	}
	to := c
	if q.To != nil {
		to = *q.To
	}
	release, err := c.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	vols, err := to.volumes(ctx)
	if err != nil {
		return nil, err
	}
	_, err = find(vols, q.Name)
	if err == nil && !q.Replace {
		return nil, fmt.Errorf("cannot save %s: %w; choose another name, remove it with `lyandev snapshot rm %s`, or use --replace", q.Name, ErrExists, q.Name)
	}
	if err := c.fireLeftovers(ctx); err != nil {
		return nil, err
	}
	s := &saving{Config: c, to: to, q: q, vols: vols, meta: Meta{
		Name: q.Name, Project: to.Project, Profile: q.Profile, Created: time.Now().UTC(), Steps: q.Steps, Prepared: q.Prepared,
	}}
	if err := s.run(ctx); err != nil {
		return nil, fmt.Errorf("cannot save %s: %w", q.Name, err)
	}
	return &s.meta, nil
}

// saving is one snapshot being made.
type saving struct {
	Config
	// to is whose the snapshot is, vols are the volumes of it.
	to   Config
	q    SaveRequest
	meta Meta
	vols []engine.Volume
	// sources are those that have a volume yet, copies their copies' names.
	sources []Source
	copies  []string
	// images are the IDs of the images whose servers write the sources, "" where none runs.
	images []string
	porter *porter
}

func (s *saving) run(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, s.undo(ctx))
		}
	}()
	if err := s.makeVolumes(ctx); err != nil {
		return err
	}
	if err := s.findImages(ctx); err != nil {
		return err
	}
	var mounts []engine.Mount
	for i, src := range s.sources {
		mounts = append(mounts,
			engine.Mount{Volume: claimVolume(s.Project, src.Claim), Target: at("src", i), ReadOnly: true, NoCopy: true},
			engine.Mount{Volume: s.copies[i], Target: at("dst", i), NoCopy: true})
	}
	if s.porter, err = s.hire(ctx, s.q.Name, mounts); err != nil {
		return err
	}
	if err := s.copyAll(ctx); err != nil {
		return err
	}
	if err := s.seal(ctx); err != nil {
		return err
	}
	if err := s.declare(ctx); err != nil {
		return err
	}
	_ = s.porter.dismiss(ctx) // the next job would remove it
	s.porter = nil
	return nil
}

// makeVolumes makes the copies' volumes, under other names than those of a snapshot that is to be replaced.
func (s *saving) makeVolumes(ctx context.Context) error {
	mine, err := s.volumes(ctx)
	if err != nil {
		return err
	}
	have := map[string]bool{}
	for _, v := range slices.Concat(s.vols, mine) {
		have[v.Name] = true
	}
	if _, err := find(s.vols, s.q.Name); err != nil { // leftovers of one that was never whole
		if err := s.to.discard(ctx, s.vols, s.q.Name); err != nil {
			return err
		}
		for _, v := range volumesOf(s.vols, s.q.Name) {
			delete(have, v)
		}
	}
	for _, src := range s.q.Sources {
		if !have[claimVolume(s.Project, src.Claim)] {
			continue // never started, so there is nothing yet
		}
		name := copyVolume(s.to.Project, s.q.Name, src.Claim)
		if have[name] {
			name = fmt.Sprintf("%s.%d", name, s.meta.Created.Unix())
		}
		l := s.labels(KindCopy)
		l[claimLabel] = src.Claim
		if err := s.to.Engine.CreateVolume(ctx, name, l); err != nil {
			return err
		}
		s.sources, s.copies = append(s.sources, src), append(s.copies, name)
	}
	if len(s.sources) == 0 {
		return fmt.Errorf("%w: the services have never run, so they have no volumes", ErrNothing)
	}
	return nil
}

// labels are those of the snapshot's volumes.
func (s *saving) labels(kind string) map[string]string {
	l := labels(s.to.Project, s.to.Dir, kind, s.q.Name)
	if s.q.Prepared != "" {
		l[preparedLabel] = s.q.Profile
	}
	return l
}

// findImages notes who writes the sources.
func (s *saving) findImages(ctx context.Context) error {
	s.images = make([]string, len(s.sources))
	for i, src := range s.sources {
		if len(src.Containers) == 0 {
			continue // what is in the image now need not have been there when it ran
		}
		c, err := s.Engine.InspectContainer(ctx, src.Containers[0])
		if err != nil {
			return fmt.Errorf("cannot find out who writes claim %s: %w", src.Claim, err)
		}
		s.images[i] = c.ImageID
	}
	return nil
}

// undo takes away what a failed save has made.
func (s *saving) undo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	var errs []error
	if s.porter != nil {
		errs = append(errs, s.porter.dismiss(ctx))
	}
	for _, name := range s.copies {
		errs = append(errs, s.to.Engine.RemoveVolume(ctx, name))
	}
	return errors.Join(errs...)
}

// copyAll copies while the services go on until little is left, and that while they are frozen.
func (s *saving) copyAll(ctx context.Context) error {
	for n := 1; ; n++ {
		changed, err := s.pass(ctx, 0)
		if err != nil {
			return err
		}
		s.q.Say(fmt.Sprintf("copied %d MB", changed>>20))
		if changed <= littleLeft || n == maxPasses {
			break
		}
	}
	var ids []string
	for _, src := range s.sources {
		ids = append(ids, src.Containers...)
	}
	if len(ids) == 0 {
		return nil // nobody writes
	}
	thaw, err := s.freeze(ctx, ids)
	if err != nil {
		return err
	}
	began := time.Now()
	_, err = s.pass(ctx, maxFrozen)
	s.meta.Frozen = time.Since(began)
	if err := errors.Join(err, thaw()); err != nil {
		if s.meta.Frozen >= maxFrozen {
			return fmt.Errorf("so much is being written that the services would stand still for longer than %s; try again when less is going on: %w", maxFrozen, err)
		}
		return err
	}
	return nil
}

// pass brings all copies up to date, within limit if that is not 0.
func (s *saving) pass(ctx context.Context, limit time.Duration) (changed int64, err error) {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	done, err := s.each(func(i int) (Copied, error) {
		return s.porter.do(ctx, Request{Do: "copy", Src: at("src", i), Dst: at("dst", i)})
	})
	for _, d := range done {
		changed += d.ChangedBytes
	}
	return changed, err
}

func (s *saving) each(do func(i int) (Copied, error)) ([]Copied, error) {
	done := make([]Copied, len(s.sources))
	for i, src := range s.sources {
		var err error
		if done[i], err = do(i); err != nil {
			return done, fmt.Errorf("volume of claim %s: %w", src.Claim, err)
		}
	}
	return done, nil
}

// freeze stops containers from running until thaw, together. A record of it outlives this process.
func (s *saving) freeze(ctx context.Context, ids []string) (thaw func() error, err error) {
	var faults []fault.Fault
	for _, id := range ids {
		faults = append(faults, fault.Fault{Kind: fault.Paused, Container: id})
	}
	forget, err := fault.Remember(s.Home, "snapshot", time.Now().Add(2*maxFrozen), faults)
	if err != nil {
		return nil, err
	}
	thaw = func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err := fault.Undo(ctx, s.Engine, faults)
		if err == nil {
			forget()
		}
		return err
	}
	limited, cancel := context.WithTimeout(ctx, maxFrozen)
	defer cancel()
	g, gctx := errgroup.WithContext(limited)
	for _, id := range ids {
		g.Go(func() error { return s.Engine.PauseContainer(gctx, id) })
	}
	if err := g.Wait(); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot freeze the services: %w", err), thaw())
	}
	return thaw, nil
}

// seal makes the copies whole and notes what they are.
func (s *saving) seal(ctx context.Context) error {
	done, err := s.each(func(i int) (Copied, error) {
		return s.porter.do(ctx, Request{Do: "seal", Dst: at("dst", i)})
	})
	if err != nil {
		return err
	}
	for i, src := range s.sources {
		d := done[i]
		s.meta.Bytes += d.Bytes
		s.meta.Claims = append(s.meta.Claims, ClaimMeta{
			Claim: src.Claim, Workload: src.Workload, Operator: src.Operator, Role: src.Role,
			Product: d.Product, Version: d.Version, Files: d.Files, Bytes: d.Bytes, Sum: d.Sum, Volume: s.copies[i],
			ImageID: s.images[i],
		})
	}
	return nil
}

// declare makes the snapshot exist. One that it replaces stops existing a moment before.
func (s *saving) declare(ctx context.Context) error {
	s.meta.Took = time.Since(s.meta.Created)
	text, err := s.meta.label()
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	mark := markVolume(s.to.Project, s.q.Name)
	if err := s.to.Engine.RemoveVolume(ctx, mark); err != nil {
		return err
	}
	l := s.labels(KindSnapshot)
	l[MetaLabel] = text
	if err := s.to.Engine.CreateVolume(ctx, mark, l); err != nil {
		return err
	}
	for _, v := range volumesOf(s.vols, s.q.Name) {
		if v != mark && s.meta.byVolume(v) == nil {
			_ = s.to.Engine.RemoveVolume(ctx, v) // the next save or rm of the name tries again
		}
	}
	return nil
}
