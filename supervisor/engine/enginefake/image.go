package enginefake

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// Image is an image to put into the engine or its registry. Its ID, tags and creation time are the engine's to fill in.
type Image struct {
	engine.Image
	// Dirs are directories that its containers have, besides / and /tmp.
	Dirs []string
	// Healthcheck says that its containers have a health check.
	Healthcheck bool
	// PullTakes is how long a pull takes.
	PullTakes time.Duration
}

type imageRecord struct {
	Image
}

// AddImage puts an image into the engine as if built or pulled, and returns its ID. A tag that another image has moves.
func (e *Engine) AddImage(ref string, img Image) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.addImage(ref, img)
}

// Publish puts an image into the registry: it can be pulled. A reference that is not there cannot.
func (e *Engine) Publish(ref string, img Image) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.registry[familiar(ref)] = img
}

func (e *Engine) addImage(ref string, img Image) string {
	e.serial++
	img.ID = fmt.Sprintf("sha256:%064x", e.serial)
	img.Created = time.Now().UTC()
	if img.OS == "" {
		img.OS, img.Arch = e.info.OS, e.info.Arch
	}
	img.Tags, img.Labels = nil, maps.Clone(img.Labels)
	e.images[img.ID] = &imageRecord{Image: img}
	e.tag(e.images[img.ID], ref)
	return img.ID
}

// tag moves a reference to an image; e.mu is held.
func (e *Engine) tag(img *imageRecord, ref string) {
	ref = familiar(ref)
	for _, other := range e.images {
		other.Tags = slices.DeleteFunc(other.Tags, func(t string) bool { return t == ref })
	}
	img.Tags, img.LastTagged = append(img.Tags, ref), time.Now().UTC()
}

// familiar is a reference as Docker lists it: without docker.io/library, with a tag.
func familiar(ref string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ref
	}
	return reference.FamiliarString(reference.TagNameOnly(named))
}

func (e *Engine) findImage(ref string) *imageRecord {
	want := familiar(ref)
	for id, img := range e.images {
		hex := strings.TrimPrefix(id, "sha256:")
		if id == ref || slices.Contains(img.Tags, want) || (len(ref) >= 12 && strings.HasPrefix(hex, strings.TrimPrefix(ref, "sha256:"))) {
			return img
		}
	}
	return nil
}

// InspectImage implements engine.Images.
func (e *Engine) InspectImage(ctx context.Context, ref string) (engine.Image, error) {
	var out engine.Image
	err := e.call(ctx, "InspectImage", ref, func() error {
		img := e.findImage(ref)
		if img == nil {
			return errNotFound("No such image: %s", ref)
		}
		out = img.Image.Image
		out.Tags, out.Labels = slices.Clone(out.Tags), maps.Clone(out.Labels)
		return nil
	})
	return out, wrap(err, "inspect image %s", ref)
}

// PullImage implements engine.Images.
func (e *Engine) PullImage(ctx context.Context, ref string, opts engine.PullOptions) error {
	var img Image
	err := e.call(ctx, "PullImage", ref, func() error {
		var ok bool
		if img, ok = e.registry[familiar(ref)]; !ok {
			return errNotFound("pull access denied for %s, repository does not exist or may require 'docker login'", ref)
		}
		return nil
	})
	if err == nil {
		err = Delay(img.PullTakes)(ctx, Call{})
	}
	if err != nil {
		return wrap(err, "pull image %s", ref)
	}
	if opts.Out != nil {
		fmt.Fprintf(opts.Out, " Status: Downloaded newer image for %s\n", familiar(ref))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.images[e.addImage(ref, img)].LastTagged = time.Time{} // as with the classic image store
	return nil
}

// ImportImage implements engine.Images. Of the changes it understands LABEL, ENV, USER, WORKDIR, and ENTRYPOINT
// and CMD in their JSON form.
func (e *Engine) ImportImage(ctx context.Context, ref string, changes []string, r io.Reader) (string, error) {
	img := Image{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", wrap(err, "import image %s", ref)
		}
		if h.Typeflag == tar.TypeDir {
			img.Dirs = append(img.Dirs, "/"+strings.Trim(h.Name, "/"))
		}
		img.Size += h.Size
	}
	for _, line := range changes {
		if err := img.change(line); err != nil {
			return "", wrap(err, "import image %s", ref)
		}
	}
	var id string
	err := e.call(ctx, "ImportImage", ref, func() error {
		id = e.addImage(ref, img)
		return nil
	})
	return id, wrap(err, "import image %s", ref)
}

// ListImages implements engine.Images.
func (e *Engine) ListImages(ctx context.Context, labels map[string]string) ([]engine.Image, error) {
	out := []engine.Image{}
	err := e.call(ctx, "ListImages", "", func() error {
		for _, id := range slices.Sorted(maps.Keys(e.images)) {
			img := e.images[id].Image.Image
			if matches(img.Labels, labels) {
				out = append(out, engine.Image{
					ID: img.ID, Tags: slices.Clone(img.Tags), Digests: img.Digests, Labels: maps.Clone(img.Labels),
					Created: img.Created, Size: img.Size,
				})
			}
		}
		return nil
	})
	if err != nil {
		return nil, wrap(err, "list images")
	}
	return out, nil
}

// TagImage implements engine.Images.
func (e *Engine) TagImage(ctx context.Context, id, ref string) error {
	err := e.call(ctx, "TagImage", id, func() error {
		img := e.findImage(id)
		if img == nil {
			return errNotFound("No such image: %s", id)
		}
		e.tag(img, ref)
		return nil
	})
	return wrap(err, "tag image %s as %s", short(id), ref)
}

// RemoveImage implements engine.Images.
func (e *Engine) RemoveImage(ctx context.Context, ref string) error {
	err := e.call(ctx, "RemoveImage", ref, func() error {
		img := e.findImage(ref)
		if img == nil {
			return nil
		}
		byTag := slices.Contains(img.Tags, familiar(ref))
		if byTag && len(img.Tags) > 1 {
			img.Tags = slices.DeleteFunc(img.Tags, func(t string) bool { return t == familiar(ref) })
			return nil
		}
		for _, c := range e.containers {
			if c.imageID == img.ID {
				return nil // in use, which is no error
			}
		}
		if byTag || len(img.Tags) <= 1 {
			delete(e.images, img.ID)
		}
		return nil
	})
	return wrap(err, "remove image %s", ref)
}
