package resources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
)

// The files of an instance that list what Docker Compose made for the project and the instance has used since. Volumes and networks get
// lyandev's labels only when they are made.
const (
	volumesFile  = "compose-volumes.json"
	networksFile = "compose-networks.json"
)

// ComposeVolumes are the volumes that Docker Compose made for the project and the instance has used since: they go with those of
// the instance in `down --volumes`.
func ComposeVolumes(i *instance.Instance) ([]string, error) { return usedOf(i, volumesFile) }

// RemoveNetworks removes the networks that Docker Compose made for the project and the instance has used since, as `docker compose down`
// does. One that a container still uses, running or not, stays.
func (m *Maker) RemoveNetworks(ctx context.Context) error {
	names, err := usedOf(m.cfg.Instance, networksFile)
	if err != nil || len(names) == 0 {
		return err
	}
	var errs []error
	for _, name := range names {
		n, err := m.cfg.Engine.InspectNetwork(ctx, name)
		if engine.IsNotFound(err) {
			continue
		}
		var users []string
		if err == nil {
			users, err = m.users(ctx, n)
		}
		if err == nil && len(users) == 0 && m.ofCompose(n.Labels) {
			err = m.cfg.Engine.RemoveNetwork(ctx, n.ID)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return os.Remove(m.cfg.Instance.File(networksFile))
}

// ofCompose says that Docker Compose, not lyandev, made a thing with these labels for the project.
func (m *Maker) ofCompose(labels map[string]string) bool {
	return labels[services.ProjectLabel] == "" && labels[ComposeProject] == m.cfg.Instance.Name
}

func usedOf(i *instance.Instance, file string) ([]string, error) {
	b, err := os.ReadFile(i.File(file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	if err == nil {
		err = json.Unmarshal(b, &names)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read what of Docker Compose the stack has used: %w", err)
	}
	return names, nil
}

// saveUsed adds names to one of the files.
func (m *Maker) saveUsed(file string, more ...string) error {
	names, err := usedOf(m.cfg.Instance, file)
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
	return instance.WriteFile(m.cfg.Instance.File(file), b)
}
