package profiles

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"github.com/lyandev/lyandev/services/compose"
)

const defaultNetwork = "default"

// interfaceOption is the driver option of an endpoint that names the interface in the container.
const interfaceOption = "com.docker.network.endpoint.ifname"

// network sets the network mode and the attachments, the primary network first.
func (p *plain) network() {
	links := p.links()
	p.out.Host.Links = links
	if p.s.NetworkMode != "" {
		p.out.Host.NetworkMode = container.NetworkMode(p.s.NetworkMode)
		return
	}
	keys := p.s.NetworksByPriority()
	if len(keys) == 0 {
		keys = []string{defaultNetwork}
	}
	for i, key := range keys {
		settings := p.endpoint(key, links)
		if i == 0 {
			p.primaryMAC(key, settings)
		}
		p.out.Networks = append(p.out.Networks, compose.Attachment{Network: p.c.networkName(key), Settings: *settings})
	}
	p.out.Host.NetworkMode = container.NetworkMode(p.out.Networks[0].Network)
}

// primaryMAC gives the service's mac_address to its primary network. Engines before API 1.44 take it from the container's
// configuration only, later ones warn about it there: who creates the container clears it for them.
func (p *plain) primaryMAC(key string, settings *network.EndpointSettings) {
	own := p.s.MacAddress
	switch {
	case own == "":
	case settings.MacAddress == "":
		settings.MacAddress = p.hardwareAddr(own, p.at.with("mac_address"))
	case settings.MacAddress != p.hardwareAddr(own, p.at.with("mac_address")):
		p.c.bad(p.at.with("mac_address"), "remove one of them", "network %s has another mac_address", key)
	}
	p.out.Config.MacAddress = settings.MacAddress
}

func (p *plain) hardwareAddr(s string, at keyPath) string {
	mac, err := net.ParseMAC(s)
	if err != nil {
		p.c.bad(at, "write for example 02:42:ac:11:00:02", "%q is not a MAC address", s)
		return s
	}
	return mac.String()
}

// endpoint is the attachment to one network.
func (p *plain) endpoint(key string, links []string) *network.EndpointSettings {
	cfg := p.s.Networks[key]
	out := &network.EndpointSettings{Links: links, Aliases: networkAliases(p.s, cfg)}
	if cfg == nil {
		return out
	}
	at := p.at.with("networks", key)
	out.IPAMConfig = &network.EndpointIPAMConfig{
		IPv4Address: p.address(cfg.Ipv4Address, at.with("ipv4_address")), IPv6Address: p.address(cfg.Ipv6Address, at.with("ipv6_address")),
	}
	for i, link := range cfg.LinkLocalIPs {
		if link != "" {
			out.IPAMConfig.LinkLocalIPs = append(out.IPAMConfig.LinkLocalIPs, p.address(link, at.with("link_local_ips", index(i))))
		}
	}
	if cfg.MacAddress != "" {
		out.MacAddress = p.hardwareAddr(cfg.MacAddress, at.with("mac_address"))
	}
	out.DriverOpts, out.GwPriority = maps.Clone(map[string]string(cfg.DriverOpts)), cfg.GatewayPriority
	if cfg.InterfaceName != "" {
		if out.DriverOpts == nil {
			out.DriverOpts = map[string]string{}
		}
		out.DriverOpts[interfaceOption] = cfg.InterfaceName
	}
	return out
}

func (p *plain) address(s string, at keyPath) string {
	if s == "" {
		return ""
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		p.c.bad(at, "", "%q is not an IP address", s)
		return s
	}
	return addr.Unmap().String()
}

// networkAliases are the names of a service's containers on a network: container_name, the service's name and the aliases of the
// file. A plain container without container_name has the name PROJECT-SERVICE-NUMBER too; whoever creates it adds that.
func networkAliases(s types.ServiceConfig, cfg *types.ServiceNetworkConfig) []string {
	var out []string
	if s.ContainerName != "" {
		out = append(out, s.ContainerName)
	}
	if cfg.ServiceNameAliasEnabled() {
		out = append(out, s.Name)
	}
	if cfg != nil {
		out = append(out, cfg.Aliases...)
	}
	return out
}

// links are links and external_links in the form CONTAINER:ALIAS. Every container of a linked service gets, as in Compose, the
// alias of the file and two names that end with the number of the linking container, for which 1 is taken.
func (p *plain) links() []string {
	var out []string
	for i, raw := range p.s.Links {
		on, alias, ok := strings.Cut(raw, ":")
		if !ok {
			alias = on
		}
		if p.c.unknown(on) {
			p.c.bad(p.at.with("links", index(i)), didYouMean(on, known(p.c.project.Services)), "there is no service %q", on)
			continue
		}
		if !p.c.plain[on] {
			if alias != on {
				p.c.note(p.at.with("links", index(i)), "ignored: %s has Kubernetes' semantics; it has no other names", on)
			}
			continue
		}
		other := p.c.project.Services[on]
		for n := 1; n <= other.GetScale(); n++ {
			name := fmt.Sprintf("%s-%s-%d", compose.Project, on, n)
			if other.ContainerName != "" {
				name = other.ContainerName
			}
			out = append(out, name+":"+alias, name+":"+on+"-1", name+":"+compose.Project+"-"+on+"-1")
		}
	}
	for _, raw := range p.s.ExternalLinks {
		on, alias, ok := strings.Cut(raw, ":")
		if !ok {
			alias = on
		}
		out = append(out, on+":"+alias)
	}
	return out
}

// networkName is the name in Docker. The name that Compose makes of the project's name is that of the instance.
func (c *converter) networkName(key string) string {
	n, ok := c.project.Networks[key]
	if !ok {
		return compose.Project + "_" + key
	}
	return c.dockerName(n.Name, key, bool(n.External))
}

func (c *converter) dockerName(name, key string, external bool) string {
	if !external && (name == "" || name == c.project.Name+"_"+key) {
		return compose.Project + "_" + key
	}
	return name
}

// dockerNetworks sets the stack's Docker networks: those that enabled plain services use, and the external ones that pods are
// attached to.
func (c *converter) dockerNetworks(names []string) {
	networks := map[string]bool{}
	users := c.networkUsers(names)
	for _, n := range names {
		s := c.project.Services[n]
		for key := range s.Networks {
			if c.plain[n] && s.Provider == nil || !c.plain[n] && c.attaches(key, users) {
				networks[key] = true
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(networks)) {
		c.stack.Networks = append(c.stack.Networks, c.dockerNetwork(key))
	}
}

func (c *converter) dockerNetwork(key string) *compose.Network {
	n := c.project.Networks[key]
	out := &compose.Network{Key: key, Name: c.networkName(key), External: bool(n.External), Source: c.l.loc.pos("networks", key).String()}
	if out.External {
		return out
	}
	out.Driver, out.DriverOpts = n.Driver, maps.Clone(map[string]string(n.DriverOpts))
	out.Internal, out.Attachable, out.EnableIPv4, out.EnableIPv6 = n.Internal, n.Attachable, n.EnableIPv4, n.EnableIPv6
	out.Labels = maps.Clone(map[string]string(n.Labels))
	if n.Ipam.Driver == "" && len(n.Ipam.Config) == 0 {
		return out
	}
	out.IPAM = &network.IPAM{Driver: n.Ipam.Driver}
	for _, pool := range n.Ipam.Config {
		out.IPAM.Config = append(out.IPAM.Config, network.IPAMConfig{
			Subnet: pool.Subnet, IPRange: pool.IPRange, Gateway: pool.Gateway, AuxAddress: maps.Clone(map[string]string(pool.AuxiliaryAddresses)),
		})
	}
	return out
}
