package dockerpod

import (
	"archive/tar"
	"bytes"
	"context"
	"net/netip"
	"path"
	"slices"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/pod/fsgroup"
)

// fill writes the files of a created container, and sets owner and mode of its volumes.
func (r *Runtime) fill(ctx context.Context, id string, q pod.CreateRequest, spec engine.ContainerSpec, p plan) error {
	group := fsGroup(q.Pod)
	if err := r.setUpAll(ctx, id, spec, p.setup, group); err != nil {
		return err
	}
	if err := r.own(ctx, id, q.Pod, spec, p.claims); err != nil {
		return err
	}
	return r.copyAll(ctx, id, p.copies, group)
}

func (r *Runtime) copyAll(ctx context.Context, id string, copies []copying, group *int64) error {
	for _, c := range copies {
		if err := r.copyFiles(ctx, id, c, group); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runtime) copyFiles(ctx context.Context, id string, c copying, group *int64) error {
	dir := c.dir
	if dir == "" {
		dir = "/"
	}
	var d volumeDir = containerDir{eng: r.cfg.Engine, id: id, target: dir}
	if c.volume != "" {
		d = r.volumeDir(ctx, id, c.volume, dir)
	}
	defer d.close()
	return d.write(ctx, c.files, group)
}

// copyTo unpacks an archive below a directory, which is created if missing.
func copyTo(ctx context.Context, eng engine.Engine, id, dir string, data []byte) error {
	err := eng.CopyTo(ctx, id, dir, bytes.NewReader(data))
	if !engine.IsNotFound(err) {
		return err
	}
	if err := eng.CopyTo(ctx, id, "/", bytes.NewReader(directory(strings.Trim(dir, "/"), 0o755, nil))); err != nil {
		return err
	}
	return eng.CopyTo(ctx, id, dir, bytes.NewReader(data))
}

func fsGroup(p *corev1.Pod) *int64 {
	if p.Spec.SecurityContext == nil {
		return nil
	}
	return p.Spec.SecurityContext.FSGroup
}

// archive is files as a tar, their directories first. With a group they are group-owned and group-readable (R154).
func archive(files pod.Files, group *int64) []byte {
	var names []string
	dirs := map[string]bool{}
	for name := range files {
		names = append(names, name)
		for d := path.Dir(name); d != "." && d != "/"; d = path.Dir(d) {
			dirs[d] = true
		}
	}
	sort.Strings(names)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, d := range sorted(dirs) {
		_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: d + "/", Mode: 0o755, Gid: gid(group)})
	}
	for _, name := range names {
		f := files[name]
		_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: readable(int64(f.Mode), group), Size: int64(len(f.Data)), Gid: gid(group)})
		_, _ = w.Write(f.Data)
	}
	_ = w.Close()
	return b.Bytes()
}

// readable is the mode of a file of a pod with a group.
func readable(mode int64, group *int64) int64 {
	if group != nil {
		mode |= 0o440
	}
	return mode
}

func sorted(set map[string]bool) []string {
	var out []string
	for k := range set {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func gid(group *int64) int {
	if group == nil {
		return 0
	}
	return int(*group)
}

// directory is a tar with one directory in it.
func directory(name string, mode int64, group *int64) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode, Gid: gid(group)})
	_ = w.Close()
	return b.Bytes()
}

// setUp sets group and mode of a new volume, once: an emptyDir is writable for all and, in a pod with fsGroup, belongs to the group
// (R154); a claim or hostPath without an owner (its mount point is not in the image) is writable for all, as with the provisioners
// of single-node clusters. Claims of pods with fsGroup are left to own.
func (r *Runtime) setUp(ctx context.Context, d volumeDir, s setup, group *int64) error {
	root, err := newVolume(), error(nil)
	if !s.open {
		root, _, err = d.look(ctx)
	}
	if err != nil {
		return err
	}
	untouched := root.Uid == 0 && root.Gid == 0 && root.Mode&0o777 == 0o755
	mode, owner := root.Mode&0o777, root.Gid
	if s.open || untouched {
		mode = 0o777
	}
	if s.open && group != nil {
		mode, owner = mode|fsgroup.DirMode, int(*group)
	}
	if mode != root.Mode&0o7777 || owner != root.Gid {
		if err := d.setMode(ctx, root.Uid, owner, mode); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.fresh, s.volume)
	return nil
}

// setUpAll sets owner and mode of the container's new volumes.
func (r *Runtime) setUpAll(ctx context.Context, id string, spec engine.ContainerSpec, setups []setup, group *int64) error {
	r.mu.Lock()
	setups = slices.DeleteFunc(slices.Clone(setups), func(s setup) bool { return !r.fresh[s.volume] })
	r.mu.Unlock()
	twin := twin{eng: r.cfg.Engine, of: spec}
	defer twin.remove(ctx)
	for _, s := range setups {
		d := r.volumeDir(ctx, id, s.volume, s.target)
		if through, ok := d.(containerDir); ok && spec.ReadOnlyRootFS {
			if err := twin.create(ctx); err != nil {
				return err
			}
			through.id = twin.id
			d = through
		}
		err := r.setUp(ctx, d, s, group)
		d.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// twin is a second container with the mounts of one with a read-only root, into which Docker cannot copy. It is never started.
type twin struct {
	eng engine.Engine
	of  engine.ContainerSpec
	// id is "" until it is created.
	id string
}

func (t *twin) create(ctx context.Context) (err error) {
	if t.id != "" {
		return nil
	}
	spec := t.of
	spec.Name, spec.ReadOnlyRootFS = t.of.Name+"-setup", false
	spec.Network, spec.IP, spec.NetworkContainer, spec.PIDMode = "none", netip.Addr{}, "", ""
	t.id, err = t.eng.CreateContainer(ctx, spec)
	return err
}

func (t *twin) remove(ctx context.Context) {
	if t.id != "" {
		_ = t.eng.RemoveContainer(context.WithoutCancel(ctx), t.id)
	}
}

// RefreshFiles writes changed files of config volumes into a running container (R143). Files mounted by subPath are not updated. A
// file whose key was removed stays until the container's next start.
func (r *Runtime) RefreshFiles(ctx context.Context, p *corev1.Pod, c *corev1.Container, id string, files map[string]pod.Files) error {
	whole := slices.DeleteFunc(slices.Clone(c.VolumeMounts), func(m corev1.VolumeMount) bool { return m.SubPath != "" || m.SubPathExpr != "" })
	for _, m := range whole {
		if f, ok := files[m.Name]; ok {
			if err := r.copyAll(ctx, id, []copying{{dir: m.MountPath, files: f}}, fsGroup(p)); err != nil {
				return err
			}
		}
	}
	return nil
}
