package profiles

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/services/compose"
)

// TestPodNetworks: pods of Kubernetes' semantics are attached to the named networks that they share with plain services, under
// names that Docker resolves there if a plain service cannot ask lyandev.
func TestPodNetworks(t *testing.T) {
	cases := []struct {
		name, web, rest, top string
		// want are the networks with their aliases.
		want []string
		note string
	}{
		{
			name: "one network", web: "networks: {back: {aliases: [www]}}", rest: "cl: {image: x, networks: [back]}",
			want: []string{"P_back:web,www,web.default,web.default.svc,web.default.svc.cluster.local,www.default,www.default.svc,www.default.svc.cluster.local"},
			note: "services.web.networks.back: approximated: pods of Kubernetes' semantics are in the network PROJECT_default too; they reach what is in it,",
		},
		{
			name: "internal", web: "networks: [default, back]", rest: "cl: {image: x, networks: [back]}", top: "back: {internal: true}",
			want: []string{"P_back:web,web.default,web.default.svc,web.default.svc.cluster.local"}, note: "what is in it, and the outside,",
		},
		{name: "default as well", web: "networks: [default, back]", rest: "cl: {image: x, networks: [default, back]}", want: []string{"P_back:"}},
		{name: "the default network", web: "restart: always", rest: "cl: {image: x}"},
		{name: "nobody else", web: "networks: [back]", rest: "cl: {image: x}"},
		{
			name: "two with pods", web: "networks: [back]", rest: "api: {image: x, networks: [back], x-lyandev: {kind: Deployment}}\n  cl: {image: x, networks: [back]}",
			want: []string{"P_back:web"},
		},
		{
			name: "external", web: "networks: [back]", rest: "cl: {image: x}", top: "back: {external: true, name: corp}",
			want: []string{"corp:web,web.default,web.default.svc,web.default.svc.cluster.local"},
		},
		{
			name: "a port of the Service only", web: "networks: [back]\n    expose: ['8080']", rest: "cl: {image: x, networks: [back]}",
			top:  "back: {}\nx-lyandev:\n  services: {front: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}}",
			want: []string{"P_back:web,web.default,web.default.svc,web.default.svc.cluster.local,front"},
			note: "approximated: in this network the name front leads to the pods themselves: port 80 (8080 in the pods) of the Service is not served there",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			top := c.top
			if top == "" {
				top = "back: {}"
			}
			s := mustLoad(t, "services:\n  web:\n    image: x\n    x-lyandev: {semantics: kubernetes}\n    "+c.web+"\n  "+c.rest+"\nnetworks:\n  "+top+"\n", Options{})
			list, err := compose.DecodeNetworks(s.Workload("web").PodMeta().Annotations[compose.NetworksAnnotation], "P")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, a := range list {
				got = append(got, a.Network+":"+strings.Join(a.Settings.Aliases, ","))
				found := false
				for _, n := range s.Networks {
					found = found || compose.Named(n.Name, "P") == a.Network
				}
				if !found {
					t.Errorf("nobody makes network %s", a.Network)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("networks %v, want %v", got, c.want)
			}
			if !strings.Contains(strings.Join(s.Notes, "\n"), c.note) || strings.Contains(strings.Join(s.Notes, "\n"), "one network") {
				t.Errorf("notes %q", s.Notes)
			}
		})
	}
}
