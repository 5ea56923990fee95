package profiles

import (
	"testing"

	"github.com/lyandev/lyandev/services/compose"
)

// TestPodsJoinNetworksOfPlainServices: a pod is in the networks of its service that plain services are in, under its names there; one
// that only pods are in is a note.
func TestPodsJoinNetworksOfPlainServices(t *testing.T) {
	s := mustLoad(t, `
services:
  my_db:
    image: x
    networks: {default: {}, back_Net: {aliases: [The.Db]}, pods: {}}
    x-lyandev: {semantics: kubernetes}
  web: {image: x, networks: [back_Net]}
networks: {back_Net: {}, pods: {}}
`, Options{})
	got, err := compose.DecodeNetworks(s.Workload("my-db").PodMeta().Annotations[compose.NetworksAnnotation], "p")
	if err != nil || len(got) != 1 || got[0].Network != "p_back_Net" || len(got[0].Settings.Aliases) < 2 ||
		got[0].Settings.Aliases[0] != "my_db" || got[0].Settings.Aliases[1] != "The.Db" {
		t.Errorf("%+v, %v", got, err)
	}
	contains(t, s.Notes, "compose.yaml:5: services.my_db.networks.pods: approximated: no plain service is in this network, so it is not made; pods of "+
		"Kubernetes' semantics reach each other in the network PROJECT_default")
}
