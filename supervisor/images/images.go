// Package images makes the images that a stack needs available on the engine: it builds and pulls them, and reports how far it
// is.
package images

import (
	"context"
	"errors"
	"fmt"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/state"
)

// Engine is what is asked of the engine.
type Engine interface {
	InspectImage(ctx context.Context, ref string) (engine.Image, error)
	PullImage(ctx context.Context, ref string, opts engine.PullOptions) error
}

// Builder builds images; see build.Builder.
type Builder interface {
	All(ctx context.Context, builds []*services.Build, opts build.Options, sink build.Sink) ([]build.Result, error)
	Build(ctx context.Context, b *services.Build, opts build.Options, sink build.Sink) (build.Result, error)
}

// Config is what a Maker works with. All fields must be set. The callbacks are called from several goroutines and must not block
// for long.
type Config struct {
	Engine  Engine
	Builder Builder
	// BuildsBegin is told which images are about to be built; all of a stack, or one more.
	BuildsBegin func(list []*services.Build, all bool)
	// BuildProgress is told how far a build is.
	BuildProgress func(build.Progress)
	// PullProgress is told how far the pull of an image is; Name and Image are its reference.
	PullProgress func(state.Build)
}

// Options choose what Make does.
type Options struct {
	// Force builds even when nothing changed; NoBuild uses the images that are there.
	Force, NoBuild bool
	// Pull takes the place of the pull policies of the stack; "" leaves them.
	Pull string
}

// Maker makes images. Its methods may be called concurrently.
type Maker struct{ cfg Config }

// New returns a Maker.
func New(cfg Config) *Maker { return &Maker{cfg} }

// Make builds the images that the stack builds, then pulls the others where their pull policies ask for it, and returns the IDs of the images built, by
// reference. It blocks until that is done or ctx ends. All images that cannot be pulled are reported, with file and line.
func (m *Maker) Make(ctx context.Context, stack *services.Stack, opts Options) (map[string]string, error) {
	find := m.build
	if opts.NoBuild {
		find = m.present
	}
	built, err := find(ctx, stack.Builds, opts)
	if err != nil {
		return nil, err
	}
	return built, m.pullDue(ctx, stack, built, opts.Pull)
}

// Build builds one image of a stack, or finds that it is current, and blocks until that is done or ctx ends.
func (m *Maker) Build(ctx context.Context, stack *services.Stack, b *services.Build) (build.Result, error) {
	m.cfg.BuildsBegin([]*services.Build{b}, false)
	return m.cfg.Builder.Build(ctx, b, build.Options{Refs: build.RefsOf(stack.Builds)}, m.cfg.BuildProgress)
}

// build builds images and returns their IDs by reference.
func (m *Maker) build(ctx context.Context, list []*services.Build, opts Options) (map[string]string, error) {
	m.cfg.BuildsBegin(list, true)
	results, err := m.cfg.Builder.All(ctx, list, build.Options{Force: opts.Force, Refs: build.RefsOf(list)}, m.cfg.BuildProgress)
	if err != nil {
		return nil, err
	}
	built := map[string]string{}
	for _, r := range results {
		built[r.Image] = r.ImageID
	}
	return built, nil
}

// present returns the IDs of the images that were built before, by reference.
func (m *Maker) present(ctx context.Context, list []*services.Build, _ Options) (map[string]string, error) {
	built := map[string]string{}
	var errs []error
	for _, b := range list {
		i, err := m.cfg.Engine.InspectImage(ctx, b.Image)
		if err != nil {
			errs = append(errs, fmt.Errorf("cannot use image %s of %s without building it: %w; run `lyandev build %s`", b.Image, b.Name, err, b.Name))
			continue
		}
		built[b.Image] = i.ID
	}
	return built, errors.Join(errs...)
}
