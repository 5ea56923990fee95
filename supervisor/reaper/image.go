package reaper

import (
	"context"
	"io"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/selfimage"
)

// imageLabel is on images made here, with a hash of the binary: it tells ours from the real one, which is never replaced.
const imageLabel = "dev.lyandev.reaper"

// pullLimit bounds the attempt to get the real image.
const pullLimit = 20 * time.Second

// Images is what is asked of the engine's images.
type Images interface {
	InspectImage(ctx context.Context, ref string) (engine.Image, error)
	PullImage(ctx context.Context, ref string, out io.Writer) error
	ImportImage(ctx context.Context, ref string, changes []string, tar io.Reader) (string, error)
}

// EnsureImage makes sure that there is a reaper's image of the name that testcontainers asks for: the real one where it is
// there or can be pulled, else one made of nothing but the static binary. It reports whether it is ours.
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
		if eng.PullImage(pull, ref, nil) == nil {
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
