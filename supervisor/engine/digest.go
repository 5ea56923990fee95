package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/registry"
)

// ImageDigest returns the digest (sha256:...) that the registry has for an image now. If the registry does not answer, it is that of the
// local image, if that came from the registry.
func (d *Docker) ImageDigest(ctx context.Context, ref string) (string, error) {
	auth, noAuth := registryAuth(ref)
	found, err := within(ctx, answerLimit, func(ctx context.Context) (registry.DistributionInspect, error) {
		return d.api.DistributionInspect(ctx, ref, auth)
	})
	if err == nil {
		return found.Descriptor.Digest.String(), nil
	}
	if i, e := d.InspectImage(ctx, ref); e == nil {
		for _, known := range i.Digests {
			if name, digest, _ := strings.Cut(known, "@"); sameRepository(name, ref) {
				return digest, nil
			}
		}
	}
	return "", fmt.Errorf("cannot find the digest of image %s: %w", ref, errors.Join(err, noAuth))
}

func sameRepository(a, b string) bool {
	x, errX := reference.ParseNormalizedNamed(a)
	y, errY := reference.ParseNormalizedNamed(b)
	return errX == nil && errY == nil && x.Name() == y.Name()
}

// PinnedTo is a reference with its tag replaced by a digest: name@sha256:...
func PinnedTo(ref, digest string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ref
	}
	return reference.FamiliarName(named) + "@" + digest
}
