package kube_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/lyandev/lyandev/services/kube"
)

// anyWord is text that some rule looks at, or characters that some rule looks at.
var anyWord = rapid.OneOf(rapid.SampledFrom([]string{
	"", "..", "/", "a/../b", "localhost/", "localhost/p", "runtime/default", "unconfined", "Localhost", "RuntimeDefault", "Unconfined", "Default", "Unmasked",
	"Always", "Recursive", "MountOption", "Merge", `d\u`, `\`, " ", "net.x", "net/x", "kernel.shm*", "*", "fs.mqueue.", "CAP_SYS_ADMIN", "linux", "windows", "TCP", "c", "\x00", "é",
}), rapid.StringOf(rapid.RuneFrom([]rune("aZ0.-_/\\ :*@<\t\x00é世"))))

// random makes any value of plain types.
func random[T any]() *rapid.Generator[T] {
	words := map[reflect.Type]*rapid.Generator[any]{}
	for _, t := range []reflect.Type{
		reflect.TypeFor[string](), reflect.TypeFor[corev1.Capability](), reflect.TypeFor[corev1.ProcMountType](), reflect.TypeFor[corev1.SeccompProfileType](),
		reflect.TypeFor[corev1.AppArmorProfileType](), reflect.TypeFor[corev1.PodFSGroupChangePolicy](), reflect.TypeFor[corev1.SupplementalGroupsPolicy](),
		reflect.TypeFor[corev1.PodSELinuxChangePolicy](), reflect.TypeFor[corev1.OSName](), reflect.TypeFor[corev1.Protocol](),
	} {
		words[t] = rapid.Map(anyWord, func(s string) any { return reflect.ValueOf(s).Convert(t).Interface() })
	}
	return rapid.MakeCustom[T](rapid.MakeConfig{Types: words})
}

// randomContainer is a container with a random security context and ports.
func randomContainer(t *rapid.T) corev1.Container {
	return corev1.Container{
		Name: anyWord.Draw(t, "name"), Image: "i", SecurityContext: random[*corev1.SecurityContext]().Draw(t, "securityContext"),
		Ports: random[[]corev1.ContainerPort]().Draw(t, "ports"),
	}
}

func randomPod(t *rapid.T) *corev1.Pod {
	containers := rapid.SliceOfN(rapid.Custom(randomContainer), 0, 3)
	s := corev1.PodSpec{
		Containers: containers.Draw(t, "containers"), InitContainers: containers.Draw(t, "initContainers"),
		SecurityContext: random[*corev1.PodSecurityContext]().Draw(t, "securityContext"),
		HostNetwork:     rapid.Bool().Draw(t, "hostNetwork"), HostPID: rapid.Bool().Draw(t, "hostPID"), HostIPC: rapid.Bool().Draw(t, "hostIPC"),
		HostUsers: random[*bool]().Draw(t, "hostUsers"), ShareProcessNamespace: random[*bool]().Draw(t, "shareProcessNamespace"),
		SetHostnameAsFQDN: random[*bool]().Draw(t, "setHostnameAsFQDN"), HostnameOverride: random[*string]().Draw(t, "hostnameOverride"),
		HostAliases: random[[]corev1.HostAlias]().Draw(t, "hostAliases"), OS: random[*corev1.PodOS]().Draw(t, "os"),
	}
	for _, c := range containers.Draw(t, "ephemeralContainers") {
		s.EphemeralContainers = append(s.EphemeralContainers, corev1.EphemeralContainer{
			EphemeralContainerCommon: corev1.EphemeralContainerCommon(c), TargetContainerName: anyWord.Draw(t, "target"),
		})
	}
	key := rapid.Custom(func(t *rapid.T) string {
		kinds := []string{corev1.SeccompContainerAnnotationKeyPrefix, corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix}
		return rapid.SampledFrom(kinds).Draw(t, "kind") + anyWord.Draw(t, "container")
	})
	return &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: "x", Annotations: rapid.MapOf(key, anyWord).Draw(t, "annotations")},
		Spec:       s,
	}
}

// TestValidateBearsAnyPod decodes random pods: validation does not panic, changes nothing, says the same again, and names only
// fields of the pod.
func TestValidateBearsAnyPod(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, err := json.Marshal(randomPod(t))
		if err != nil {
			t.Fatal(err)
		}
		o, err := kube.DecodeOne(text)
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		kube.Default(o)
		before := o.DeepCopyObject()
		problems := kube.Validate(o)
		if !reflect.DeepEqual(before, o) {
			t.Fatal("validation changed the pod")
		}
		again := kube.Validate(o)
		if len(again) != len(problems) {
			t.Fatalf("%d problems, then %d", len(problems), len(again))
		}
		for i, p := range problems {
			if p.Error() != again[i].Error() {
				t.Fatalf("%s, then %s", p, again[i])
			}
			if !strings.HasPrefix(p.Field, "spec") && !strings.HasPrefix(p.Field, "metadata.annotations") {
				t.Fatalf("%s is of no field of the pod", p)
			}
		}
	})
}
