package profiles

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	dockernet "github.com/docker/docker/api/types/network"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
)

// networkUsers are the enabled services in one network of the file.
type networkUsers struct {
	// plain counts the services with Compose's semantics, apart those of them that are not in the default network: they cannot
	// ask lyandev's name server, and find names only by Docker. pods counts the services with Kubernetes' semantics.
	plain, apart, pods int
}

// networkUsers returns the users of each network by its key.
func (c *converter) networkUsers(names []string) map[string]networkUsers {
	out := map[string]networkUsers{}
	for _, n := range names {
		s := c.project.Services[n]
		_, inDefault := s.Networks[defaultNetwork]
		for key := range s.Networks {
			u := out[key]
			switch {
			case s.Provider != nil:
			case !c.plain[n]:
				u.pods++
			default:
				u.plain++
				if !inDefault {
					u.apart++
				}
			}
			out[key] = u
		}
	}
	return out
}

// attaches reports whether pods whose service names a network are attached to it: plain services or, since it is external,
// containers of others are in it too. Pods reach each other without it.
func (c *converter) attaches(key string, users map[string]networkUsers) bool {
	return key != defaultNetwork && (users[key].plain > 0 || bool(c.project.Networks[key].External))
}

// podNetworks attaches pods with Kubernetes' semantics to the networks of their service that they share with plain services, and
// notes where they can do more or less there than a plain service. It comes after all Services.
func (c *converter) podNetworks(names []string) {
	users := c.networkUsers(names)
	for _, n := range names {
		p, s := c.pods[n], c.project.Services[n]
		if p == nil {
			continue
		}
		w := c.stack.Workload(p.name)
		var list []compose.Attachment
		for _, key := range slices.Sorted(maps.Keys(s.Networks)) {
			if c.attaches(key, users) {
				list = append(list, c.attachment(w, s, key, users[key]))
			} else if key != defaultNetwork {
				c.note(keyPath{"services", n, "networks", key}, "approximated: no plain service is in this network, so it is not made; pods of "+
					"Kubernetes' semantics reach each other in the network PROJECT_default")
				continue
			}
			c.noteNetwork(s, key)
		}
		if len(list) == 0 {
			continue
		}
		text, err := compose.EncodeNetworks(list)
		if err != nil {
			c.bad(keyPath{"services", n, "networks"}, "", "%v", err)
		}
		metav1.SetMetaDataAnnotation(w.PodMeta(), compose.NetworksAnnotation, text)
	}
}

// noteNetwork notes that pods are in the default network too.
func (c *converter) noteNetwork(s types.ServiceConfig, key string) {
	if _, in := s.Networks[defaultNetwork]; in && !c.project.Networks[key].Internal {
		return
	}
	more := ""
	if c.project.Networks[key].Internal {
		more = ", and the outside"
	}
	c.note(keyPath{"services", s.Name, "networks", key}, "approximated: pods of Kubernetes' semantics are in the network PROJECT_default too; "+
		"they reach what is in it%s, and are reached from there", more)
}

// attachment is the attachment of a workload's pods to a network. Names are given to them there only if somebody needs them: for
// services that are in the default network too, lyandev's name server has better answers.
func (c *converter) attachment(w *services.Workload, s types.ServiceConfig, key string, users networkUsers) compose.Attachment {
	out := compose.Attachment{Network: c.networkName(key)}
	if users.apart == 0 && !bool(c.project.Networks[key].External) {
		return out
	}
	names := networkAliases(s, s.Networks[key])
	at := keyPath{"services", s.Name, "networks", key}
	for _, svc := range c.stack.Services {
		if svc.Spec.Type == corev1.ServiceTypeExternalName || !w.Behind(svc) {
			continue
		}
		names = appendNew(names, svc.Name)
		names = appendNew(names, written(strings.Split(svc.Annotations[services.NamesAnnotation], ","))...)
		if port := mappedPort(w, svc); port != "" {
			c.note(at, "approximated: in this network the name %s leads to the pods themselves: port %s of the Service is not served there", svc.Name, port)
		} else if users.pods == 1 { // pods of other services would get these instead of the ready endpoints
			full := svc.Name + "." + svc.Namespace
			names = appendNew(names, full, full+".svc", full+".svc.cluster.local")
		}
	}
	out.Settings = dockernet.EndpointSettings{Aliases: names}
	return out
}

// mappedPort is the first port of a Service with an address of its own that is another one in the pods, "" if there is none.
func mappedPort(w *services.Workload, svc *corev1.Service) string {
	if svc.Spec.ClusterIP == corev1.ClusterIPNone {
		return ""
	}
	for _, p := range svc.Spec.Ports {
		if !targets(w.PodSpec(), p.TargetPort, p.Port) {
			return fmt.Sprintf("%d (%s in the pods)", p.Port, p.TargetPort.String())
		}
	}
	return ""
}
