package cluster_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	"github.com/lyandev/lyandev/supervisor/cluster"
)

func pod(namespace, name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

func deployment(name string, replicas int32) *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	d.Spec.Replicas = &replicas
	return d
}

func mustCreate[T cluster.Object](t *testing.T, s *cluster.Store, o T) T {
	t.Helper()
	stored, err := s.Create(o, "")
	if err != nil {
		t.Fatal(err)
	}
	return stored.(T)
}

func TestCreateCompletesMetadata(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := cluster.New(cluster.Config{Now: func() time.Time { return at }})
	given := deployment("web", 1)
	d := mustCreate(t, s, given)
	if d.UID == "" || d.ResourceVersion != "1" || d.Generation != 1 || !d.CreationTimestamp.Time.Equal(at) {
		t.Errorf("stored metadata: %+v", d.ObjectMeta)
	}
	if given.UID != "" || given.ResourceVersion != "" {
		t.Error("the caller's object was changed")
	}
	if m := mustCreate(t, s, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "c"}}); m.Generation != 0 || m.ResourceVersion != "2" {
		t.Errorf("a kind without a spec counts no generations, and revisions are shared by all kinds: %+v", m.ObjectMeta)
	}
	if _, err := s.Create(given, ""); !apierrors.IsAlreadyExists(err) {
		t.Errorf("created twice: %v", err)
	}
}

func TestObjectsOfTwoNamespacesAreTwo(t *testing.T) {
	s := cluster.New(cluster.Config{})
	a, b := mustCreate(t, s, pod("b", "p")), mustCreate(t, s, pod("a", "p"))
	if got, ok := cluster.Get[*corev1.Pod](s, "b", "p"); !ok || got != a {
		t.Error("not the pod of namespace b")
	}
	if got := cluster.List[*corev1.Pod](s); !slices.Equal(got, []*corev1.Pod{b, a}) {
		t.Errorf("list is not in the order of namespaces: %v", got)
	}
	if _, ok := cluster.Get[*corev1.Pod](s, "c", "p"); ok {
		t.Error("a pod in a namespace that has none")
	}
}

func TestUpdateComparesResourceVersions(t *testing.T) {
	s := cluster.New(cluster.Config{})
	first := mustCreate(t, s, deployment("web", 1))
	second := first.DeepCopy()
	second.Spec.Replicas = new(int32(2))
	stored, err := s.Update(second, "")
	if err != nil || stored.GetGeneration() != 2 || stored.GetResourceVersion() != "2" {
		t.Fatalf("stored %v, %v", stored, err)
	}
	stale := first.DeepCopy()
	stale.Spec.Replicas = new(int32(3))
	if _, err := s.Update(stale, ""); !apierrors.IsConflict(err) || !strings.Contains(err.Error(), "read it again") {
		t.Errorf("a write of a version that is not the newest: %v", err)
	}
	stale.ResourceVersion = ""
	if got, err := s.Update(stale, ""); err != nil || got.GetGeneration() != 3 || got.GetUID() != first.UID {
		t.Errorf("a write without a version: %v, %v", got, err)
	}
	stale.UID = "another"
	if _, err := s.Update(stale, ""); !apierrors.IsConflict(err) {
		t.Errorf("a write to an object that has been replaced: %v", err)
	}
	if _, err := s.Update(deployment("nosuch", 1), ""); !apierrors.IsNotFound(err) {
		t.Errorf("an update of nothing: %v", err)
	}
}

func TestStatusAndMetadataKeepTheGeneration(t *testing.T) {
	s := cluster.New(cluster.Config{})
	d := mustCreate(t, s, deployment("web", 1)).DeepCopy()
	d.Status.ReadyReplicas, d.Labels = 1, map[string]string{"a": "b"}
	got, err := s.Update(d, "")
	if err != nil || got.GetGeneration() != 1 || got.GetResourceVersion() != "2" {
		t.Errorf("after a change of status: generation %d, version %s, %v", got.GetGeneration(), got.GetResourceVersion(), err)
	}
	again, err := s.Update(got.DeepCopyObject().(cluster.Object), "")
	if err != nil || again != got || s.Revision() != 2 {
		t.Errorf("an update that changes nothing made revision %d, %v", s.Revision(), err)
	}
}

func TestCustomResourcesAreHeldUnstructured(t *testing.T) {
	s := cluster.New(cluster.Config{})
	make := func(replicas int64) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "db.example/v1", "kind": "Cluster", "metadata": map[string]any{"namespace": "default", "name": "c"},
			"spec": map[string]any{"replicas": replicas}, "status": map[string]any{"state": "new"},
		}}
	}
	first := mustCreate(t, s, make(1))
	if cluster.Kind(first).String() != "Cluster.db.example" || first.GetGeneration() != 1 {
		t.Errorf("kind %s, generation %d", cluster.Kind(first), first.GetGeneration())
	}
	second := make(1)
	second.Object["status"] = map[string]any{"state": "ready"}
	if got, err := s.Update(second, ""); err != nil || got.GetGeneration() != 1 {
		t.Errorf("a change of status: generation %d, %v", got.GetGeneration(), err)
	}
	if got, err := s.Update(make(2), ""); err != nil || got.GetGeneration() != 2 {
		t.Errorf("a change of spec: generation %d, %v", got.GetGeneration(), err)
	}
	if list, _ := s.List(cluster.Kind(first)); len(list) != 1 {
		t.Errorf("list: %v", list)
	}
}

func TestDelete(t *testing.T) {
	s := cluster.New(cluster.Config{})
	key := cluster.KeyOf(pod("default", "p"))
	if err := s.Delete(key, cluster.Preconditions{}); !apierrors.IsNotFound(err) {
		t.Errorf("a deletion of nothing: %v", err)
	}
	p := mustCreate(t, s, pod("default", "p"))
	if err := s.Delete(key, cluster.Preconditions{UID: "another"}); !apierrors.IsConflict(err) {
		t.Errorf("a deletion of another pod of the name: %v", err)
	}
	if err := s.Delete(key, cluster.Preconditions{UID: p.UID, ResourceVersion: p.ResourceVersion}); err != nil {
		t.Error(err)
	}
	if _, there := s.Get(key); there || s.Revision() != 2 {
		t.Errorf("there %v, revision %d: a deletion is a change", there, s.Revision())
	}
}

func TestFinalizersDelayTheDeletion(t *testing.T) {
	s := cluster.New(cluster.Config{})
	p := pod("default", "p")
	p.Finalizers = []string{"example/keep"}
	key := cluster.KeyOf(mustCreate(t, s, p))
	for range 2 {
		if err := s.Delete(key, cluster.Preconditions{}); err != nil {
			t.Fatal(err)
		}
	}
	marked, _ := cluster.Get[*corev1.Pod](s, "default", "p")
	if marked == nil || marked.DeletionTimestamp == nil || s.Revision() != 2 {
		t.Fatalf("marked %v at revision %d", marked, s.Revision())
	}
	freed := marked.DeepCopy()
	freed.Finalizers = nil
	if _, err := s.Update(freed, ""); err != nil {
		t.Fatal(err)
	}
	if _, there := s.Get(key); there {
		t.Error("it outlives its last finalizer")
	}
}

// TestRevisionsAreNeverReused: a store that follows another, also one that was killed, begins beyond all that it gave out.
func TestRevisionsAreNeverReused(t *testing.T) {
	var mark uint64
	fail := false
	reserve := func(upTo uint64) error {
		if fail {
			return errors.New("disk full")
		}
		mark = upTo
		return nil
	}
	s := cluster.New(cluster.Config{Reserve: reserve})
	mustCreate(t, s, pod("default", "a"))
	last := s.Revision()
	if mark < last {
		t.Fatalf("revision %d was given out with %d reserved", last, mark)
	}
	next := cluster.New(cluster.Config{HighWater: mark, Reserve: reserve})
	fail = true
	p := mustCreate(t, next, pod("default", "a"))
	if r, _ := strconv.ParseUint(p.ResourceVersion, 10, 64); r <= last {
		t.Errorf("revision %d was given out twice", r)
	}
	fail = false
	mustCreate(t, next, pod("default", "b"))
	if mark < next.Revision() {
		t.Error("a reservation that failed was not tried again")
	}
}

func TestAListIsNotChangedByWrites(t *testing.T) {
	s := cluster.New(cluster.Config{})
	for i := range 3 {
		mustCreate(t, s, pod("default", fmt.Sprint("p", i)))
	}
	typed := cluster.List[*corev1.Pod](s)
	list, _ := s.List(cluster.KeyOf(typed[0]).Kind)
	before := typed[1]
	changed := before.DeepCopy()
	changed.Status.Phase = corev1.PodRunning
	if _, err := s.Update(changed, ""); err != nil {
		t.Fatal(err)
	}
	if typed[1] != before || list[1] != cluster.Object(before) || before.Status.Phase != "" {
		t.Error("a list that was handed out changed")
	}
	if now := cluster.List[*corev1.Pod](s); now[1].Status.Phase != corev1.PodRunning {
		t.Error("the next list does not show the change")
	}
}

// TestStoreAgainstModel compares the store with a map under random writes, and a watcher with the writes.
func TestStoreAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := cluster.New(cluster.Config{})
		kind := cluster.Kind(pod("", ""))
		model := map[string]string{} // namespace/name -> phase
		watch, err := s.Watch(kind, 0)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]string{}
		for range rapid.IntRange(1, 60).Draw(t, "writes") {
			p := pod(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "namespace"), rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "name"))
			p.Status.Phase = corev1.PodPhase(rapid.SampledFrom([]string{"Pending", "Running"}).Draw(t, "phase"))
			key := p.Namespace + "/" + p.Name
			_, there := model[key]
			before := s.Revision()
			var err error
			switch rapid.SampledFrom([]string{"create", "update", "apply", "delete"}).Draw(t, "do") {
			case "create":
				if _, err = s.Create(p, ""); (err == nil) == there {
					t.Fatalf("create of %s that is there %v: %v", key, there, err)
				}
			case "update":
				if _, err = s.Update(p, ""); (err == nil) != there {
					t.Fatalf("update of %s that is there %v: %v", key, there, err)
				}
			case "apply":
				if _, err = s.Apply(p, ""); err != nil {
					t.Fatal(err)
				}
			case "delete":
				if err = s.Delete(cluster.KeyOf(p), cluster.Preconditions{}); (err == nil) != there {
					t.Fatalf("delete of %s that is there %v: %v", key, there, err)
				}
				delete(model, key)
				continue
			}
			if err == nil {
				model[key] = string(p.Status.Phase)
			}
			if s.Revision() > before+1 {
				t.Fatalf("one write made %d revisions", s.Revision()-before)
			}
		}
		for revision := uint64(0); revision < s.RevisionOf(kind); {
			e, err := watch.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if e.Revision <= revision {
				t.Fatalf("revision %d after %d", e.Revision, revision)
			}
			revision = e.Revision
			p := e.Object.(*corev1.Pod)
			seen[p.Namespace+"/"+p.Name] = string(p.Status.Phase)
			if e.Type == cluster.Deleted {
				delete(seen, p.Namespace+"/"+p.Name)
			}
		}
		listed := map[string]string{}
		for _, p := range cluster.List[*corev1.Pod](s) {
			listed[p.Namespace+"/"+p.Name] = string(p.Status.Phase)
		}
		if fmt.Sprint(model) != fmt.Sprint(listed) || fmt.Sprint(model) != fmt.Sprint(seen) {
			t.Fatalf("model %v, listed %v, watched %v", model, listed, seen)
		}
	})
}
