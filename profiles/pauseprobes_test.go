package profiles

import (
	"slices"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/services"
)

// TestPausedProbesInTheFile: an annotation or a label of a service, whatever its semantics, is an annotation of its pods.
func TestPausedProbesInTheFile(t *testing.T) {
	s := mustLoad(t, `
services:
  a: {image: x, annotations: {dev.lyandev/pause-probes: "liveness"}}
  b: {image: x, labels: {dev.lyandev/pause-probes: "true"}}
  c: {image: x, labels: {dev.lyandev/pause-probes: "true"}, x-lyandev: {kind: Deployment}}
  d: {image: x, x-lyandev: {kind: Deployment, annotations: {dev.lyandev/pause-probes: "true"}}}
  e: {image: x}
`, Options{})
	for name, want := range map[string]string{"a": "liveness", "b": "true", "c": "true", "d": "true", "e": ""} {
		if got := s.Find(name).PodMeta().Annotations[services.PauseProbesAnnotation]; got != want {
			t.Errorf("the annotation of %s is %q, want %q", name, got, want)
		}
	}
	_, err := loadText(t, `
services:
  a: {image: x, labels: {dev.lyandev/pause-probes: "yes"}}
  b:
    image: x
    x-lyandev:
      annotations:
        dev.lyandev/pause-probes: readiness
`, Options{}, nil)
	want := []string{
		`compose.yaml:3: services.a.labels.dev.lyandev/pause-probes: dev.lyandev/pause-probes must be "true", "liveness" or "false", not "yes"`,
		`compose.yaml:8: services.b.x-lyandev.annotations.dev.lyandev/pause-probes: dev.lyandev/pause-probes must be`,
	}
	if got := errorLines(t, err); len(got) != 2 || !slices.EqualFunc(got, want, strings.Contains) {
		t.Errorf("got:\n%s", strings.Join(got, "\n"))
	}
}
