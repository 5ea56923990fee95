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
	// maxFrozen is the longest time that services may be paused. Sentinels consider a Redis down after 5 s.
	maxFrozen = 3500 * time.Millisecond
	// littleLeft is how many bytes a pass may have written for the next one to be the last, with the services paused.
	littleLeft = 48 << 20
	maxPasses  = 4
)

// SaveRequest says what to save.
type SaveRequest struct {
	Name    string
	Profile string
	Sources []Source
	// Replace allows a snapshot of that name to exist. It is deleted once the new one is complete.
	Replace bool
	// To is the project that owns the snapshot, nil for the project of the sources. Its Engine creates the snapshot's volumes.
	To *Config
	// LeftOut, Steps and Prepared are stored in Meta.
	LeftOut  []string
	Steps    map[string]string
	Prepared string
	// Say receives progress messages; nil discards them.
	Say func(text string)
}

// Save makes a snapshot. Services keep running, except that all of them are paused together for a moment at the end (3.5 s at
// most), so that the copies are of the same instant. It blocks until the snapshot is synced to disk. After an error there is
// no snapshot of that name, except one that was to be replaced.
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
	if _, err := c.removePorters(ctx); err != nil {
		return nil, err
	}
	s := &saving{Config: c, to: to, q: q, vols: vols, meta: Meta{
		Name: q.Name, Project: to.Project, Profile: q.Profile, Created: time.Now().UTC(), LeftOut: q.LeftOut, Steps: q.Steps, Prepared: q.Prepared,
	}}
	if err := s.run(ctx); err != nil {
		return nil, fmt.Errorf("cannot save %s: %w", q.Name, err)
	}
	return &s.meta, nil
}

// saving is a save in progress.
type saving struct {
	Config
	// to is the project that owns the snapshot, vols are its volumes.
	to   Config
	q    SaveRequest
	meta Meta
	vols []engine.Volume
	// sources are the sources whose volume exists, copies the names of the volumes they are copied to.
	sources []Source
	copies  []string
	// images are the IDs of the images whose servers write the sources, "" where no server is running.
	images []string
	copier copier
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
			engine.Mount{Volume: s.claimVolume(src.Claim), Target: at("src", i), ReadOnly: true, NoCopy: true},
			engine.Mount{Volume: s.copies[i], Target: at("dst", i), NoCopy: true})
	}
	here := s.to.sameHost(ctx, s.copies[0], s.meta.Created)
	if s.copier, err = s.newCopier(ctx, s.q.Name, mounts, here); err != nil {
		return err
	}
	if err := s.copyAll(ctx); err != nil {
		return err
	}
	if err := s.seal(ctx); err != nil {
		return err
	}
	if err := s.createMarker(ctx); err != nil {
		return err
	}
	_ = s.copier.remove(ctx) // the next job would remove it
	s.copier = nil
	return nil
}

// makeVolumes creates the volumes of the copies. Their names differ from those of a snapshot that is to be replaced.
func (s *saving) makeVolumes(ctx context.Context) error {
	mine, err := s.volumes(ctx)
	if err != nil {
		return err
	}
	have := map[string]bool{}
	for _, v := range slices.Concat(s.vols, mine) {
		have[v.Name] = true
	}
	if _, err := find(s.vols, s.q.Name); err != nil { // leftovers of an incomplete save
		if err := s.to.discard(ctx, s.vols, s.q.Name); err != nil {
			return err
		}
		for _, v := range volumesOf(s.vols, s.q.Name) {
			delete(have, v)
		}
	}
	for _, src := range s.q.Sources {
		if has, err := s.hasVolume(ctx, src.Claim); err != nil {
			return err
		} else if !has {
			continue // never started, so the volume does not exist yet
		}
		name := copyVolume(s.to.Project, s.q.Name, src.Claim)
		if have[name] {
			name = fmt.Sprintf("%s.%d", name, s.meta.Created.Unix())
		}
		l := s.labels(KindCopy)
		l[claimLabel] = src.Claim
		if err := s.to.Engine.CreateVolume(ctx, engine.VolumeSpec{Name: name, Labels: l}); err != nil {
			return err
		}
		s.sources, s.copies = append(s.sources, src), append(s.copies, name)
	}
	if len(s.sources) == 0 {
		return fmt.Errorf("%w: the services have never been started, so they have no volumes", ErrNothing)
	}
	return nil
}

// labels are the labels of the snapshot's volumes.
func (s *saving) labels(kind string) map[string]string {
	l := labels(s.to.Project, s.to.Dir, kind, s.q.Name)
	if s.q.Prepared != "" {
		l[preparedLabel] = s.q.Profile
	}
	return l
}

// findImages looks up the images whose servers write the sources.
func (s *saving) findImages(ctx context.Context) error {
	s.images = make([]string, len(s.sources))
	for i, src := range s.sources {
		if len(src.Containers) == 0 {
			continue // not running: the image may have changed since it ran
		}
		c, err := s.Engine.InspectContainer(ctx, src.Containers[0])
		if err != nil {
			return fmt.Errorf("cannot find the image of the container that writes claim %s: %w", src.Claim, err)
		}
		s.images[i] = c.ImageID
	}
	return nil
}

// undo removes what a failed save has created.
func (s *saving) undo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	var errs []error
	if s.copier != nil {
		errs = append(errs, s.copier.remove(ctx))
	}
	for _, name := range s.copies {
		errs = append(errs, s.to.Engine.RemoveVolume(ctx, name))
	}
	return errors.Join(errs...)
}

// copyAll copies in passes while the services run until little is left to copy, and makes the last pass with the services
// paused.
func (s *saving) copyAll(ctx context.Context) error {
	var ids []string
	for _, src := range s.sources {
		ids = append(ids, src.Containers...)
	}
	for n := 1; ; n++ {
		written, err := s.pass(ctx, 0)
		if err != nil {
			return err
		}
		s.q.Say(fmt.Sprintf("copied %d MB", written>>20))
		if len(ids) == 0 {
			return nil // no container is writing
		}
		if written <= littleLeft || n == maxPasses {
			break
		}
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
			return fmt.Errorf("the write rate is too high; services would pause for longer than %s: %w; try again under less load", maxFrozen, err)
		}
		return err
	}
	return nil
}

// pass updates all copies, and returns how many bytes it wrote. It fails if that takes longer than limit; 0 is no limit.
func (s *saving) pass(ctx context.Context, limit time.Duration) (written int64, err error) {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	done, err := s.each(func(i int) (Copied, error) {
		return s.copier.do(ctx, Request{Do: "copy", Src: at("src", i), Dst: at("dst", i)})
	})
	for _, d := range done {
		written += d.Written
	}
	return written, err
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

// freeze pauses containers, all at the same time, until thaw. The pause is recorded on disk (package fault), so that it is
// undone even if this process is killed.
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
		return nil, errors.Join(fmt.Errorf("cannot pause the services: %w", err), thaw())
	}
	return thaw, nil
}

// seal completes the copies, syncs them to disk and records their metadata.
func (s *saving) seal(ctx context.Context) error {
	done, err := s.each(func(i int) (Copied, error) {
		return s.copier.do(ctx, Request{Do: "seal", Dst: at("dst", i)})
	})
	if err != nil {
		return err
	}
	var all []string
	for i := range s.sources {
		all = append(all, at("dst", i))
	}
	if _, err := s.copier.do(ctx, Request{Do: "sync", All: all}); err != nil {
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

// createMarker creates the marker volume. The marker of a snapshot to be replaced is removed just before.
func (s *saving) createMarker(ctx context.Context) error {
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
	if err := s.to.Engine.CreateVolume(ctx, engine.VolumeSpec{Name: mark, Labels: l}); err != nil {
		return err
	}
	for _, v := range volumesOf(s.vols, s.q.Name) {
		if v != mark && s.meta.byVolume(v) == nil {
			_ = s.to.Engine.RemoveVolume(ctx, v) // the next save or rm of the name tries again
		}
	}
	return nil
}
