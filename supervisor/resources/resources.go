// Package resources makes sure of the Docker networks and volumes of plain Compose services before the pods of a stack start. It
// creates what is missing with the names and labels that Docker Compose would give it, so that both find each other's.
//
//	missing            created
//	external           must exist; neither created, changed nor removed
//	differs, unused    a network is made again, a volume never
//	differs, used      kept as it is, and said
//
// The project's default network is package podnet's, unless the file gives it settings that leave lyandev no say in its
// addresses, or it was made by somebody else; see Ensure.
package resources

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/selfimage"
)

// The reasons of notes, by which the package tells what is not as the file says.
const (
	noteNetworkOfOthers  = "NetworkOfOthers"
	noteNetworkDiffers   = "NetworkDiffers"
	noteNetworkRecreated = "NetworkRecreated"
	noteVolumeOfOthers   = "VolumeOfOthers"
	noteVolumeDiffers    = "VolumeDiffers"
)

// IsNote says that an event with a reason is a note of this package.
func IsNote(reason string) bool {
	return slices.Contains([]string{noteNetworkOfOthers, noteNetworkDiffers, noteNetworkRecreated, noteVolumeOfOthers, noteVolumeDiffers}, reason)
}

// Labels that Docker Compose gives to what it makes.
const (
	ComposeProject = "com.docker.compose.project"
	composeNetwork = "com.docker.compose.network"
	composeVolume  = "com.docker.compose.volume"
	composeVersion = "com.docker.compose.version"
)

// Engine is what the package needs of the engine.
type Engine interface {
	CreateNetwork(ctx context.Context, spec engine.NetworkSpec) (id string, err error)
	RemoveNetwork(ctx context.Context, id string) error
	InspectNetwork(ctx context.Context, name string) (engine.Network, error)
	ListContainers(ctx context.Context, labels map[string]string) ([]engine.Container, error)
	CreateVolume(ctx context.Context, spec engine.VolumeSpec) error
	InspectVolume(ctx context.Context, name string) (engine.Volume, error)
}

// Config is what a Maker works with. All must be set.
type Config struct {
	Engine   Engine
	Instance *instance.Instance
	// Note tells people what is not as the file says; reason is one word in CamelCase.
	Note func(reason, message string)
	// Leave takes the network agent out of a network that is to be removed.
	Leave func(ctx context.Context, network string) error
}

// Maker makes networks and volumes of one instance.
type Maker struct {
	cfg Config
	// told are the notes of noteOnce.
	told sync.Map
}

// New returns a Maker.
func New(cfg Config) *Maker { return &Maker{cfg: cfg} }

// Telling returns a Maker that gives the messages of its notes to f too.
func (m *Maker) Telling(f func(message string)) *Maker {
	cfg := m.cfg
	cfg.Note = func(reason, message string) { m.cfg.Note(reason, message); f(message) }
	return New(cfg)
}

// Ensure makes sure of the networks and volumes of a stack that has the given needs. foreign is true if the project's default
// network is not lyandev's to divide: the file gives it settings of its own, or somebody else made it. It is used as it is then,
// and pods of Kubernetes' semantics, which need addresses that lyandev assigns, are refused with an error. Else the default
// network is left to podnet. An error changes no running container.
func (m *Maker) Ensure(ctx context.Context, stack *services.Stack, needs network.Needs) (foreign bool, err error) {
	if needs.Default {
		if foreign, err = m.defaultNetwork(ctx, DefaultNetwork(stack, m.cfg.Instance.Name), needs.Pinned); err != nil {
			return false, err
		}
	}
	for _, n := range stack.Networks {
		if n.Key == network.DefaultKey && !foreign {
			continue
		}
		if err := m.network(ctx, named(n, m.cfg.Instance.Name)); err != nil {
			return false, err
		}
	}
	return foreign, m.volumes(ctx, stack.Volumes)
}

// DefaultNetwork returns what the file says of the default network of the instance of a name. It is pure.
func DefaultNetwork(stack *services.Stack, project string) *compose.Network {
	for _, n := range stack.Networks {
		if n.Key == network.DefaultKey {
			return named(n, project)
		}
	}
	return &compose.Network{Key: network.DefaultKey, Name: project + "_" + network.DefaultKey}
}

// named is a copy of a network with its name in Docker.
func named(n *compose.Network, project string) *compose.Network {
	out := n.DeepCopy()
	out.Name = compose.Named(n.Name, project)
	return out
}

// labels are those of an object that the Maker creates: the file's, Compose's and ours. There is no com.docker.compose.config-hash:
// Compose would take one that it did not compute for a change of the file, and offers to delete a volume then.
func (m *Maker) labels(own map[string]string, kind, key string) map[string]string {
	out := maps.Clone(own)
	if out == nil {
		out = map[string]string{}
	}
	out[ComposeProject], out[kind], out[composeVersion] = m.cfg.Instance.Name, key, "lyandev"
	out[services.ProjectLabel], out[services.DirLabel] = m.cfg.Instance.Name, m.cfg.Instance.Dir
	return out
}

// users are the names of the containers, running or not, that are connected to a network, without the agent.
func (m *Maker) users(ctx context.Context, n engine.Network) (names []string, err error) {
	all, err := m.cfg.Engine.ListContainers(ctx, nil)
	for _, c := range all {
		if _, in := c.Networks[n.Name]; in && !m.isAgent(c) {
			names = append(names, c.Name)
		}
	}
	return names, err
}

func (m *Maker) isAgent(c engine.Container) bool {
	return c.Labels[services.ProjectLabel] == m.cfg.Instance.Name && c.Labels[selfimage.KindLabel] == "agent"
}

// at is " (file:line)" for messages, "" if that is not known.
func at(source string) string {
	if source == "" {
		return ""
	}
	return " (" + source + ")"
}

// prefixed is "file:line: " for messages, "" if that is not known.
func prefixed(source string) string {
	if source == "" {
		return ""
	}
	return source + ": "
}

// some names at most three things.
func some(names []string) string {
	if len(names) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}
