package main

import (
	"bytes"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// TestRemoveImages: --rmi removes only what lyandev has built.
func TestRemoveImages(t *testing.T) {
	for which, want := range map[string]string{
		"local": "removed image shop-web",
		"all": "removed image shop-web\nremoved image registry/named:1\n" +
			"kept image redis:8: lyandev did not build it; `docker rmi redis:8` removes it\n" +
			"kept image shop-foreign: lyandev did not build it; `docker rmi shop-foreign` removes it\n",
	} {
		t.Run(which, func(t *testing.T) {
			eng := enginefake.New()
			own := map[string]string{build.FingerprintLabel: "f"}
			eng.AddImage("shop-web", enginefake.Image{Image: engine.Image{Labels: own}})
			eng.AddImage("registry/named:1", enginefake.Image{Image: engine.Image{Labels: own}})
			eng.AddImage("shop-foreign", enginefake.Image{})
			eng.AddImage("redis:8", enginefake.Image{})
			x := &services.ComposeService{ObjectMeta: metav1.ObjectMeta{Name: "redis"}}
			x.Spec.Template.Spec.Containers = []corev1.Container{{Image: "redis:8"}}
			stack := &services.Stack{Name: "shop", Workloads: []*services.Workload{{Object: x}}, Builds: []*services.Build{
				{Name: "Web", Image: "shop-web"}, {Name: "named", Image: "registry/named:1"}, {Name: "gone", Image: "shop-gone"}, {Name: "foreign", Image: "shop-foreign"},
			}}
			var out bytes.Buffer
			if err := removeImages(t.Context(), &ui.Streams{Err: &out}, eng, stack, which); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), want) {
				t.Errorf("it says %q, want %q", out.String(), want)
			}
			for ref, left := range map[string]bool{"shop-web": false, "registry/named:1": which == "local", "shop-foreign": true, "redis:8": true} {
				if _, err := eng.InspectImage(t.Context(), ref); (err == nil) != left {
					t.Errorf("image %s is there: %v, want %v", ref, err == nil, left)
				}
			}
		})
	}
}
