package build

import (
	"context"
	"fmt"

	"github.com/docker/docker/api/types/image"

	"github.com/lyandev/lyandev/services"
)

// untagFailed takes the tag from an image whose export failed half-way, and gives it back to the image that had it before. With
// the containerd store such an image is tagged all the same, and its fingerprint would make the next build say that it is current.
func (b *Builder) untagFailed(ctx context.Context, x *services.Build, src *source, previous string) error {
	ctx = context.WithoutCancel(ctx)
	made, err := b.Images.InspectImage(ctx, x.Image)
	if err != nil || made.ID == previous || made.Labels[FingerprintLabel] != src.fingerprint {
		return nil // what the tag names is not of this build
	}
	if previous != "" {
		err = b.API.ImageTag(ctx, previous, x.Image)
	} else {
		_, err = b.API.ImageRemove(ctx, x.Image, image.RemoveOptions{})
	}
	if err != nil {
		return fmt.Errorf("cannot take the tag %s from an image that is not complete: %w; remove it with `docker rmi %s`", x.Image, err, x.Image)
	}
	return nil
}
