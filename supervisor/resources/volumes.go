package resources

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
)

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
	return m.saveVolumes(taken)
}

// volume makes sure of one volume. ofCompose says that `docker compose up` made it for this project before.
func (m *Maker) volume(ctx context.Context, want *compose.Volume) (ofCompose bool, err error) {
	found, err := m.cfg.Engine.InspectVolume(ctx, want.Name)
	switch {
	case engine.IsNotFound(err) && want.External:
		return false, fmt.Errorf("%scannot start the stack: volume %s is external, and the engine has none of that name; create it with "+
			"`docker volume create %s`, or remove external: true from volumes.%s", prefixed(want.Source), want.Name, want.Name, want.Key)
	case engine.IsNotFound(err):
		return false, m.cfg.Engine.CreateVolume(ctx, engine.VolumeSpec{
			Name: want.Name, Driver: want.Driver, Options: want.DriverOpts, Labels: m.labels(want.Labels, composeVolume, want.Key),
		})
	case err != nil || want.External:
		return false, err
	}
	ours := found.Labels[services.ProjectLabel] == m.cfg.Instance.Name
	ofCompose = found.Labels[services.ProjectLabel] == "" && found.Labels[ComposeProject] == m.cfg.Instance.Name
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

// volumesFile is the file of the instance that lists the volumes that Docker Compose made and the instance has used.
const volumesFile = "compose-volumes.json"

// ComposeVolumes are the volumes that Docker Compose made for the project and the instance has used since: they go with those of
// the instance in `down --volumes`. They lack lyandev's labels, which a volume gets only when it is made.
func ComposeVolumes(i *instance.Instance) ([]string, error) {
	b, err := os.ReadFile(i.File(volumesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	if err == nil {
		err = json.Unmarshal(b, &names)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read which volumes of Docker Compose the stack has used: %w", err)
	}
	return names, nil
}

// saveVolumes adds to the list that ComposeVolumes returns.
func (m *Maker) saveVolumes(more []string) error {
	names, err := ComposeVolumes(m.cfg.Instance)
	if err != nil {
		return err
	}
	all := slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(names), more...))))
	if len(all) == len(names) {
		return nil
	}
	b, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return instance.WriteFile(m.cfg.Instance.File(volumesFile), b)
}
