package reaper

import (
	"context"
	"io"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/selfimage"
)

// imageLabel is on images made here, with a hash of the binary. Ryuk's own image lacks it and is never replaced.
const imageLabel = "dev.lyandev.reaper"

// pullLimit is the timeout for pulling Ryuk's image.
const pullLimit = 20 * time.Second

// Images is the part of engine.Images that EnsureImage needs.
type Images interface {
	InspectImage(ctx context.Context, ref string) (engine.Image, error)
	PullImage(ctx context.Context, ref string, opts engine.PullOptions) error
	ImportImage(ctx context.Context, ref string, changes []string, tar io.Reader) (string, error)
}

// EnsureImage provides an image under the name that testcontainers uses for Ryuk: Ryuk's own image if it exists or can be
// pulled, else one that holds only the static binary. ours reports the latter. It blocks for a pull, 20 s at most.
func EnsureImage(ctx context.Context, eng Images, ref, binary string) (ours bool, err error) {
	have, err := eng.InspectImage(ctx, ref)
	switch {
	case err == nil && have.Labels[imageLabel] == "":
		return false, nil
	case err != nil && !engine.IsNotFound(err):
		return false, err
	case err != nil:
		pull, cancel := context.WithTimeout(ctx, pullLimit)
		defer cancel()
		if eng.PullImage(pull, ref, engine.PullOptions{}) == nil {
			return false, nil
		}
	}
	own := selfimage.NewBinary(binary)
	sum, err := own.Hash()
	if err != nil || have.Labels[imageLabel] == sum {
		return true, err
	}
	return true, own.Import(ctx, eng, ref, imageLabel, Command)
}
