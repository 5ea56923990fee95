package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/disk"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// diskRig is a fake engine with an instance "shop", whose directory exists, and "old", whose does not.
type diskRig struct {
	*enginefake.Engine
	t        *testing.T
	reg      *instance.Registry
	out, err bytes.Buffer
	answer   string
	tty      bool
}

func newDiskRig(t *testing.T, root string) *diskRig {
	r := &diskRig{Engine: enginefake.New(), t: t, reg: &instance.Registry{Root: filepath.Join(root, "state")}}
	shop, old := filepath.Join(root, "shop"), filepath.Join(root, "old")
	r.must(os.MkdirAll(shop, 0o700))
	for name, dir := range map[string]string{"shop": shop, "old": old} {
		i, err := r.reg.Resolve(t.Context(), name, dir, "")
		r.must(err)
		r.must(i.Save())
		r.must(os.WriteFile(i.LogFile(), []byte("a line\n"), 0o600))
		r.volume(name+"_data", name, dir, nil)
		r.AddImage(name+"-web:latest", built(name))
	}
	r.volume("shop_monday", "shop", shop, map[string]string{"dev.lyandev.snapshot": "monday", "dev.lyandev.kind": "snapshot"})
	r.volume("shop_test", "shop", shop, map[string]string{
		"dev.lyandev.snapshot": "test-1", "dev.lyandev.kind": "snapshot", "dev.lyandev.snapshot-prepared": "minimal",
	})
	r.must(r.CreateVolume(t.Context(), engine.VolumeSpec{Name: "somebody_data", Labels: map[string]string{services.DirLabel: old}}))
	r.AddImage("replaced:latest", built("shop"))
	r.AddImage("replaced:latest", built("shop")) // the first one has no tag any more
	r.AddImage("theirs:latest", enginefake.Image{})
	_, err := r.CreateContainer(t.Context(), engine.ContainerSpec{Name: "shop-web-1", Image: "shop-web:latest", Labels: map[string]string{services.ProjectLabel: "shop"}})
	r.must(err)
	r.SetBuildCache(5000)
	time.Sleep(time.Hour)
	return r
}

func built(project string) enginefake.Image {
	return enginefake.Image{Image: engine.Image{Size: 1000, Labels: map[string]string{build.FingerprintLabel: "f", services.ProjectLabel: project}}}
}

func (r *diskRig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *diskRig) volume(name, instance, dir string, labels map[string]string) {
	l := map[string]string{services.ProjectLabel: instance, services.DirLabel: dir}
	for k, v := range labels {
		l[k] = v
	}
	r.must(r.CreateVolume(r.t.Context(), engine.VolumeSpec{Name: name, Labels: l}))
}

func (r *diskRig) prune(o disk.Options, dryRun, yes bool) error {
	r.out.Reset()
	r.err.Reset()
	p := pruner{
		st:  &ui.Streams{In: strings.NewReader(r.answer), Out: &r.out, Err: &r.err, InTTY: r.tty, ErrTTY: r.tty},
		eng: r.Engine, reg: r.reg, options: o, dryRun: dryRun, yes: yes,
	}
	return p.run(r.t.Context())
}

// left are the images by tag, volumes and instances that are left.
func (r *diskRig) left() (out []string) {
	u, err := r.DiskUsage(r.t.Context())
	r.must(err)
	for _, i := range u.Images {
		if len(i.Tags) == 0 {
			out = append(out, "an image")
		}
		out = append(out, i.Tags...)
	}
	for _, v := range u.Volumes {
		out = append(out, v.Name)
	}
	all, err := r.reg.List()
	r.must(err)
	for _, i := range all {
		out = append(out, "state of "+i.Name)
	}
	slices.Sort(out)
	return out
}

func onDisk(t *testing.T, test func(t *testing.T, r *diskRig)) {
	t.Helper()
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) { test(t, newDiskRig(t, root)) })
}

func TestPruneRemovesOnlyWhatItMay(t *testing.T) {
	everything := []string{
		"an image", "old-web:latest", "old_data", "replaced:latest", "shop-web:latest", "shop_data", "shop_monday", "shop_test", "somebody_data",
		"state of old", "state of shop", "theirs:latest",
	}
	for _, c := range []struct {
		name string
		o    disk.Options
		gone []string
	}{
		{"by default", disk.Options{}, []string{"an image", "old-web:latest"}},
		{"all images", disk.Options{All: true}, []string{"an image", "old-web:latest", "replaced:latest"}},
		{"volumes", disk.Options{Volumes: true}, []string{"an image", "old-web:latest", "old_data", "state of old"}},
		{"snapshots", disk.Options{Snapshots: true}, []string{"an image", "old-web:latest", "shop_test"}},
	} {
		onDisk(t, func(t *testing.T, r *diskRig) {
			if err := r.prune(c.o, true, false); err != nil || !slices.Equal(r.left(), everything) {
				t.Fatalf("%s, a dry run: %v; left are %q", c.name, err, r.left())
			}
			if err := r.prune(c.o, false, true); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			want := slices.DeleteFunc(slices.Clone(everything), func(x string) bool { return slices.Contains(c.gone, x) })
			if got := r.left(); !slices.Equal(got, want) {
				t.Errorf("%s: left are %q, want %q\n%s", c.name, got, want, &r.err)
			}
		})
	}
}

func TestPruneAsks(t *testing.T) {
	onDisk(t, func(t *testing.T, r *diskRig) {
		before := r.left()
		if err := r.prune(disk.Options{}, false, false); err == nil || !strings.Contains(err.Error(), "there is no terminal; --yes removes it") {
			t.Errorf("without a terminal: %v", err)
		}
		r.tty, r.answer = true, "\n"
		if err := r.prune(disk.Options{}, false, false); err != nil || !strings.HasSuffix(r.err.String(), "[y/N] nothing was removed\n") {
			t.Errorf("%v\n%s", err, &r.err)
		}
		if !slices.Equal(r.left(), before) {
			t.Fatalf("left are %q", r.left())
		}
		r.answer = "y\n"
		if err := r.prune(disk.Options{BuildCache: true}, false, false); err != nil || !strings.HasSuffix(r.err.String(), "removed 3 of 3, 7kB freed\n") {
			t.Errorf("%v\n%s", err, &r.err)
		}
		if err := r.prune(disk.Options{}, false, false); err != nil || !strings.HasSuffix(r.err.String(), "there is nothing to remove\n") {
			t.Errorf("%v\n%s", err, &r.err)
		}
	})
}

// TestPruneLeavesARunningInstance: a supervisor that runs holds the lock.
func TestPruneLeavesARunningInstance(t *testing.T) {
	onDisk(t, func(t *testing.T, r *diskRig) {
		i, err := r.reg.Get("old")
		r.must(err)
		lock, err := i.Lock()
		r.must(err)
		defer lock.Release()
		if err := r.prune(disk.Options{Volumes: true}, false, true); err == nil || !slices.Contains(r.left(), "state of old") {
			t.Errorf("%v; left are %q", err, r.left())
		}
	})
}

func TestDf(t *testing.T) {
	onDisk(t, func(t *testing.T, r *diskRig) {
		f, err := diskFacts(t.Context(), r.Engine, r.reg, time.Now())
		r.must(err)
		var out bytes.Buffer
		r.must(dfOf(f, true).print(&out, output.Options{}))
		for _, want := range []string{"INSTANCE", "shop", "(gone)", "7B", "Build cache of the engine, of all builds: 5kB, 5kB of it not in use", "monday (shop_monday)", "old-web:latest"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q is not in\n%s", want, &out)
			}
		}
		if strings.Contains(out.String(), "somebody_data") || strings.Contains(out.String(), "theirs") {
			t.Errorf("what is not lyandev's is listed:\n%s", &out)
		}
	})
}
