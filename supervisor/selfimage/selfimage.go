// Package selfimage makes Docker images that hold this program's own static binary and nothing else. Agents, sandboxes and
// helper containers run the Image; the reaper's image is made from the same Binary.
package selfimage

import (
	"context"
	"sync"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// KindLabel says on every Docker object of a project what it is: "network", "agent", "shim"; on containers of pods
// "container", "sandbox" or "init".
const KindLabel = "dev.lyandev.kind"

// HashLabel is on images made here and on agents: the hash of the binary.
const HashLabel = "dev.lyandev.agent"

// Repository is where the images are: one tag a binary.
const Repository = "lyandev/agent"

// Images is what Image needs of the engine.
type Images interface {
	Importer
	InspectImage(ctx context.Context, ref string) (engine.Image, error)
	ListImages(ctx context.Context, labels map[string]string) ([]engine.Image, error)
	RemoveImage(ctx context.Context, ref string) error
}

// Image is the image of one binary. Its methods may be called at the same time.
type Image struct {
	eng    Images
	binary *Binary

	// making has a value while the image is looked for or made.
	making chan struct{}

	removals sync.WaitGroup
	// ctx ends with Close.
	ctx    context.Context
	cancel context.CancelFunc
}

// New is the image of the static binary at path. Close it at the end.
func New(eng Images, path string) *Image {
	i := &Image{eng: eng, binary: NewBinary(path), making: make(chan struct{}, 1)}
	i.ctx, i.cancel = context.WithCancel(context.Background())
	return i
}

// Ensure finds the image or makes it, and begins to remove those of other binaries. It returns the reference and the hash
// of the binary. It blocks while the engine imports, some seconds at most; callers at the same time wait for one import.
func (i *Image) Ensure(ctx context.Context) (ref, hash string, err error) {
	select {
	case i.making <- struct{}{}:
	case <-ctx.Done():
		return "", "", context.Cause(ctx)
	}
	defer func() { <-i.making }()
	if hash, err = i.binary.Hash(); err != nil {
		return "", "", err
	}
	ref = Repository + ":" + hash
	if _, err := i.eng.InspectImage(ctx, ref); err == nil {
		return ref, hash, nil
	} else if !engine.IsNotFound(err) {
		return "", "", err
	}
	if err := i.binary.Import(ctx, i.eng, ref, HashLabel); err != nil {
		return "", "", err
	}
	i.removals.Go(func() { i.removeOthers(ref) })
	return ref, hash, nil
}

// Close gives up removals that are going on, and waits until they have ended.
func (i *Image) Close() {
	i.cancel()
	i.removals.Wait()
}

// removeOthers removes the images of other binaries; those that a stack still uses stay, since the engine refuses. Ensure
// does not wait for it: an engine that cannot look at one container (it is paused in the middle of something) takes long.
func (i *Image) removeOthers(keep string) {
	list, err := i.eng.ListImages(i.ctx, map[string]string{HashLabel: ""})
	if err != nil {
		return // old images cost disk only; the next version tries again
	}
	for _, image := range list {
		for _, tag := range image.Tags {
			if tag != keep {
				_ = i.eng.RemoveImage(i.ctx, tag)
			}
		}
	}
}
