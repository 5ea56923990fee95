package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/lyandev/lyandev/supervisor/pod"
)

// FindImage: an image that the scenario does not list is present.
func (e *engine) FindImage(_ context.Context, ref string) (pod.Image, bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	img := e.images[ref]
	if img == nil {
		return pod.Image{ID: "sha256:" + ref}, true, nil
	}
	user := img.User
	if img.Username != "" {
		user = img.Username
	} else if img.UID != nil {
		user = fmt.Sprint(*img.UID)
	}
	return pod.Image{ID: "sha256:" + ref, User: user}, orElse(img.Present, true), nil
}

// PullImage fails as often as the scenario says, then the image is present.
func (e *engine) PullImage(ctx context.Context, ref string) error {
	e.mu.Lock()
	img := e.images[ref]
	e.mu.Unlock()
	e.log.add(event{Event: "pull", Text: ref})
	if img == nil {
		return nil
	}
	if err := pause(ctx, secs(img.PullTakes)); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case len(img.Errors) > 0:
		text := img.Errors[0]
		img.Errors = img.Errors[1:]
		if text != "" {
			return errors.New(text)
		}
	case img.Fails > 0:
		img.Fails--
		return errors.New(img.PullError)
	case img.PullError != "":
		return errors.New(img.PullError)
	}
	yes := true
	img.Present = &yes
	return nil
}

// MissingImage: the scripted engine makes no images itself.
func (e *engine) MissingImage(string) string { return "" }
