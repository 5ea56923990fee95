package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/disk"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/selfimage"
	"github.com/lyandev/lyandev/supervisor/snapshot"
)

// diskEngine is an engine that tells of its disk.
type diskEngine interface {
	engine.Engine
	engine.Disk
}

// diskFacts reads what lyandev has on this machine: what carries its labels on the engine, and the instances of this user. Nothing is
// changed.
func diskFacts(ctx context.Context, eng diskEngine, reg *instance.Registry, now time.Time) (disk.Facts, error) {
	f := disk.Facts{Now: now}
	usage, err := eng.DiskUsage(ctx)
	if err != nil {
		return f, err
	}
	f.BuildCache, f.UnusedCache = usage.BuildCache, usage.UnusedCache
	all, err := reg.List()
	if err != nil {
		return f, err
	}
	for _, i := range all {
		f.Instances = append(f.Instances, diskInstance(i))
	}
	for _, i := range usage.Images {
		_, self := i.Labels[selfimage.HashLabel]
		if self || i.Labels[build.FingerprintLabel] != "" {
			f.Images = append(f.Images, disk.Image{
				ID: i.ID, Tags: realTags(i.Tags), Project: i.Labels[services.ProjectLabel], Self: self, Created: i.Created, Bytes: i.Unique,
			})
		}
	}
	for _, v := range usage.Volumes {
		if project := v.Labels[services.ProjectLabel]; project != "" {
			dir := v.Labels[services.DirLabel]
			f.Volumes = append(f.Volumes, disk.Volume{
				Name: v.Name, Instance: project, Dir: dir, DirGone: isGone(dir), Snapshot: v.Labels[snapshot.NameLabel],
				Prepared: snapshot.IsPrepared(v.Labels), Bytes: v.Bytes,
			})
		}
	}
	f.Containers, err = diskContainers(ctx, eng)
	return f, err
}

// realTags are an image's tags without Docker's word for none.
func realTags(tags []string) (out []string) {
	for _, t := range tags {
		if t != "<none>:<none>" {
			out = append(out, t)
		}
	}
	return out
}

// isGone reports whether a directory is known not to exist.
func isGone(dir string) bool {
	if dir == "" {
		return false
	}
	_, err := os.Stat(dir)
	return errors.Is(err, fs.ErrNotExist)
}

func diskInstance(i *instance.Instance) disk.Instance {
	out := disk.Instance{Name: i.Name, Project: i.Project, Dir: i.Dir, Gone: isGone(i.Dir)}
	_ = filepath.WalkDir(i.Home(), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // it may have been removed meanwhile
		}
		info, err := d.Info()
		switch {
		case err != nil || !info.Mode().IsRegular():
		case strings.HasPrefix(path, i.LogFile()):
			out.Logs += info.Size()
		default:
			out.State += info.Size()
		}
		return nil
	})
	if stack, err := supervisor.SavedStack(i); err == nil && stack != nil {
		out.Wants = stackImages(stack)
		for _, b := range stack.Builds {
			out.Wants = append(out.Wants, b.Image)
		}
	}
	return out
}

// diskContainers lists all containers, since any may use an image of lyandev; those of other tools belong to no instance.
func diskContainers(ctx context.Context, eng engine.Containers) ([]disk.Container, error) {
	list, err := eng.ListContainers(ctx, nil)
	if err != nil {
		return nil, err
	}
	var out []disk.Container
	for _, c := range list {
		x := disk.Container{Instance: c.Labels[services.ProjectLabel], ImageID: c.ImageID, Image: c.Image}
		for _, m := range c.Mounts {
			x.Volumes = append(x.Volumes, m.Volume)
		}
		if x.Instance != "" {
			x.Logs = logBytes(c.LogPath)
		}
		out = append(out, x)
	}
	return out, nil
}

// logBytes is the size of a container's log with its rotated files; 0 if this user may not see them.
func logBytes(path string) (n int64) {
	if path == "" {
		return 0
	}
	files, _ := filepath.Glob(path + "*")
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			n += info.Size()
		}
	}
	return n
}

// removeItem removes one thing that a plan names. An image that has come into use stays, which is no error.
func removeItem(ctx context.Context, eng diskEngine, reg *instance.Registry, x disk.Item) error {
	switch x.Kind {
	case disk.KindImage:
		return removeImage(ctx, eng, x)
	case disk.KindBuildCache:
		_, err := eng.PruneBuildCache(ctx)
		return err
	case disk.KindSnapshot:
		return snapshot.Config{Engine: eng, Project: x.Instance}.Discard(ctx, x.Name)
	case disk.KindVolume:
		return eng.RemoveVolume(ctx, x.Name)
	case disk.KindState:
		return removeState(reg, x.Name)
	}
	return fmt.Errorf("cannot remove %s %s: there is no such kind", x.Kind, x.Name)
}

// removeImage removes the tags of an image, and with the last one or without any the image.
func removeImage(ctx context.Context, eng engine.Images, x disk.Item) error {
	img, err := eng.InspectImage(ctx, x.ID)
	if engine.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if tags := realTags(img.Tags); len(tags) > 0 {
		for _, t := range tags {
			if err := eng.RemoveImage(ctx, t); err != nil {
				return err
			}
		}
		return nil
	}
	return eng.RemoveImage(ctx, x.ID)
}

// removeState removes the state directory of an instance, under its lock: no supervisor of it runs.
func removeState(reg *instance.Registry, name string) error {
	i, err := reg.Get(name)
	if err != nil || i == nil {
		return err
	}
	lock, err := i.Lock()
	if err != nil {
		return err
	}
	defer lock.Release()
	return i.Remove()
}
