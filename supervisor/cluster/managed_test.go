package cluster_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/supervisor/cluster"
)

// managers are "manager: fields" lines.
func managers(o cluster.Object) string {
	var out []string
	for _, e := range o.GetManagedFields() {
		out = append(out, fmt.Sprintf("%s %s: %s", e.Manager, e.APIVersion, e.FieldsV1.Raw))
	}
	return strings.Join(out, "\n")
}

func TestManagersOwnWhatTheySet(t *testing.T) {
	s := cluster.New(cluster.Config{})
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "c"}, Data: map[string]string{"a": "1", "b": "1"}}
	stored, err := s.Create(m, "file")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := managers(stored), `file v1: {"f:data":{"f:a":{},"f:b":{}}}`; got != want {
		t.Errorf("created:\n%s\nwant\n%s", got, want)
	}
	next := stored.(*corev1.ConfigMap).DeepCopy()
	next.Data["b"], next.Data["c"] = "2", "1"
	if stored, err = s.Update(next, "kubectl"); err != nil {
		t.Fatal(err)
	}
	want := `file v1: {"f:data":{"f:a":{}}}` + "\n" + `kubectl v1: {"f:data":{"f:b":{},"f:c":{}}}`
	if got := managers(stored); got != want {
		t.Errorf("changed by another:\n%s\nwant\n%s", got, want)
	}
	next = stored.(*corev1.ConfigMap).DeepCopy()
	delete(next.Data, "c")
	if stored, err = s.Update(next, "file"); err != nil {
		t.Fatal(err)
	}
	want = `file v1: {"f:data":{"f:a":{}}}` + "\n" + `kubectl v1: {"f:data":{"f:b":{}}}`
	if got := managers(stored); got != want {
		t.Errorf("a field that is gone is nobody's:\n%s\nwant\n%s", got, want)
	}
	next = stored.(*corev1.ConfigMap).DeepCopy()
	next.Data["a"] = "3"
	if stored, err = s.Update(next, ""); err != nil || managers(stored) != want {
		t.Errorf("a write without a manager changed the owners (%v):\n%s", err, managers(stored))
	}
}

func TestListItemsAreOwnedByKey(t *testing.T) {
	s := cluster.New(cluster.Config{})
	d := deployment("web", 2)
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "c", Image: "img:1"}, {Name: "side", Image: "img:1"}}
	stored, err := s.Create(d, "file")
	if err != nil {
		t.Fatal(err)
	}
	next := d.DeepCopy()
	next.Spec.Template.Spec.Containers[1].Image = "img:2"
	next.ResourceVersion = stored.GetResourceVersion()
	if stored, err = s.Update(next, "builder"); err != nil {
		t.Fatal(err)
	}
	got := managers(stored)
	if !strings.Contains(got, `builder apps/v1: {"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"side\"}":{"f:image":{}}}}}}}`) {
		t.Errorf("owners:\n%s", got)
	}
	if strings.Contains(strings.Split(got, "\n")[0], `"k:{\"name\":\"side\"}":{"f:image"`) {
		t.Errorf("the image has two owners:\n%s", got)
	}
}
