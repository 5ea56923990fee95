package resources

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// plainUser is a stack of a plain service that mounts a volume, which pods may mount too.
func plainUser(t *testing.T, v compose.Volume) *services.Stack {
	t.Helper()
	c := &compose.Container{Service: "web"}
	c.Host.Binds = []string{v.Name + ":/data:rw"}
	text, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	o := &services.ComposeService{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: services.ComposeServiceSpec{
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{compose.Annotation: text}}},
	}}
	return &services.Stack{Volumes: []*compose.Volume{&v}, Workloads: []*services.Workload{{Object: o}}}
}

// TestVolumeWithTwoNames: the volume that has the data is used, by all services.
func TestVolumeWithTwoNames(t *testing.T) {
	const before, now = compose.Project + "_db-data", compose.Project + "_db_data"
	shared := compose.Volume{Key: "db_data", Name: now, Else: before, Claim: "db-data"}
	external := compose.Volume{Key: "db_data", Name: "corp", Else: before, Claim: "db-data", External: true}
	first := compose.Volume{Key: "db_data", Name: compose.Project + "_db-data-db-0", Else: now, Claim: "db-data-db-0", OnDemand: true}
	claim := map[string]string{ComposeProject: "p", claimLabel: "db-data"}
	cases := []struct {
		name   string
		volume compose.Volume
		there  map[string]map[string]string
		want   string
		note   string
	}{
		{"neither", shared, nil, "p_db_data", ""},
		{"the new one", shared, map[string]map[string]string{"p_db_data": ofCompose("p")}, "p_db_data", ""},
		{"the old one", shared, map[string]map[string]string{"p_db-data": claim}, "p_db-data", "VolumeKept"},
		{"one of another volume's", shared, map[string]map[string]string{"p_db-data": ofCompose("p")}, "p_db_data", ""},
		{"one of another project", shared, map[string]map[string]string{"p_db-data": {ComposeProject: "q", claimLabel: "db-data"}}, "p_db_data", ""},
		{"both", shared, map[string]map[string]string{"p_db-data": claim, "p_db_data": ofCompose("p")}, "p_db_data", "VolumeLeft"},
		{"external", external, map[string]map[string]string{"p_db-data": claim}, "corp", "VolumeLeft"},
		{"a StatefulSet's, new", first, nil, "p_db-data-db-0", ""},
		{"a StatefulSet's, Compose's data", first, map[string]map[string]string{"p_db_data": ofCompose("p")}, "p_db_data", "VolumeKept"},
		{"a StatefulSet's own", first, map[string]map[string]string{"p_db_data": ofCompose("p"), "p_db-data-db-0": claim}, "p_db-data-db-0", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			for name, labels := range c.there {
				if err := r.CreateVolume(t.Context(), engine.VolumeSpec{Name: name, Labels: labels}); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				stack := plainUser(t, c.volume)
				if err := r.m.NameVolumes(t.Context(), stack); err != nil {
					t.Fatal(err)
				}
				if got := compose.Named(stack.Volumes[0].Name, "p"); got != c.want {
					t.Errorf("it is %s, want %s", got, c.want)
				}
				text := stack.Workloads[0].PodMeta().Annotations[compose.Annotation]
				if got, err := compose.Decode(text, "p"); err != nil || got.Host.Binds[0] != c.want+":/data:rw" {
					t.Errorf("the plain service mounts %v (%v)", got.Host.Binds, err)
				}
			}
			if len(r.notes) > 1 || c.note != "" != (len(r.notes) == 1 && strings.HasPrefix(r.notes[0], c.note+" ")) {
				t.Errorf("notes %q, want %q once", r.notes, c.note)
			}
		})
	}
}

// TestVolumeOnDemand: it is the first pod's to make.
func TestVolumeOnDemand(t *testing.T) {
	r := newRig(t)
	stack := &services.Stack{Volumes: []*compose.Volume{{Key: "d", Name: compose.Project + "_d", Claim: "d", OnDemand: true}}}
	if err := r.m.volumes(t.Context(), stack.Volumes); err != nil {
		t.Fatal(err)
	}
	if _, err := r.InspectVolume(t.Context(), "p_d"); !engine.IsNotFound(err) {
		t.Errorf("it was made: %v", err)
	}
}
