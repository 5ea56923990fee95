package snapshot

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
)

// Restored is the result of a restore.
type Restored struct {
	Name   string      `json:"name"`
	Claims []Restoring `json:"claims"`
	Bytes  int64       `json:"bytes"`
	// Copying is how long the copies took, Stopped the downtime: how long services were stopped until they could start again.
	Copying time.Duration `json:"copying"`
	Stopped time.Duration `json:"stopped"`
}

// CheckVersions returns ErrIncompatible if a copy was written by a newer version than that of the stack's image.
func (c Config) CheckVersions(ctx context.Context, m *Meta, list []Restoring, sources []Source) error {
	var errs []error
	for _, r := range list {
		copied := m.Claim(r.From)
		if r.From == "" || copied == nil || copied.Version == "" {
			continue
		}
		for _, s := range sources {
			if s.Claim != r.Claim {
				continue
			}
			if same, err := c.sameImage(ctx, copied, s.Image); err != nil {
				return err
			} else if same {
				continue
			}
			have, err := ImageVersion(ctx, c.Engine, s.Image, copied.Product)
			if err != nil {
				return err
			}
			errs = append(errs, Compatible(r.Claim, copied.Product, copied.Version, have))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cannot restore %s: %w", m.Name, err)
	}
	return nil
}

// sameImage reports whether an image is the one whose server wrote a copy.
func (c Config) sameImage(ctx context.Context, copied *ClaimMeta, image string) (bool, error) {
	if copied.ImageID == "" {
		return false, nil
	}
	img, err := c.Engine.InspectImage(ctx, image)
	if engine.IsNotFound(err) {
		return false, nil
	}
	return err == nil && img.ID == copied.ImageID, err
}

// ImageVersion returns the version (major.minor) of the product in an image, "" if it is unknown. Official images set
// PRODUCT_VERSION in their environment; lyandev's own have the file /usr/share/lyandev/version.
func ImageVersion(ctx context.Context, eng engine.Engine, image, product string) (string, error) {
	img, err := eng.InspectImage(ctx, image)
	if engine.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, e := range img.Env {
		if v, ok := strings.CutPrefix(e, strings.ToUpper(product)+"_VERSION="); ok {
			if _, after, epoch := strings.Cut(v, ":"); epoch {
				v = after
			}
			return versionForm.FindString(v), nil
		}
	}
	id, err := eng.CreateContainer(ctx, engine.ContainerSpec{Image: image, Network: "none", Cmd: []string{"true"}})
	if err != nil {
		return "", err
	}
	defer func() { _ = eng.RemoveContainer(context.WithoutCancel(ctx), id) }()
	r, err := eng.CopyFrom(ctx, id, "/usr/share/lyandev/version")
	if err != nil {
		return "", nil // not one of lyandev's images
	}
	defer r.Close()
	t := tar.NewReader(r)
	if _, err := t.Next(); err != nil {
		return "", nil
	}
	b, err := io.ReadAll(io.LimitReader(t, 64))
	if err != nil {
		return "", fmt.Errorf("cannot read the version of image %s: %w", image, err)
	}
	return versionForm.FindString(strings.TrimSpace(string(b))), nil
}

// Existing returns list without the claims to be emptied whose volumes do not exist.
func (c Config) Existing(ctx context.Context, list []Restoring) ([]Restoring, error) {
	var out []Restoring
	for _, r := range list {
		has, err := c.hasVolume(ctx, r.Claim)
		if err != nil {
			return nil, err
		}
		if has || r.From != "" {
			out = append(out, r)
		}
	}
	return out, nil
}

// Restore fills and swaps volumes that no container is using, and blocks until that is done. An error before the swap leaves
// the volumes unchanged.
func (c Config) Restore(ctx context.Context, m *Meta, list []Restoring) (bytes int64, err error) {
	r, err := c.Begin(ctx, m, list)
	if err == nil {
		if bytes, err = r.Fill(ctx); err == nil {
			err = r.Swap(context.WithoutCancel(ctx))
		}
		err = errors.Join(err, r.Close(ctx))
	}
	if err != nil {
		return bytes, fmt.Errorf("cannot restore %s: %w", m.Name, err)
	}
	return bytes, nil
}

// Restoration is a restore in progress. No other save or restore of the project can start until Close.
type Restoration struct {
	c       Config
	list    []Restoring
	copier  copier
	release func()
}

// Begin prepares to replace the contents of volumes. It blocks while another save or restore of the project is in progress. m
// may be nil if only Swap or Abandon follows.
func (c Config) Begin(ctx context.Context, m *Meta, list []Restoring) (r *Restoration, err error) {
	release, err := c.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			release()
		}
	}()
	if _, err := c.removePorters(ctx); err != nil {
		return nil, err
	}
	var mounts []engine.Mount
	began, made := time.Now(), ""
	for i, r := range list {
		volume, isNew, err := c.ensureVolume(ctx, r.Claim)
		if err != nil {
			return nil, err
		}
		if isNew {
			made = volume
		}
		mounts = append(mounts, engine.Mount{Volume: volume, Target: at("dst", i), NoCopy: true})
		if m != nil && r.From != "" {
			mounts = append(mounts, engine.Mount{Volume: m.Claim(r.From).Volume, Target: at("src", i), ReadOnly: true, NoCopy: true})
		}
	}
	w, err := c.newCopier(ctx, "restore", mounts, c.sameHost(ctx, made, began))
	if err != nil {
		return nil, err
	}
	return &Restoration{c: c, list: list, copier: w, release: release}, nil
}

// Close ends the restore. Content that was filled and not swapped stays in the volume, unused.
func (r *Restoration) Close(ctx context.Context) error {
	defer r.release()
	return r.copier.remove(ctx)
}

// Fill copies the snapshot into the volumes, beside the current content, which stays in use: services may be running. After an
// error the volumes are unchanged.
func (r *Restoration) Fill(ctx context.Context) (bytes int64, err error) {
	err = r.each(ctx, func(i int, q Restoring) Request {
		f := Request{Do: "fill", Dst: at("dst", i), Sum: q.Sum, Lead: q.Lead}
		if q.From != "" {
			f.Src = at("src", i)
		}
		return f
	}, &bytes)
	if err != nil && ctx.Err() == nil {
		err = errors.Join(err, r.Abandon(ctx))
	}
	return bytes, err
}

// Swap replaces the current content by what Fill copied. No container may be using the volumes. It can be retried until it
// succeeds.
func (r *Restoration) Swap(ctx context.Context) error {
	return r.each(ctx, func(i int, _ Restoring) Request { return Request{Do: "swap", Dst: at("dst", i)} }, nil)
}

// Abandon deletes what Fill copied.
func (r *Restoration) Abandon(ctx context.Context) error {
	return r.each(ctx, func(i int, _ Restoring) Request { return Request{Do: "abandon", Dst: at("dst", i)} }, nil)
}

func (r *Restoration) each(ctx context.Context, request func(i int, q Restoring) Request, bytes *int64) error {
	for i, q := range r.list {
		done, err := r.copier.do(ctx, request(i, q))
		if err != nil {
			return fmt.Errorf("volume of claim %s: %w", q.Claim, err)
		}
		if bytes != nil {
			*bytes += done.Bytes
		}
	}
	return nil
}

// ensureVolume makes the volume of a claim, as its pods would, unless it exists. It returns its name and whether it made it.
func (c Config) ensureVolume(ctx context.Context, claim string) (name string, made bool, err error) {
	name, declared := c.claimVolume(claim), c.declared(claim)
	if has, err := c.hasVolume(ctx, claim); err != nil || has {
		return name, false, err
	}
	spec := engine.VolumeSpec{Name: name, Labels: dockerpod.ClaimLabels(declared, c.Project, c.Dir, claim)}
	if declared != nil {
		spec.Driver, spec.Options = declared.Driver, declared.DriverOpts
	}
	return name, true, c.Engine.CreateVolume(ctx, spec)
}
