package dockerpod

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// plan is what a container's volume mounts come to.
type plan struct {
	mounts  []engine.Mount
	volumes []volume
	// copies are the files to copy into the container.
	copies []copying
	// setup are the mount points of volumes whose owner and mode are set when they are new.
	setup []setup
	// claims are the mounted claims that the pod's fsGroup applies to.
	claims []claimed
}

type volume struct {
	name   string
	labels map[string]string
	// declared is what the Compose file says of it, nil if it is not in the file.
	declared *compose.Volume
}

// copying is a set of files below an absolute directory.
type copying struct {
	dir   string
	files pod.Files
	// volume is the volume whose root dir is, "" for a place in the container's own layer.
	volume string
}

type setup struct {
	volume, target string
	// open makes the volume writable for all and gives it to the pod's fsGroup, as an emptyDir.
	open bool
}

// mounts plans the mounts of a container. It does no I/O.
func (r *Runtime) mounts(q pod.CreateRequest) (plan, error) {
	var out plan
	for _, m := range q.Container.VolumeMounts {
		i := slices.IndexFunc(q.Pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
		if i < 0 {
			return out, fmt.Errorf("cannot mount volume %q in container %s: the pod has no volume of that name", m.Name, q.Container.Name)
		}
		v := &q.Pod.Spec.Volumes[i]
		if files, ok := q.Volumes[v.Name]; ok {
			r.filesMount(&out, q.Pod, v, m, files)
		} else if err := r.volumeMount(&out, q.Pod, v, m); err != nil {
			return out, err
		}
	}
	return out, nil
}

// filesMount is a configMap, secret, downwardAPI or projected volume. As a whole it is a volume of its own, named by its
// contents, so that what the image has at that place is hidden and a later version never mixes with an older one.
func (r *Runtime) filesMount(out *plan, p *corev1.Pod, v *corev1.Volume, m corev1.VolumeMount, files pod.Files) {
	if m.SubPath != "" {
		dir, picked := subFiles(files, m)
		out.copies = append(out.copies, copying{dir: dir, files: picked})
		return
	}
	name := fit(fmt.Sprintf("%s_%s_%s_%s", r.cfg.Project, p.Name, v.Name, hash(files)))
	out.volumes = append(out.volumes, volume{name: name, labels: r.podVolumeLabels(p)})
	out.mounts = append(out.mounts, engine.Mount{Volume: name, Target: m.MountPath, NoCopy: true})
	out.copies = append(out.copies, copying{dir: m.MountPath, files: files, volume: name})
}

// subFiles is the file, or the directory of files, that a subPath picks, and where it goes.
func subFiles(files pod.Files, m corev1.VolumeMount) (dir string, picked pod.Files) {
	target := strings.TrimRight(m.MountPath, "/")
	sub := strings.Trim(m.SubPath, "/")
	if f, ok := files[sub]; ok {
		at := strings.LastIndexByte(target, '/')
		return target[:at+1], pod.Files{target[at+1:]: f}
	}
	picked = pod.Files{}
	for path, f := range files {
		if rest, ok := strings.CutPrefix(path, sub+"/"); ok {
			picked[rest] = f
		}
	}
	return target, picked
}

// volumeMount is a volume of any other kind.
func (r *Runtime) volumeMount(out *plan, p *corev1.Pod, v *corev1.Volume, m corev1.VolumeMount) error {
	mount := engine.Mount{Target: m.MountPath, ReadOnly: m.ReadOnly}
	sub := strings.Trim(m.SubPath, "/")
	if special(p, v, sub, &mount) {
		out.mounts = append(out.mounts, mount)
		return nil
	}
	var vol volume
	open, grouped := false, false
	switch {
	case v.PersistentVolumeClaim != nil:
		vol = r.claim(v.PersistentVolumeClaim.ClaimName)
		grouped = fsGroup(p) != nil && !v.PersistentVolumeClaim.ReadOnly
		mount.ReadOnly = mount.ReadOnly || v.PersistentVolumeClaim.ReadOnly
	case v.HostPath != nil:
		vol = volume{name: fit(r.cfg.Project + "_host_" + fit(v.HostPath.Path)), labels: r.volumeLabels(KindHostPath, HostPathLabel, v.HostPath.Path)}
	case v.EmptyDir != nil, v.Ephemeral != nil:
		vol = volume{name: fit(fmt.Sprintf("%s_%s_%s", r.cfg.Project, p.Name, v.Name)), labels: r.podVolumeLabels(p)}
		open, mount.NoCopy = true, true
	default:
		return fmt.Errorf("cannot mount volume %q: volumes of its kind are not supported on Docker", v.Name)
	}
	if sub != "" {
		vol.name, vol.declared = fit(vol.name+"."+fit(sub)), nil
	}
	mount.Volume = vol.name
	out.volumes = append(out.volumes, vol)
	out.mounts = append(out.mounts, mount)
	switch {
	case grouped:
		out.claims = append(out.claims, claimed{v.Name, vol.name, m.MountPath, mount.ReadOnly})
	case !mount.ReadOnly:
		out.setup = append(out.setup, setup{vol.name, m.MountPath, open})
	}
	return nil
}

// special makes the mounts that are no Docker volumes: bind mounts, and memory that one container has for itself.
func special(p *corev1.Pod, v *corev1.Volume, sub string, mount *engine.Mount) bool {
	switch {
	case v.HostPath != nil && binds(p, v.Name):
		mount.Bind = strings.TrimRight(v.HostPath.Path+"/"+sub, "/")
		return true
	case v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory && users(p, v.Name) == 1 && sub == "":
		mount.Tmpfs, mount.TmpfsGroup = true, fsGroup(p)
		if v.EmptyDir.SizeLimit != nil {
			mount.TmpfsBytes = v.EmptyDir.SizeLimit.Value()
		}
		return true
	}
	return false
}

// claim is the Docker volume of a claim. It belongs to the claim, not to a pod or a profile.
func (r *Runtime) claim(claim string) volume {
	var declared *compose.Volume
	if r.cfg.Volume != nil {
		declared = r.cfg.Volume(claim)
	}
	return volume{name: ClaimVolume(declared, r.cfg.Project, claim), labels: ClaimLabels(declared, r.cfg.Project, r.cfg.Dir, claim), declared: declared}
}

// ClaimVolume is the name of the Docker volume of a claim; declared is the volume of the Compose file that the claim stands for, nil
// if there is none.
func ClaimVolume(declared *compose.Volume, project, claim string) string {
	if declared != nil {
		return compose.Named(declared.Name, project)
	}
	return fit(project + "_" + claim)
}

// ClaimLabels are the labels of the Docker volume of a claim: those of the file, ours, and those of Docker Compose.
func ClaimLabels(declared *compose.Volume, project, dir, claim string) map[string]string {
	l := map[string]string{}
	key := claim
	if declared != nil {
		maps.Copy(l, declared.Labels)
		key = declared.Key
	}
	maps.Copy(l, map[string]string{
		services.ProjectLabel: project, services.DirLabel: dir, services.KindLabel: KindClaim, ClaimLabel: claim,
		"com.docker.compose.project": project, "com.docker.compose.volume": key, "com.docker.compose.version": "lyandev",
	})
	return l
}

// binds says that a hostPath volume is a bind mount.
func binds(p *corev1.Pod, name string) bool {
	return slices.ContainsFunc(strings.Split(p.Annotations[pod.BindAnnotation], ","), func(s string) bool {
		return strings.TrimSpace(s) == name
	})
}

// users counts the containers that mount a volume.
func users(p *corev1.Pod, name string) int {
	n := 0
	for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range list {
			if slices.ContainsFunc(list[i].VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == name }) {
				n++
			}
		}
	}
	return n
}

func (r *Runtime) volumeLabels(kind, key, value string) map[string]string {
	return map[string]string{
		services.ProjectLabel: r.cfg.Project, services.DirLabel: r.cfg.Dir, services.KindLabel: kind, key: value,
		"com.docker.compose.project": r.cfg.Project,
	}
}

func (r *Runtime) podVolumeLabels(p *corev1.Pod) map[string]string {
	l := r.volumeLabels(KindPodVolume, services.PodUIDLabel, string(p.UID))
	l[services.PodLabel] = p.Name
	return l
}

// makeVolume makes a volume or finds it, and remembers that a new one has to be set up. A volume of that name that is
// not the project's is never used.
func (r *Runtime) makeVolume(ctx context.Context, v volume) error {
	if v.declared != nil {
		return r.makeDeclared(ctx, v)
	}
	have, err := r.cfg.Engine.ListVolumes(ctx, map[string]string{services.ProjectLabel: ""})
	if err != nil {
		return err
	}
	for _, h := range have {
		if h.Name != v.name {
			continue
		}
		if owner := h.Labels[services.ProjectLabel]; owner != r.cfg.Project {
			return fmt.Errorf("cannot use volume %s: it belongs to project %s; rename one of them", v.name, owner)
		}
		return nil
	}
	return r.createVolume(ctx, engine.VolumeSpec{Name: v.name, Labels: v.labels})
}

// makeDeclared makes a volume of the Compose file, or finds it; one that somebody else made is used as it is, as under Docker Compose.
func (r *Runtime) makeDeclared(ctx context.Context, v volume) error {
	_, err := r.cfg.Engine.InspectVolume(ctx, v.name)
	switch {
	case engine.IsNotFound(err) && v.declared.External:
		return fmt.Errorf("cannot use volume %s: it is external, and the engine has none of that name; create it with `docker volume create %s`", v.name, v.name)
	case engine.IsNotFound(err):
		return r.createVolume(ctx, engine.VolumeSpec{Name: v.name, Labels: v.labels, Driver: v.declared.Driver, Options: v.declared.DriverOpts})
	}
	return err
}

// createVolume makes a volume, and remembers that it has to be set up.
func (r *Runtime) createVolume(ctx context.Context, spec engine.VolumeSpec) error {
	if err := r.cfg.Engine.CreateVolume(ctx, spec); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fresh[spec.Name] = true
	return nil
}

// hasLeft says that a container was taken out of its pod, which goes on.
func (r *Runtime) hasLeft(ctx context.Context, p *corev1.Pod, id string) bool {
	if p == nil || p.DeletionTimestamp != nil || !pod.NeedsSandbox(p) {
		return false
	}
	c, err := r.cfg.Engine.InspectContainer(ctx, id)
	if err != nil || c.Labels[services.ContainerLabel] == "" {
		return false
	}
	return !slices.ContainsFunc(slices.Concat(p.Spec.Containers, p.Spec.InitContainers), func(o corev1.Container) bool {
		return o.Name == c.Labels[services.ContainerLabel]
	})
}

// removeUnused removes the pod's own volumes that are no longer in its spec, so that a container that is added again starts with
// empty ones. A volume that cannot be removed is removed with the pod.
func (r *Runtime) removeUnused(ctx context.Context, p *corev1.Pod) {
	vols, err := r.cfg.Engine.ListVolumes(ctx, map[string]string{
		services.ProjectLabel: r.cfg.Project, services.KindLabel: KindPodVolume, services.PodUIDLabel: string(p.UID),
	})
	if err != nil {
		return
	}
	for _, v := range vols {
		used := slices.ContainsFunc(p.Spec.Volumes, func(s corev1.Volume) bool {
			name := fit(fmt.Sprintf("%s_%s_%s", r.cfg.Project, p.Name, s.Name))
			return v.Name == name || strings.HasPrefix(v.Name, name+"_") || strings.HasPrefix(v.Name, name+".")
		})
		if !used {
			_ = r.cfg.Engine.RemoveVolume(ctx, v.Name)
		}
	}
}
