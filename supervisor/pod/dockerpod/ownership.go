package dockerpod

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/pod/composepod"
	"github.com/lyandev/lyandev/supervisor/pod/fsgroup"
)

// claimed is a mounted claim, whose volume the pod's fsGroup applies to.
type claimed struct {
	// name is that of the pod's volume, volume that of the Docker volume.
	name, volume, target string
	readOnly             bool
}

// podKey is what identifies a pod; a one-off container has no UID.
func podKey(p *corev1.Pod) string { return string(p.UID) + " " + p.Name }

// own gives the claims of a created container to the pod's fsGroup, with all files that are in them, as the kubelet does at every mount
// (R154). It is done once for each volume and sandbox of a pod. The container is created already, because that is when Docker
// fills an empty volume from the image. An error is a *pod.MountError.
//
// An empty volume is done at once, as is one that this process can reach, and with fsGroupChangePolicy OnRootMismatch one whose root is
// right is left alone; for all others a helper container runs. Volumes of drivers and devices, such as NFS and directories of the host, are left alone: they stand for
// kinds of volumes whose owners Kubernetes does not manage.
func (r *Runtime) own(ctx context.Context, id string, p *corev1.Pod, spec engine.ContainerSpec, claims []claimed) error {
	group := fsGroup(p)
	if group == nil {
		return nil
	}
	var helped []claimed
	for _, c := range r.notOwned(p, claims) {
		d := r.volumeDir(ctx, id, c.volume, c.target)
		help, err := r.ownRoot(ctx, d, p, spec, c)
		d.close()
		if err != nil {
			return mountError(c.name, err)
		}
		if help {
			helped = append(helped, c)
		}
	}
	if len(helped) > 0 {
		if err := r.ownFiles(ctx, p, *group, helped); err != nil {
			return mountError(helped[0].name, err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	done := r.owned[podKey(p)]
	if done == nil {
		done = map[string]bool{}
		r.owned[podKey(p)] = done
	}
	for _, c := range claims {
		done[c.volume] = true
		delete(r.fresh, c.volume)
	}
	return nil
}

func mountError(volume string, err error) error {
	return &pod.MountError{Volume: volume, Err: fmt.Errorf("cannot apply fsGroup: %w", err)}
}

// notOwned are the claims that have not been given to the pod's group since its sandbox was made, each volume once.
func (r *Runtime) notOwned(p *corev1.Pod, claims []claimed) []claimed {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []claimed
	seen := map[string]bool{}
	for _, c := range claims {
		if !seen[c.volume] && !r.owned[podKey(p)][c.volume] {
			out = append(out, c)
		}
		seen[c.volume] = true
	}
	return out
}

// ownRoot does what can be done without a helper container; help is false if that is all.
func (r *Runtime) ownRoot(ctx context.Context, d volumeDir, p *corev1.Pod, spec engine.ContainerSpec, c claimed) (help bool, err error) {
	v, err := r.cfg.Engine.InspectVolume(ctx, c.volume)
	if err != nil || !managed(&v) {
		return false, err
	}
	root, empty, err := d.look(ctx)
	if err != nil {
		return false, err
	}
	group := int(*fsGroup(p))
	policy := p.Spec.SecurityContext.FSGroupChangePolicy
	if policy != nil && *policy == corev1.FSGroupChangeOnRootMismatch && fsgroup.Matches(root.Gid, root.Mode, int64(group)) {
		return false, nil
	}
	if done, err := d.own(group); done || err != nil {
		return false, err
	}
	if !empty || c.readOnly || spec.ReadOnlyRootFS {
		return true, nil
	}
	return false, d.setMode(ctx, root.Uid, group, groupMode(root.Mode))
}

// managed reports whether fsGroup applies to a volume.
func managed(v *engine.Volume) bool {
	return v.Driver == "local" && (v.Options["device"] == "" || v.Options["type"] == "tmpfs")
}

// peek looks at the root of a volume in a container, and whether anything is below it.
func peek(ctx context.Context, eng engine.Engine, id, target string) (root *tar.Header, empty bool, err error) {
	rc, err := eng.CopyFrom(ctx, id, target)
	if err != nil {
		return nil, false, err
	}
	defer rc.Close()
	t := tar.NewReader(rc)
	if root, err = t.Next(); err == nil {
		_, err = t.Next()
		if empty = errors.Is(err, io.EOF); empty {
			err = nil
		}
	}
	if err != nil {
		return nil, false, fmt.Errorf("cannot examine %s in the container: %w", target, err)
	}
	return root, empty, nil
}

// ownerCaps are what it takes to give away files of others, and to search their directories.
var ownerCaps = []string{"CHOWN", "FOWNER", "FSETID", "DAC_OVERRIDE"}

// ownFiles gives volumes to a group in a helper container, and blocks until it has ended.
func (r *Runtime) ownFiles(ctx context.Context, p *corev1.Pod, group int64, claims []claimed) error {
	image, err := r.cfg.SandboxImage(ctx)
	if err != nil {
		return err
	}
	spec := engine.ContainerSpec{
		Name: fit(r.cfg.Project + "-" + p.Name + "-fsgroup"), Image: image, Cmd: []string{fsgroup.Command, strconv.FormatInt(group, 10)}, User: "0:0",
		Network: "none", CapDrop: []string{"ALL"}, CapAdd: ownerCaps, ReadOnlyRootFS: true, SecurityOpt: []string{"no-new-privileges"},
		Labels: map[string]string{
			services.ProjectLabel: r.cfg.Project, services.DirLabel: r.cfg.Dir, services.KindLabel: KindOwner, services.PodLabel: p.Name,
			"com.docker.compose.project": r.cfg.Project, "com.docker.compose.oneoff": "True",
		},
	}
	names := make([]string, 0, len(claims))
	for _, c := range claims {
		target := "/volumes/" + c.volume
		spec.Mounts = append(spec.Mounts, engine.Mount{Volume: c.volume, Target: target, NoCopy: true})
		spec.Cmd = append(spec.Cmd, target)
		names = append(names, c.volume)
	}
	id, err := r.cfg.Engine.CreateContainer(ctx, spec)
	if engine.IsConflict(err) { // of a supervisor that was killed meanwhile
		if err := r.cfg.Engine.RemoveContainer(ctx, spec.Name); err != nil {
			return err
		}
		id, err = r.cfg.Engine.CreateContainer(ctx, spec)
	}
	if err != nil {
		return err
	}
	defer func() { _ = r.cfg.Engine.RemoveContainer(context.WithoutCancel(ctx), id) }() // else the next start of the pod removes it
	return composepod.RunToEnd(ctx, r.cfg.Engine, id, fmt.Sprintf("container %s, which gives %s to group %d,", spec.Name, strings.Join(names, " and "), group))
}

// disown forgets which volumes of a pod were given to its group: it gets a new sandbox, or is gone.
func (r *Runtime) disown(p *corev1.Pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.owned, podKey(p))
}
