package supervisor

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// TestWhatHadEndedIsRemembered: an ended pod is what it was, whether something of it is left (then Docker tells only exit
// codes) or not; one that the engine has and nobody remembers stays as it was found.
func TestWhatHadEndedIsRemembered(t *testing.T) {
	pod := func(name string, phase corev1.PodPhase) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}, Status: corev1.PodStatus{Phase: phase}}
	}
	b, err := json.Marshal(podState{Ended: map[types.UID]*corev1.Pod{
		"left": pod("left", corev1.PodFailed), "pruned": pod("pruned", corev1.PodSucceeded),
	}})
	var m podState
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]corev1.PodPhase{}
	for _, p := range m.over([]*corev1.Pod{pod("left", corev1.PodPending), pod("other", corev1.PodRunning)}) {
		got[p.Name] = p.Status.Phase
	}
	want := map[string]corev1.PodPhase{"left": corev1.PodFailed, "pruned": corev1.PodSucceeded, "other": corev1.PodRunning}
	for name, phase := range want {
		if got[name] != phase || len(got) != len(want) {
			t.Errorf("%s is %q of %v, want %q", name, got[name], got, phase)
		}
	}
}
