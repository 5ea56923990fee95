package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services/kube"
	"github.com/lyandev/lyandev/supervisor/controller"
)

// store holds the objects of a run by "Kind/name", and the order in which they came.
type store struct {
	objects map[string]kube.Object
	order   []string
	serial  int
	counts  map[string]int
}

func newStore() *store { return &store{objects: map[string]kube.Object{}, counts: map[string]int{}} }

func (s *store) key(o kube.Object) string {
	return o.GetObjectKind().GroupVersionKind().Kind + "/" + o.GetName()
}

// put stores an object, gives a new one an identity, and replaces one of the same name.
func (s *store) put(o kube.Object, now time.Time) {
	k := s.key(o)
	if _, known := s.objects[k]; !known {
		s.order = append(s.order, k)
	}
	if o.GetUID() == "" {
		s.serial++
		o.SetUID(types.UID(fmt.Sprintf("uid-%06d", s.serial)))
	}
	if o.GetCreationTimestamp().Time.IsZero() {
		o.SetCreationTimestamp(metav1.NewTime(now))
	}
	s.objects[k] = o
}

func (s *store) remove(k string) {
	delete(s.objects, k)
	s.order = slices.DeleteFunc(s.order, func(x string) bool { return x == k })
}

func (s *store) pod(name string) *corev1.Pod {
	p, _ := s.objects["Pod/"+name].(*corev1.Pod)
	return p
}

// all are the objects of one type, in the order in which they came.
func all[T any](s *store) []T {
	var out []T
	for _, k := range s.order {
		if o, ok := s.objects[k].(T); ok {
			out = append(out, o)
		}
	}
	return out
}

func (s *store) view(nodes []string, memory controller.Memory) controller.View {
	return controller.View{
		Deployments: all[*appsv1.Deployment](s), StatefulSets: all[*appsv1.StatefulSet](s), DaemonSets: all[*appsv1.DaemonSet](s),
		ReplicaSets: all[*appsv1.ReplicaSet](s), Jobs: all[*batchv1.Job](s), CronJobs: all[*batchv1.CronJob](s),
		Revisions: all[*appsv1.ControllerRevision](s), Pods: all[*corev1.Pod](s),
		Nodes: nodes, JobBatch: time.Second, Names: s.podName, Memory: memory,
	}
}

// podName counts instead of drawing lots, as the recorded traces do.
func (s *store) podName(p *corev1.Pod) string {
	prefix := p.GenerateName
	if ref := metav1.GetControllerOf(p); ref != nil && ref.Kind == "DaemonSet" {
		prefix += p.Spec.NodeName + "-"
	}
	s.counts[prefix]++
	return strings.TrimPrefix(fmt.Sprintf("%s%d", prefix, s.counts[prefix]), p.GenerateName)
}

// patch merges a patch into an object, by the rules of JSON merge patch.
func (s *store) patch(k string, patch map[string]any, now time.Time) error {
	old, ok := s.objects[k]
	if !ok {
		return fmt.Errorf("cannot patch %s: there is none", k)
	}
	b, err := json.Marshal(old)
	if err != nil {
		return fmt.Errorf("cannot patch %s: %w", k, err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		return fmt.Errorf("cannot patch %s: %w", k, err)
	}
	merged := merge(doc, patch)
	if b, err = json.Marshal(merged); err != nil {
		return fmt.Errorf("cannot patch %s: %w", k, err)
	}
	changed, err := decode(b)
	if err != nil {
		return fmt.Errorf("cannot patch %s: %w", k, err)
	}
	changed.SetGeneration(old.GetGeneration())
	if !reflect.DeepEqual(doc["spec"], merged["spec"]) {
		changed.SetGeneration(old.GetGeneration() + 1)
	}
	s.put(changed, now)
	return nil
}

func merge(into, patch map[string]any) map[string]any {
	into = maps.Clone(into)
	if into == nil {
		into = map[string]any{}
	}
	for k, v := range patch {
		below, isMap := v.(map[string]any)
		switch {
		case v == nil:
			delete(into, k)
		case isMap:
			had, _ := into[k].(map[string]any)
			into[k] = merge(had, below)
		default:
			into[k] = v
		}
	}
	return into
}
