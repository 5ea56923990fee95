package resources

import (
	"context"
	"fmt"
	"strings"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/selfimage"
)

// defaultNetwork says whether the default network is not lyandev's to divide. If it is lyandev's, one that stands in the way is
// removed, unless something uses it.
func (m *Maker) defaultNetwork(ctx context.Context, want *compose.Network, pinned *services.Workload) (foreign bool, err error) {
	if why := OwnSettings(want, m.cfg.Instance.Name); why != "" {
		return true, refusePinned(pinned, fmt.Sprintf("the file%s gives network %s %s", at(want.Source), network.DefaultKey, why),
			"remove that, or give it to another network")
	}
	found, err := m.cfg.Engine.InspectNetwork(ctx, want.Name)
	if engine.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	why := m.notOurs(found)
	if why == "" || pinned == nil && !m.made(found) {
		return why != "", nil
	}
	// What is in the way of our own network is removed if it was made for this project and nothing uses it.
	users, err := m.users(ctx, found)
	if err != nil {
		return false, err
	}
	if len(users) == 0 && found.Labels[ComposeProject] == m.cfg.Instance.Name {
		return false, m.removeNetwork(ctx, found)
	}
	remedy := "remove it with `docker network rm " + found.Name + "`"
	if len(users) > 0 {
		remedy = fmt.Sprintf("stop and remove the containers in it (%s), or run `lyandev up --take-over` if Docker Compose started them", some(users))
	}
	return true, refusePinned(pinned, fmt.Sprintf("network %s %s", found.Name, why), remedy)
}

// Foreign says whether the default network of a running stack is not lyandev's to divide. It changes nothing.
func (m *Maker) Foreign(ctx context.Context, stack *services.Stack, needs network.Needs) (bool, error) {
	if !needs.Default {
		return false, nil
	}
	want := DefaultNetwork(stack, m.cfg.Instance.Name)
	if OwnSettings(want, m.cfg.Instance.Name) != "" {
		return true, nil
	}
	found, err := m.cfg.Engine.InspectNetwork(ctx, want.Name)
	if engine.IsNotFound(err) {
		return false, nil
	}
	return err == nil && m.notOurs(found) != "", err
}

// OwnSettings says which of the file's settings of the default network leave lyandev no say in its addresses, "" if none does.
// It is pure.
func OwnSettings(n *compose.Network, project string) string {
	switch {
	case n.External:
		return "external: true"
	case n.Name != project+"_"+network.DefaultKey:
		return "a name of its own (" + n.Name + ")"
	case n.IPAM != nil:
		return "its own ipam"
	case n.Driver != "" && n.Driver != "bridge":
		return "the driver " + n.Driver
	case n.Internal:
		return "internal: true"
	case n.EnableIPv4 != nil && !*n.EnableIPv4:
		return "enable_ipv4: false"
	}
	return ""
}

// made says that the Maker or podnet made a network.
func (m *Maker) made(n engine.Network) bool {
	return n.Labels[services.ProjectLabel] == m.cfg.Instance.Name
}

// notOurs says why the network found under the default network's name cannot be divided by podnet, "" if it can.
func (m *Maker) notOurs(n engine.Network) string {
	switch {
	case !m.made(n) && n.Labels[ComposeProject] != "":
		return "was made by Docker Compose"
	case !m.made(n):
		return "was not made by lyandev"
	case n.Labels[selfimage.KindLabel] != "network", n.Internal, n.Driver != "bridge":
		return "was made with settings that the file had then"
	}
	return ""
}

// refusePinned is the error for pods whose addresses cannot be assigned in the default network, nil if there are none.
func refusePinned(w *services.Workload, why, remedy string) error {
	if w == nil {
		return nil
	}
	return fmt.Errorf("%scannot start %s: it has Kubernetes' semantics, and its pods need addresses that lyandev assigns, but %s; %s, or "+
		"give the service Compose's semantics (x-lyandev: {semantics: compose})", prefixed(w.Source), w.DisplayName(), why, remedy)
}

// network makes sure of one network.
func (m *Maker) network(ctx context.Context, want *compose.Network) error {
	spec, err := m.networkSpec(want)
	if err != nil {
		return err
	}
	found, err := m.cfg.Engine.InspectNetwork(ctx, want.Name)
	switch {
	case engine.IsNotFound(err) && want.External:
		return fmt.Errorf("%scannot start the stack: network %s is external, and the engine has none of that name; create it with "+
			"`docker network create %s`, or remove external: true from networks.%s", prefixed(want.Source), want.Name, want.Name, want.Key)
	case engine.IsNotFound(err):
		return m.createNetwork(ctx, spec)
	case err != nil || want.External:
		return err
	}
	if found.Labels[ComposeProject] != m.cfg.Instance.Name {
		m.cfg.Note(noteNetworkOfOthers, fmt.Sprintf("%snetwork %s was not made for this project; it is used as it is, and never removed: "+
			"say external: true in networks.%s if that is meant", prefixed(want.Source), want.Name, want.Key))
		return nil
	}
	if m.ofCompose(found.Labels) {
		if err := m.saveUsed(networksFile, want.Name); err != nil {
			return err
		}
	}
	differs := networkDiffers(spec, found)
	if len(differs) == 0 {
		return nil
	}
	users, err := m.users(ctx, found)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		m.cfg.Note(noteNetworkDiffers, fmt.Sprintf("%snetwork %s is not as the file says (%s) and stays as it is, because %s use it; "+
			"`lyandev down` and then `lyandev up` makes it anew", prefixed(want.Source), want.Name, strings.Join(differs, ", "), some(users)))
		return nil
	}
	m.cfg.Note(noteNetworkRecreated, fmt.Sprintf("network %s was made anew: %s", want.Name, strings.Join(differs, ", ")))
	if err := m.removeNetwork(ctx, found); err != nil {
		return err
	}
	return m.createNetwork(ctx, spec)
}

func (m *Maker) removeNetwork(ctx context.Context, n engine.Network) error {
	if err := m.cfg.Leave(ctx, n.Name); err != nil {
		return err
	}
	return m.cfg.Engine.RemoveNetwork(ctx, n.ID)
}

func (m *Maker) createNetwork(ctx context.Context, spec engine.NetworkSpec) error {
	_, err := m.cfg.Engine.CreateNetwork(ctx, spec)
	if engine.IsOverlap(err) {
		return fmt.Errorf("%w; choose another subnet in the file, or remove the network that has it (`docker network ls`)", err)
	}
	return err
}

func (m *Maker) networkSpec(want *compose.Network) (engine.NetworkSpec, error) {
	spec := engine.NetworkSpec{
		Name: want.Name, Driver: want.Driver, Options: want.DriverOpts, Internal: want.Internal, Attachable: want.Attachable,
		EnableIPv4: want.EnableIPv4, EnableIPv6: want.EnableIPv6, Labels: m.labels(want.Labels, composeNetwork, want.Key),
	}
	var err error
	if spec.IPAM, err = ipam(want.IPAM); err != nil {
		err = fmt.Errorf("%scannot make network %s: %w", prefixed(want.Source), want.Name, err)
	}
	return spec, err
}
