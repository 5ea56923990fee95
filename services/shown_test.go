package services

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services/compose"
)

// TestShownPod: people see the names that they wrote.
func TestShownPod(t *testing.T) {
	text, err := (&compose.Container{Service: "Web_app.v1"}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	plain := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: "web-app-v1-2", Labels: map[string]string{WorkloadLabel: "web-app-v1"}, Annotations: map[string]string{compose.Annotation: text},
	}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "db-0", Labels: map[string]string{WorkloadLabel: "db"}}}
	for p, want := range map[*corev1.Pod]string{plain: "Web_app.v1-2", pod: "db-0"} {
		if got := ShownPod(p); got != want {
			t.Errorf("%s is shown as %q, want %q", p.Name, got, want)
		}
	}
	plain.Labels[NumberLabel] = "2"
	if a, b := DockerName("shop", plain), DockerName("shop", pod); a != "shop-Web_app.v1-2" || b != "" {
		t.Errorf("the containers are %q and %q on the engine", a, b)
	}
	text, err = (&compose.Container{Service: "web", Name: compose.Project + "_web"}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	plain.Annotations[compose.Annotation] = text
	if got := DockerName("shop", plain); got != "shop_web" {
		t.Errorf("with container_name it is %q", got)
	}
	plain.Annotations[ServiceAnnotation] = "Web"
	if got := ShownService(plain); got != "Web" {
		t.Errorf("the annotation gives the service %q", got)
	}
}
