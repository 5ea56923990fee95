package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
)

// digests is a registry: digests by reference.
type digests map[string]string

func (d digests) ImageDigest(_ context.Context, ref string) (string, error) {
	if d[ref] == "" {
		return "", errors.New("no such image")
	}
	return d[ref], nil
}

// TestPinned: images get the digest of their registry, but those that the stack builds and those that have one.
func TestPinned(t *testing.T) {
	stack := new(services.Stack)
	for name, image := range map[string]string{"a": "app:1", "b": "host:5000/team/tool", "built": "mine", "has": "x@sha256:00"} {
		o := &services.ComposeService{ObjectMeta: metav1.ObjectMeta{Name: name}}
		o.Spec.Template.Spec.Containers = []corev1.Container{{Name: name, Image: image}}
		stack.Workloads = append(stack.Workloads, &services.Workload{Object: o})
	}
	stack.Builds = []*services.Build{{Image: "mine"}}
	got, err := pinned(t.Context(), digests{"app:1": "sha256:11", "host:5000/team/tool": "sha256:22"}, stack)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a": "app@sha256:11", "b": "host:5000/team/tool@sha256:22", "built": "mine", "has": "x@sha256:00"} {
		if is := got.Workload(name).PodSpec().Containers[0].Image; is != want {
			t.Errorf("%s is %s, want %s", name, is, want)
		}
	}
	lock := lockFile(got)["services"].(map[string]any)
	if len(lock) != 3 || lock["built"] != nil {
		t.Errorf("the lock file has %v", lock)
	}
	if _, err := pinned(t.Context(), digests{}, stack); err == nil || !strings.Contains(err.Error(), "no such image") {
		t.Errorf("without a registry: %v", err)
	}
}
