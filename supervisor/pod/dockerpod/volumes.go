package dockerpod

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// ClaimVolume is the Docker volume of a claim. It belongs to the claim, not to a pod or profile, and is never removed here.
func ClaimVolume(project, claim string) string { return project + "_" + claim }

// ownVolume is the Docker volume of an emptyDir, which lives as long as the pod.
func (r *Runtime) ownVolume(p *corev1.Pod, name string) string {
	return fmt.Sprintf("%s_%s_%s", r.cfg.Project, p.Name, name)
}

// ensureVolumes makes the pod's volumes with their labels, before a container can make them without.
func (r *Runtime) ensureVolumes(ctx context.Context, p *corev1.Pod) error {
	for _, v := range p.Spec.Volumes {
		labels := map[string]string{
			services.ProjectLabel: r.cfg.Project, services.DirLabel: r.cfg.Dir, KindLabel: "volume",
			"com.docker.compose.project": r.cfg.Project, "com.docker.compose.volume": v.Name,
		}
		name := ""
		switch {
		case v.PersistentVolumeClaim != nil:
			name = ClaimVolume(r.cfg.Project, v.PersistentVolumeClaim.ClaimName)
			labels[ClaimLabel] = v.PersistentVolumeClaim.ClaimName
		case v.EmptyDir != nil && v.EmptyDir.Medium != corev1.StorageMediumMemory:
			name = r.ownVolume(p, v.Name)
			labels[UIDLabel], labels[PodLabel] = string(p.UID), p.Name
		case v.Ephemeral != nil:
			name = r.ownVolume(p, v.Name)
			labels[UIDLabel], labels[PodLabel] = string(p.UID), p.Name
		}
		if name == "" {
			continue
		}
		if err := r.cfg.Engine.CreateVolume(ctx, name, labels); err != nil {
			return err
		}
	}
	return nil
}

// removeVolumes removes the volumes that live as long as the pod.
func (r *Runtime) removeVolumes(ctx context.Context, p *corev1.Pod) error {
	list, err := r.cfg.Engine.ListVolumes(ctx, map[string]string{services.ProjectLabel: r.cfg.Project, UIDLabel: string(p.UID)})
	if err != nil {
		return err
	}
	var errs []error
	for _, v := range list {
		errs = append(errs, r.cfg.Engine.RemoveVolume(ctx, v.Name))
	}
	return errors.Join(errs...)
}

// mounts translates volumeMounts. Projected volumes (configMap, secret ...) are no mounts: their files are laid into the
// container before it starts.
func (r *Runtime) mounts(spec *engine.ContainerSpec, req pod.CreateRequest) error {
	for _, m := range req.Container.VolumeMounts {
		if _, projected := req.Volumes[m.Name]; projected {
			continue
		}
		v := findVolume(req.Pod, m.Name)
		if v == nil {
			return fmt.Errorf("cannot mount volume %q of container %s: the pod has none of that name", m.Name, req.Container.Name)
		}
		em, err := r.mount(req.Pod, v, m)
		if err != nil {
			return err
		}
		spec.Mounts = append(spec.Mounts, em)
	}
	return r.messageFile(spec, req.Container)
}

func (r *Runtime) mount(p *corev1.Pod, v *corev1.Volume, m corev1.VolumeMount) (engine.Mount, error) {
	em := engine.Mount{Target: m.MountPath, ReadOnly: m.ReadOnly, SubPath: m.SubPath}
	switch {
	case v.PersistentVolumeClaim != nil:
		em.Volume = ClaimVolume(r.cfg.Project, v.PersistentVolumeClaim.ClaimName)
	case v.Ephemeral != nil:
		em.Volume = r.ownVolume(p, v.Name)
	case v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory:
		em.Tmpfs = true
		if v.EmptyDir.SizeLimit != nil {
			em.TmpfsBytes = v.EmptyDir.SizeLimit.Value()
		}
	case v.EmptyDir != nil:
		em.Volume, em.NoCopy = r.ownVolume(p, v.Name), true
	case v.HostPath != nil:
		em.Bind, em.SubPath = path.Join(v.HostPath.Path, m.SubPath), ""
		if t := v.HostPath.Type; t != nil && *t == corev1.HostPathDirectoryOrCreate {
			if err := os.MkdirAll(em.Bind, 0o755); err != nil {
				return em, fmt.Errorf("cannot make host directory %s: %w", em.Bind, err)
			}
		}
	default:
		return em, fmt.Errorf("cannot mount volume %q: volumes of its kind are not supported", v.Name)
	}
	return em, nil
}

func findVolume(p *corev1.Pod, name string) *corev1.Volume {
	i := slices.IndexFunc(p.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == name })
	if i < 0 {
		return nil
	}
	return &p.Spec.Volumes[i]
}

// layFiles puts the files of projected volumes into a created container, and gives new volumes the owner that fsGroup
// asks for. One archive does all of it, in one call.
func (r *Runtime) layFiles(ctx context.Context, id string, req pod.CreateRequest) error {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, m := range req.Container.VolumeMounts {
		if files, projected := req.Volumes[m.Name]; projected {
			if err := writeFiles(w, req.Pod, m, files); err != nil {
				return err
			}
			continue
		}
		if v := findVolume(req.Pod, m.Name); v != nil && req.Attempt == 0 && m.SubPath == "" {
			if err := ownDirectory(w, req, v, m); err != nil {
				return err
			}
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("cannot pack the files of volumes: %w", err)
	}
	if buf.Len() <= 1024 { // nothing but the end mark
		return nil
	}
	return r.cfg.Engine.CopyTo(ctx, id, "/", &buf)
}

// writeFiles packs one projected volume: all its files below the mount path, or, with subPath, one file at it.
func writeFiles(w *tar.Writer, p *corev1.Pod, m corev1.VolumeMount, files pod.Files) error {
	group := 0
	if s := p.Spec.SecurityContext; s != nil && s.FSGroup != nil {
		group = int(*s.FSGroup)
	}
	base := strings.TrimPrefix(path.Clean(m.MountPath), "/")
	dirs := map[string]bool{}
	mkdir := func(dir string) error {
		if dirs[dir] {
			return nil
		}
		dirs[dir] = true
		return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, Gid: group, ModTime: time.Unix(0, 0)})
	}
	for _, name := range sortedNames(files) {
		f := files[name]
		target := path.Join(base, name)
		if m.SubPath != "" {
			rest, ok := strings.CutPrefix(name, strings.TrimSuffix(m.SubPath, "/"))
			if !ok || (rest != "" && !strings.HasPrefix(rest, "/")) {
				continue
			}
			target = path.Join(base, rest)
		} else if err := mkdir(path.Dir(target)); err != nil {
			return fmt.Errorf("cannot pack volume %s: %w", m.Name, err)
		}
		mode := int64(f.Mode)
		if group != 0 {
			mode |= 0o040 // fsGroup may read what the owner may
		}
		h := &tar.Header{Name: target, Mode: mode, Size: int64(len(f.Data)), Gid: group, ModTime: time.Unix(0, 0)}
		if err := w.WriteHeader(h); err != nil {
			return fmt.Errorf("cannot pack volume %s: %w", m.Name, err)
		}
		if _, err := w.Write(f.Data); err != nil {
			return fmt.Errorf("cannot pack volume %s: %w", m.Name, err)
		}
	}
	return nil
}

func sortedNames(files pod.Files) []string {
	var out []string
	for n := range files {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// ownDirectory packs the header of a volume's root directory, which sets its owner and mode: an emptyDir is everybody's,
// as in Kubernetes, and with fsGroup a volume is the group's (R154). Data below it is not touched.
func ownDirectory(w *tar.Writer, req pod.CreateRequest, v *corev1.Volume, m corev1.VolumeMount) error {
	h := &tar.Header{Typeflag: tar.TypeDir, Name: strings.TrimPrefix(path.Clean(m.MountPath), "/") + "/", ModTime: time.Now()}
	ps := req.Pod.Spec.SecurityContext
	switch {
	case v.EmptyDir != nil && v.EmptyDir.Medium != corev1.StorageMediumMemory:
		h.Mode = 0o777
	case v.PersistentVolumeClaim != nil && ps != nil && ps.FSGroup != nil, v.Ephemeral != nil:
		h.Mode = 0o775
	default:
		return nil
	}
	if ps != nil && ps.FSGroup != nil {
		h.Gid, h.Mode = int(*ps.FSGroup), h.Mode|0o2000
		if s := pod.SecurityOf(req.Pod, req.Container); s.RunAsUser != nil {
			h.Uid = int(*s.RunAsUser)
		}
	}
	return w.WriteHeader(h)
}
