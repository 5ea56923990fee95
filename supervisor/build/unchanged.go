package build

import (
	"context"
	"maps"
	"reflect"
	"slices"

	"github.com/docker/docker/api/types/image"

	"github.com/lyandev/lyandev/services"
)

// keepPrevious gives an image's references back to the image that had them before the build, if the build has given the same one: inputs
// have changed that no step uses, such as a comment in compose.yaml. Containers of the image then stay as they are. It reports whether
// that is so. Of several images with the same content one is as good as another, so what fails here leaves the new one.
func (b *Builder) keepPrevious(ctx context.Context, x *services.Build, previous, made string) bool {
	if previous == "" || previous == made {
		return previous != ""
	}
	old, err := b.API.ImageInspect(ctx, previous)
	if err != nil {
		return false
	}
	next, err := b.API.ImageInspect(ctx, made)
	if err != nil || !sameImage(old, next) {
		return false
	}
	for _, ref := range append([]string{x.Image}, x.Tags...) {
		if err := b.API.ImageTag(ctx, previous, ref); err != nil {
			b.Log.Warn("cannot tag the image that has not changed", "image", ref, "error", err)
			return false
		}
	}
	if _, err := b.API.ImageRemove(ctx, made, image.RemoveOptions{}); err != nil {
		b.Log.Debug("cannot remove the copy of an image", "image", made, "error", err)
	}
	return true
}

// sameImage reports whether two images differ in nothing that a container has: layers, platform and configuration, but for the
// fingerprint.
func sameImage(a, b image.InspectResponse) bool {
	if a.Os != b.Os || a.Architecture != b.Architecture || a.Variant != b.Variant || !slices.Equal(a.RootFS.Layers, b.RootFS.Layers) {
		return false
	}
	if a.Config == nil || b.Config == nil {
		return false
	}
	c, d := *a.Config, *b.Config
	c.Labels, d.Labels = withoutFingerprint(c.Labels), withoutFingerprint(d.Labels)
	return reflect.DeepEqual(c, d)
}

func withoutFingerprint(labels map[string]string) map[string]string {
	out := maps.Clone(labels)
	delete(out, FingerprintLabel)
	return out
}
