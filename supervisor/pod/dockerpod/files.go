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
		dir := c.dir
		if dir == "" {
			dir = "/"
		}
		if err := r.copyTo(ctx, id, dir, archive(c.files, group)); err != nil {
			return err
		}
	}
	return nil
}

// copyTo unpacks an archive below a directory, which is created if missing.
func (r *Runtime) copyTo(ctx context.Context, id, dir string, data []byte) error {
	err := r.cfg.Engine.CopyTo(ctx, id, dir, bytes.NewReader(data))
	if !engine.IsNotFound(err) {
		return err
	}
	if err := r.cfg.Engine.CopyTo(ctx, id, "/", bytes.NewReader(directory(strings.Trim(dir, "/"), 0o755, nil))); err != nil {
		return err
	}
	return r.cfg.Engine.CopyTo(ctx, id, dir, bytes.NewReader(data))
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
		mode := int64(f.Mode)
		if group != nil {
			mode |= 0o440
		}
		_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(f.Data)), Gid: gid(group)})
		_, _ = w.Write(f.Data)
	}
	_ = w.Close()
	return b.Bytes()
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
func (r *Runtime) setUp(ctx context.Context, id string, s setup, group *int64) error {
	root, err := engine.Stat(ctx, r.cfg.Engine, id, s.target)
	if err != nil {
		return err
	}
	untouched := root.Uid == 0 && root.Gid == 0 && root.Mode&0o777 == 0o755
	mode, owner := root.Mode&0o777, int64(root.Gid)
	if s.open || untouched {
		mode = 0o777
	}
	if s.open && group != nil {
		mode, owner = mode|fsgroup.DirMode, *group
	}
	if mode != root.Mode&0o7777 || owner != int64(root.Gid) {
		if err := r.chmod(ctx, id, s.target, root.Uid, mode, &owner); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.fresh, s.volume)
	return nil
}

// chmod sets owner and mode of a directory: an archive that is unpacked over it carries them. It goes into the parent,
// since Docker ignores an archive's "./" (20.10).
func (r *Runtime) chmod(ctx context.Context, id, target string, uid int, mode int64, group *int64) error {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: path.Base(target) + "/", Mode: mode, Uid: uid, Gid: gid(group)})
	_ = w.Close()
	return r.cfg.Engine.CopyTo(ctx, id, path.Dir(target), &b)
}

// setUpAll sets owner and mode of the container's new volumes. Docker cannot copy into a container with a read-only root; for
// these it uses a second container with the same mounts, which is never started.
func (r *Runtime) setUpAll(ctx context.Context, id string, spec engine.ContainerSpec, setups []setup, group *int64) error {
	r.mu.Lock()
	setups = slices.DeleteFunc(slices.Clone(setups), func(s setup) bool { return !r.fresh[s.volume] })
	r.mu.Unlock()
	if len(setups) == 0 {
		return nil
	}
	if spec.ReadOnlyRootFS {
		twin := spec
		twin.Name, twin.ReadOnlyRootFS = spec.Name+"-setup", false
		twin.Network, twin.IP, twin.NetworkContainer, twin.PIDMode = "none", netip.Addr{}, "", ""
		twinID, err := r.cfg.Engine.CreateContainer(ctx, twin)
		if err != nil {
			return err
		}
		defer func() { _ = r.cfg.Engine.RemoveContainer(context.WithoutCancel(ctx), twinID) }()
		id = twinID
	}
	for _, s := range setups {
		if err := r.setUp(ctx, id, s, group); err != nil {
			return err
		}
	}
	return nil
}

// RefreshFiles writes changed files of config volumes into a running container (R143). Files mounted by subPath are not updated. A
// file whose key was removed stays until the container's next start.
func (r *Runtime) RefreshFiles(ctx context.Context, p *corev1.Pod, c *corev1.Container, id string, files map[string]pod.Files) error {
	whole := slices.DeleteFunc(slices.Clone(c.VolumeMounts), func(m corev1.VolumeMount) bool { return m.SubPath != "" || m.SubPathExpr != "" })
	for _, m := range whole {
		if f, ok := files[m.Name]; ok {
			if err := r.copyAll(ctx, id, []copying{{m.MountPath, f}}, fsGroup(p)); err != nil {
				return err
			}
		}
	}
	return nil
}
