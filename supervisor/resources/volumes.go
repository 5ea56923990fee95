package resources

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// claimLabel is on volumes that lyandev made for a claim: the claim's name.
const claimLabel = "dev.lyandev.claim"

// NameVolumes gives each volume of a stack that may have two names in Docker the one that it has. If there are both, or none, that
// is its first; its data are then where the file says. What it decides against the file is said, once by each Maker.
func (m *Maker) NameVolumes(ctx context.Context, stack *services.Stack) error {
	for _, v := range stack.Volumes {
		if v.Else == "" || v.Name == v.Else {
			continue
		}
		name, other := compose.Named(v.Name, m.cfg.Instance.Name), compose.Named(v.Else, m.cfg.Instance.Name)
		old, err := m.cfg.Engine.InspectVolume(ctx, other)
		if engine.IsNotFound(err) || err == nil && !m.standsFor(v, old) {
			continue
		}
		if err != nil {
			return err
		}
		_, err = m.cfg.Engine.InspectVolume(ctx, name)
		switch {
		case engine.IsNotFound(err) && !v.External:
			m.noteOnce("VolumeKept", fmt.Sprintf("%svolume %s has the data of volumes.%s and is used in the place of %s, which does not exist",
				prefixed(v.Source), other, v.Key, name))
			if err := stack.UseVolumeName(v, v.Else); err != nil {
				return err
			}
		case err != nil && !engine.IsNotFound(err):
			return err
		case v.Claim != "" && old.Labels[claimLabel] == v.Claim:
			m.noteOnce("VolumeLeft", fmt.Sprintf("%svolumes.%s is the volume %s; volume %s, which earlier versions of lyandev used for pods of "+
				"Kubernetes' semantics, is there too and is not used any more: copy what you need of it, then delete it with `docker volume rm %s`",
				prefixed(v.Source), v.Key, name, other, other))
		}
	}
	return nil
}

// standsFor reports whether a volume with the other name of v was made for the same data: by a pod for its claim or, if v is the claim
// of a StatefulSet's pod, for the volume of the file.
func (m *Maker) standsFor(v *compose.Volume, old engine.Volume) bool {
	ofClaim := v.Name == compose.Project+"_"+v.Claim
	return old.Labels[ComposeProject] == m.cfg.Instance.Name &&
		(ofClaim || old.Labels[claimLabel] == strings.TrimPrefix(v.Else, compose.Project+"_"))
}

// noteOnce notes what has not been noted before.
func (m *Maker) noteOnce(reason, message string) {
	if _, told := m.told.LoadOrStore(message, true); !told {
		m.cfg.Note(reason, message)
	}
}

// volumes makes sure of a stack's volumes.
func (m *Maker) volumes(ctx context.Context, list []*compose.Volume) error {
	var taken []string
	for _, v := range list {
		want := v.DeepCopy()
		want.Name = compose.Named(v.Name, m.cfg.Instance.Name)
		ofCompose, err := m.volume(ctx, want)
		if err != nil {
			return err
		}
		if ofCompose {
			taken = append(taken, want.Name)
		}
	}
	return m.saveUsed(volumesFile, taken...)
}

// volume makes sure of one volume. ofCompose says that `docker compose up` made it for this project before.
func (m *Maker) volume(ctx context.Context, want *compose.Volume) (ofCompose bool, err error) {
	found, err := m.cfg.Engine.InspectVolume(ctx, want.Name)
	switch {
	case engine.IsNotFound(err) && want.External:
		return false, fmt.Errorf("%scannot start the stack: volume %s is external, and the engine has none of that name; create it with "+
			"`docker volume create %s`, or remove external: true from volumes.%s", prefixed(want.Source), want.Name, want.Name, want.Key)
	case engine.IsNotFound(err) && want.OnDemand:
		return false, nil
	case engine.IsNotFound(err):
		return false, m.cfg.Engine.CreateVolume(ctx, engine.VolumeSpec{
			Name: want.Name, Driver: want.Driver, Options: want.DriverOpts, Labels: m.labels(want.Labels, composeVolume, want.Key),
		})
	case err != nil || want.External:
		return false, err
	}
	ours := found.Labels[services.ProjectLabel] == m.cfg.Instance.Name
	ofCompose = m.ofCompose(found.Labels)
	if !ours && !ofCompose {
		m.cfg.Note(noteVolumeOfOthers, fmt.Sprintf("%svolume %s was not made for this project; it is used as it is, and never removed: "+
			"say external: true in volumes.%s if that is meant", prefixed(want.Source), want.Name, want.Key))
	}
	if differs := volumeDiffers(want, found); len(differs) > 0 {
		m.cfg.Note(noteVolumeDiffers, fmt.Sprintf("%svolume %s is not as the file says (%s) and is used as it is, with its data; to make it "+
			"anew, delete it first (`docker volume rm %s` while nothing uses it)", prefixed(want.Source), want.Name, strings.Join(differs, ", "), want.Name))
	}
	return ofCompose, nil
}

// volumeDiffers says, one part each, in what a volume is not as the file says.
func volumeDiffers(want *compose.Volume, is engine.Volume) (out []string) {
	if driver := cmp.Or(want.Driver, "local"); is.Driver != driver {
		out = append(out, fmt.Sprintf("driver is %s instead of %s", is.Driver, driver))
	}
	keys := map[string]string{}
	maps.Copy(keys, is.Options)
	maps.Copy(keys, want.DriverOpts)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if is.Options[k] != want.DriverOpts[k] {
			out = append(out, fmt.Sprintf("driver option %s is %q instead of %q", k, is.Options[k], want.DriverOpts[k]))
		}
	}
	return out
}
