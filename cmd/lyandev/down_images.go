package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// removeImages removes the images that lyandev has built for a stack: with "local" those to which the file gives no name, with "all" also
// the others. Images that it has not built stay, and with "all" their names are printed. One that a container uses stays too.
func removeImages(ctx context.Context, st *ui.Streams, eng engine.Images, stack *services.Stack, which string) error {
	var errs []error
	built, others := imagesToRemove(stack, which)
	for _, ref := range built {
		img, err := eng.InspectImage(ctx, ref)
		switch {
		case engine.IsNotFound(err):
			continue
		case err != nil:
			errs = append(errs, err)
			continue
		case img.Labels[build.FingerprintLabel] == "":
			others = append(others, ref)
			continue
		}
		if err := eng.RemoveImage(ctx, ref); err != nil {
			errs = append(errs, err)
			continue
		}
		if _, err := eng.InspectImage(ctx, ref); err == nil {
			fmt.Fprintf(st.Err, "kept image %s: a container uses it\n", ref)
			continue
		}
		fmt.Fprintf(st.Err, "removed image %s\n", ref)
	}
	for _, ref := range others {
		fmt.Fprintf(st.Err, "kept image %s: lyandev did not build it; `docker rmi %s` removes it\n", ref, ref)
	}
	return errors.Join(errs...)
}

// imagesToRemove returns the references that the stack builds, and with "all" those of its other images.
func imagesToRemove(stack *services.Stack, which string) (built, others []string) {
	for _, b := range stack.Builds {
		if which == "all" || b.Image == strings.ToLower(stack.Name+"-"+b.Name) {
			built = append(built, b.Image)
		}
	}
	if which != "all" {
		return built, nil
	}
	for _, ref := range stackImages(stack) {
		isBuilt := slices.ContainsFunc(stack.Builds, func(b *services.Build) bool { return b.Image == ref })
		if !isBuilt && ref != "" && !strings.HasPrefix(ref, "sha256:") && !slices.Contains(others, ref) {
			others = append(others, ref)
		}
	}
	return built, others
}
