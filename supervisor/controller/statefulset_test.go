package controller_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/lyandev/lyandev/supervisor/controller"
)

const statefulYAML = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: default}
spec:
  replicas: %d
  serviceName: db
  podManagementPolicy: %s
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers: [{name: c, image: "img:1", volumeMounts: [{name: data, mountPath: /data}]}]
      volumes: [{name: data, emptyDir: {}}, {name: other, emptyDir: {}}]
  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]
`

func stateful(t failer, replicas int, policy string) *appsv1.StatefulSet {
	return object[*appsv1.StatefulSet](t, fmt.Sprintf(statefulYAML, replicas, policy))
}

func (w *world) editSet(do func(*appsv1.StatefulSetSpec)) {
	s := w.view.StatefulSets[0].DeepCopy()
	do(&s.Spec)
	w.store(s)
}

func image(i string) func(*appsv1.StatefulSetSpec) {
	return func(s *appsv1.StatefulSetSpec) { s.Template.Spec.Containers[0].Image = i }
}

func replicas(n int32) func(*appsv1.StatefulSetSpec) {
	return func(s *appsv1.StatefulSetSpec) { s.Replicas = &n }
}

func TestStatefulSetCreatesInOrderR170(t *testing.T) {
	w := newWorld(t)
	w.view.StatefulSets = []*appsv1.StatefulSet{stateful(t, 3, "OrderedReady")}
	w.settle()
	w.wantPods("db-0")
	w.setReady(false, "db-0")
	w.settle()
	w.wantPods("db-0")
	w.setReady(true, "db-0")
	w.settle()
	w.wantPods("db-0", "db-1")
	w.setReady(true, "db-1")
	w.wantPlan(t, "create pod db-2 (img:1): StatefulSet/db wants ordinal 2, and all before it are ready")
	w.setReady(false, "db-0")
	w.settle()
	w.wantPods("db-0", "db-1")
}

func TestStatefulSetWaitsForMinReadySecondsR170(t *testing.T) {
	w := newWorld(t)
	s := stateful(t, 2, "OrderedReady")
	s.Spec.MinReadySeconds = 5
	w.view.StatefulSets = []*appsv1.StatefulSet{s}
	w.settle()
	w.setReady(true, "db-0")
	w.wait(4 * time.Second)
	w.wantPods("db-0")
	w.wait(time.Second)
	w.wantPods("db-0", "db-1")
}

func TestParallelStatefulSetR171(t *testing.T) {
	w := newWorld(t)
	w.view.StatefulSets = []*appsv1.StatefulSet{stateful(t, 3, "Parallel")}
	w.settle()
	w.wantPods("db-0", "db-1", "db-2")
	w.editSet(replicas(1))
	w.settle()
	w.wantPods("db-0", "db-1(deleted)", "db-2(deleted)")
}

func TestScaleDownR172(t *testing.T) {
	tests := []struct {
		name    string
		unready []string
		want    []string
	}{
		{"the highest first", nil, []string{"db-0", "db-1", "db-2(deleted)"}},
		{"not while a remaining one is unready", []string{"db-0"}, []string{"db-0", "db-1", "db-2"}},
		{"a lower condemned one does not count", []string{"db-1"}, []string{"db-0", "db-1", "db-2(deleted)"}},
		{"two unready ones wait for the lower", []string{"db-1", "db-2"}, []string{"db-0", "db-1", "db-2"}},
		{"the condemned one may be the unready one", []string{"db-2"}, []string{"db-0", "db-1", "db-2(deleted)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.view.StatefulSets = []*appsv1.StatefulSet{stateful(t, 3, "OrderedReady")}
			w.allReady()
			w.setReady(false, tt.unready...)
			w.editSet(replicas(1))
			w.settle()
			w.wantPods(tt.want...)
		})
	}
}

func TestScaleDownWaitsUntilTheFormerIsGoneR172(t *testing.T) {
	w := newWorld(t)
	w.view.StatefulSets = []*appsv1.StatefulSet{stateful(t, 3, "OrderedReady")}
	w.allReady()
	w.editSet(replicas(0))
	w.settle()
	w.wantPods("db-0", "db-1", "db-2(deleted)")
	w.gone("db-2")
	w.wantPlan(t, "delete pod db-1: StatefulSet/db wants 0 pods")
	w.settle()
	w.gone("db-1")
	w.settle()
	w.wantPods("db-0(deleted)")
}

func TestAPodComesBackUnderItsNameR173(t *testing.T) {
	for _, policy := range []string{"OrderedReady", "Parallel"} {
		t.Run(policy, func(t *testing.T) {
			w := newWorld(t)
			w.view.StatefulSets = []*appsv1.StatefulSet{stateful(t, 2, policy)}
			w.allReady()
			w.delete("db-0")
			w.settle()
			w.wantPods("db-0(deleted)", "db-1")
			w.gone("db-0")
			w.settle()
			w.wantPods("db-0", "db-1")
			w.setReady(true, "db-0")
			w.end("db-1", 0)
			w.wantPlan(t, "delete pod db-1: it has ended (Succeeded) and is made anew")
			w.settle()
			w.gone("db-1")
			w.settle()
			w.wantPods("db-0", "db-1")
		})
	}
}

func TestRollingUpdateGoesDownOneByOneR174(t *testing.T) {
	for _, policy := range []string{"OrderedReady", "Parallel"} {
		t.Run(policy, func(t *testing.T) {
			w := newWorld(t)
			w.view.StatefulSets = []*appsv1.StatefulSet{stateful(t, 3, policy)}
			w.allReady()
			w.editSet(image("img:2"))
			for i := 2; i >= 0; i-- {
				name := fmt.Sprintf("db-%d", i)
				w.settle()
				if d := w.pod(name).DeletionTimestamp; d == nil {
					t.Fatalf("%s is not replaced: %v", name, w.podNames())
				}
				w.gone(name)
				w.settle()
				w.wantPods("db-0", "db-1", "db-2")
				if got := w.pod(name).Spec.Containers[0].Image; got != "img:2" {
					t.Fatalf("%s has %s", name, got)
				}
				w.setReady(true, name)
			}
			w.settle()
			st := w.view.StatefulSets[0].Status
			if st.CurrentRevision != st.UpdateRevision || st.UpdatedReplicas != 3 {
				t.Fatalf("the update is not complete: %+v", st)
			}
		})
	}
}

func TestPartitionR175(t *testing.T) {
	w := newWorld(t)
	s := stateful(t, 3, "OrderedReady")
	two := int32(2)
	s.Spec.UpdateStrategy.RollingUpdate.Partition = &two
	w.view.StatefulSets = []*appsv1.StatefulSet{s}
	w.allReady()
	w.editSet(image("img:2"))
	w.allReady()
	for name, want := range map[string]string{"db-0": "img:1", "db-1": "img:1", "db-2": "img:2"} {
		if got := w.pod(name).Spec.Containers[0].Image; got != want {
			t.Fatalf("%s has %s, want %s", name, got, want)
		}
	}
	w.delete("db-0")
	w.allReady()
	if got := w.pod("db-0").Spec.Containers[0].Image; got != "img:1" {
		t.Fatalf("db-0 came back with %s, want the old version", got)
	}
	if w.view.StatefulSets[0].Status.CurrentRevision == w.view.StatefulSets[0].Status.UpdateRevision {
		t.Fatal("a partitioned update must not be complete")
	}
}

func TestAnUpdateWithoutItsFieldsR175(t *testing.T) {
	w := newWorld(t)
	s := stateful(t, 3, "Parallel")
	s.Spec.UpdateStrategy.RollingUpdate = nil
	w.view.StatefulSets = []*appsv1.StatefulSet{s}
	w.allReady()
	w.editSet(image("img:2"))
	w.settle()
	w.gone("db-2")
	w.settle()
	w.delete("db-0")
	w.gone("db-0")
	w.settle()
	if a, b := w.pod("db-0").Spec.Containers[0].Image, w.pod("db-2").Spec.Containers[0].Image; a != "img:1" || b != "img:2" {
		t.Fatalf("images are %s and %s", a, b)
	}
	w.allReady()
	if got := w.pod("db-0").Spec.Containers[0].Image; got != "img:2" {
		t.Fatalf("db-0 ends with %s", got)
	}
}

// TestReplaceStuck: a pod that fails with an old template does not keep the new one from being rolled out, unless nothing says so.
func TestReplaceStuck(t *testing.T) {
	failing := func(p *corev1.Pod) {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: "c", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
		}}
	}
	restarted := func(s *appsv1.StatefulSetSpec) {
		s.Template.Annotations = map[string]string{"kubectl.kubernetes.io/restartedAt": "now"}
	}
	for _, c := range []struct {
		name     string
		on       bool
		edit     func(*appsv1.StatefulSetSpec)
		pod      func(*corev1.Pod)
		replaced bool
	}{
		{"it fails", true, image("img:2"), failing, true},
		{"it is only not ready", true, image("img:2"), func(*corev1.Pod) {}, false},
		{"a restart of one that is not ready", true, restarted, func(*corev1.Pod) {}, true},
		{"as Kubernetes", false, image("img:2"), failing, false},
		{"the template is the same", true, func(*appsv1.StatefulSetSpec) {}, failing, false},
		{"the partition spares it", true, func(s *appsv1.StatefulSetSpec) {
			two := int32(2)
			image("img:2")(s)
			s.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: &two}
		}, failing, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.view.ReplaceStuck = c.on
			w.view.StatefulSets = []*appsv1.StatefulSet{stateful(t, 2, "OrderedReady")}
			w.allReady()
			w.setReady(false, "db-0")
			w.change("db-0", c.pod)
			w.editSet(c.edit)
			w.settle()
			if got := w.pod("db-0").DeletionTimestamp != nil; got != c.replaced {
				t.Errorf("replaced: %v", got)
			}
			if w.pod("db-1").DeletionTimestamp != nil {
				t.Error("the other pod is replaced at the same time")
			}
		})
	}
}

func TestOnDeleteR175(t *testing.T) {
	w := newWorld(t)
	s := stateful(t, 2, "OrderedReady")
	s.Spec.UpdateStrategy = appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType}
	w.view.StatefulSets = []*appsv1.StatefulSet{s}
	w.allReady()
	w.editSet(image("img:2"))
	w.allReady()
	w.delete("db-1")
	w.allReady()
	if a, b := w.pod("db-0").Spec.Containers[0].Image, w.pod("db-1").Spec.Containers[0].Image; a != "img:1" || b != "img:2" {
		t.Fatalf("images are %s and %s", a, b)
	}
}

func TestAStuckUpdateR176(t *testing.T) {
	for _, policy := range []string{"OrderedReady", "Parallel"} {
		t.Run(policy, func(t *testing.T) {
			w := newWorld(t)
			w.view.StatefulSets = []*appsv1.StatefulSet{stateful(t, 3, policy)}
			w.allReady()
			w.editSet(image("img:2"))
			w.settle()
			w.gone("db-2")
			w.settle()
			w.setReady(false, "db-2")
			w.settle()
			w.wantPods("db-0", "db-1", "db-2")
			w.editSet(image("img:1"))
			w.settle()
			if policy == "Parallel" {
				w.wantPods("db-0", "db-1", "db-2(deleted)")
				return
			}
			w.wantPods("db-0", "db-1", "db-2")
			w.delete("db-2")
			w.allReady()
			if got := w.pod("db-2").Spec.Containers[0].Image; got != "img:1" {
				t.Fatalf("db-2 has %s", got)
			}
		})
	}
}

func TestAnUpdateWaitsForAnUnreadyOldPodR176(t *testing.T) {
	w := newWorld(t)
	w.view.StatefulSets = []*appsv1.StatefulSet{stateful(t, 3, "OrderedReady")}
	w.allReady()
	w.setReady(false, "db-0")
	w.editSet(image("img:2"))
	w.settle()
	w.wantPods("db-0", "db-1", "db-2")
	w.setReady(true, "db-0")
	w.settle()
	w.wantPods("db-0", "db-1", "db-2(deleted)")
}

func TestIdentityOfAPodR177(t *testing.T) {
	w := newWorld(t)
	s := stateful(t, 2, "Parallel")
	s.Spec.Ordinals = &appsv1.StatefulSetOrdinals{Start: 5}
	w.view.StatefulSets = []*appsv1.StatefulSet{s}
	w.settle()
	w.wantPods("db-5", "db-6")
	p := w.pod("db-6")
	if p.Spec.Hostname != "db-6" || p.Spec.Subdomain != "db" {
		t.Errorf("hostname %q, subdomain %q", p.Spec.Hostname, p.Spec.Subdomain)
	}
	for key, want := range map[string]string{
		"statefulset.kubernetes.io/pod-name": "db-6", "apps.kubernetes.io/pod-index": "6", "app": "db",
		"controller-revision-hash": w.view.Revisions[0].Name,
	} {
		if p.Labels[key] != want {
			t.Errorf("label %s is %q, want %q", key, p.Labels[key], want)
		}
	}
	if len(p.Spec.Volumes) != 2 || p.Spec.Volumes[0].PersistentVolumeClaim == nil ||
		p.Spec.Volumes[0].PersistentVolumeClaim.ClaimName != "data-db-6" || p.Spec.Volumes[1].Name != "other" {
		t.Errorf("volumes are %+v", p.Spec.Volumes)
	}
	if o := p.OwnerReferences; len(o) != 1 || o[0].Kind != "StatefulSet" || o[0].Name != "db" || o[0].UID != "db-uid" || !*o[0].Controller {
		t.Errorf("owner is %+v", o)
	}
}

func TestDeletingASetDeletesItsPodsR178(t *testing.T) {
	w := newWorld(t)
	w.view.StatefulSets = []*appsv1.StatefulSet{stateful(t, 3, "OrderedReady")}
	w.allReady()
	w.view.StatefulSets = nil
	w.settle()
	w.wantPods("db-0(deleted)", "db-1(deleted)", "db-2(deleted)")
	if len(w.view.Revisions) != 0 {
		t.Error("revisions are left")
	}
}

func TestOnlyTheTemplateChangesPodsR179(t *testing.T) {
	w := newWorld(t)
	w.view.StatefulSets = []*appsv1.StatefulSet{stateful(t, 2, "OrderedReady")}
	w.allReady()
	w.editSet(func(s *appsv1.StatefulSetSpec) {
		s.UpdateStrategy = appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType}
		s.MinReadySeconds = 0
	})
	w.settle()
	w.wantPods("db-0", "db-1")
	if len(w.view.Revisions) != 1 {
		t.Errorf("%d revisions", len(w.view.Revisions))
	}
}

func TestHistoryIsReusedAndLimited(t *testing.T) {
	w := newWorld(t)
	s := stateful(t, 1, "OrderedReady")
	limit := int32(1)
	s.Spec.RevisionHistoryLimit = &limit
	w.view.StatefulSets = []*appsv1.StatefulSet{s}
	for _, i := range []string{"img:1", "img:2", "img:1", "img:3", "img:4"} {
		w.editSet(image(i))
		w.allReady()
	}
	w.settle()
	if len(w.view.Revisions) != 2 {
		t.Errorf("%d revisions are kept, want the live one and one old", len(w.view.Revisions))
	}
	if !w.did("update revision") {
		t.Error("a former template did not reuse its revision")
	}
}

// TestStatefulSetInvariants throws events at a set and checks what must never happen.
func TestStatefulSetInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policy := rapid.SampledFrom([]string{"OrderedReady", "Parallel"}).Draw(t, "policy")
		w := newWorld(t)
		w.view.StatefulSets = []*appsv1.StatefulSet{stateful(t, rapid.IntRange(0, 4).Draw(t, "replicas"), policy)}
		w.onPlan = func(p controller.Plan) { checkStateful(t, w, p, policy == "OrderedReady") }
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			w.settle()
			w.now = w.now.Add(time.Second)
			w.happen(t)
			if rapid.IntRange(0, 9).Draw(t, "edit") == 0 {
				w.editSet(replicas(int32(rapid.IntRange(0, 4).Draw(t, "n"))))
			}
			if rapid.IntRange(0, 9).Draw(t, "roll") == 0 {
				w.editSet(image(fmt.Sprintf("img:%d", rapid.IntRange(1, 3).Draw(t, "image"))))
			}
		}
		// Only a human repairs a stuck OrderedReady update (R176) and clears two ended pods in the way of a scale down (R172).
		for _, p := range w.view.Pods {
			switch {
			case p.DeletionTimestamp != nil:
			case p.Status.Phase == corev1.PodRunning:
				w.setReady(true, p.Name)
			case p.Status.Phase != "":
				w.delete(p.Name)
			}
		}
		w.allReady()
		if n := int(*w.view.StatefulSets[0].Spec.Replicas); len(w.view.Pods) != n {
			t.Fatalf("%d pods in the end, want %d: %v", len(w.view.Pods), n, w.podNames())
		}
		for _, p := range w.view.Pods {
			if p.Spec.Containers[0].Image != w.view.StatefulSets[0].Spec.Template.Spec.Containers[0].Image {
				t.Fatalf("%s has the old image in the end", p.Name)
			}
		}
	})
}

// checkStateful: with OrderedReady a plan touches one pod, and creates one only if all lower ones are ready. world itself fails
// when a name is made twice.
func checkStateful(t *rapid.T, w *world, p controller.Plan, ordered bool) {
	if !ordered {
		return
	}
	touched := 0
	for _, a := range p.Actions {
		c, isCreate := a.(controller.CreatePod)
		if _, isDelete := a.(controller.DeletePod); isCreate || isDelete {
			touched++
		}
		if !isCreate {
			continue
		}
		var n int
		if _, err := fmt.Sscanf(c.Pod.Name, "db-%d", &n); err != nil {
			t.Fatalf("%v", err)
		}
		for i := range n {
			low := w.pod(fmt.Sprintf("db-%d", i))
			if low == nil || low.DeletionTimestamp != nil || len(low.Status.Conditions) == 0 || low.Status.Conditions[0].Status != corev1.ConditionTrue {
				t.Fatalf("db-%d is made before db-%d is ready: %v", n, i, w.podNames())
			}
		}
	}
	if touched > 1 {
		t.Fatalf("%d pods are touched at once:\n%s", touched, p)
	}
}

// happen lets something happen to one pod.
func (w *world) happen(t *rapid.T) {
	if len(w.view.Pods) == 0 {
		return
	}
	p := w.view.Pods[rapid.IntRange(0, len(w.view.Pods)-1).Draw(t, "pod")]
	what := rapid.SampledFrom([]string{"ready", "ready", "ready", "unready", "end", "delete", "gone"}).Draw(t, "what")
	over := strings.HasPrefix(string(p.Status.Phase), "S") || p.Status.Phase == corev1.PodFailed
	switch {
	case p.DeletionTimestamp != nil:
		w.gone(p.Name)
	case what == "ready" && !over:
		w.setReady(true, p.Name)
	case what == "unready" && !over:
		w.setReady(false, p.Name)
	case what == "end" && !over:
		w.end(p.Name, int32(rapid.IntRange(0, 1).Draw(t, "code")))
	case what == "delete":
		w.delete(p.Name)
	}
}
