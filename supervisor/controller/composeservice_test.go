package controller

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
)

// composeWorld is one ComposeService with its pods, and does what plans say.
type composeWorld struct {
	t    *testing.T
	s    *services.ComposeService
	pods []*corev1.Pod
	now  time.Time
}

func newComposeWorld(t *testing.T, replicas int32) *composeWorld {
	s := &services.ComposeService{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default", UID: "u"}}
	s.Spec.Replicas = &replicas
	s.Spec.Template.Spec.Containers = []corev1.Container{{Name: "web", Image: "web:1"}}
	return &composeWorld{t: t, s: s, now: time.Unix(1000, 0)}
}

// look makes one look, does what it plans, and returns the pods that were made and deleted.
func (w *composeWorld) look() []string {
	w.t.Helper()
	plan := Reconcile(View{ComposeServices: []*services.ComposeService{w.s}, Pods: w.pods}, w.now)
	var done []string
	for _, a := range plan.Actions {
		switch a := a.(type) {
		case CreatePod:
			done = append(done, "+"+a.Pod.Name)
			w.pods = append(w.pods, a.Pod)
		case DeletePod:
			done = append(done, "-"+a.Pod.Name)
			i := slices.Index(w.pods, a.Pod)
			p := a.Pod.DeepCopy()
			p.DeletionTimestamp = &metav1.Time{Time: w.now}
			w.pods[i] = p
		case UpdateStatus:
			w.s = a.Object.(*services.ComposeService)
		}
	}
	return done
}

// run makes all pods that are not being deleted run, ready or not.
func (w *composeWorld) run(ready bool) {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	for i, p := range w.pods {
		p = p.DeepCopy()
		p.Status.Phase = corev1.PodRunning
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: status}}
		w.pods[i] = p
	}
}

// gone takes the pods away that are being deleted.
func (w *composeWorld) gone() {
	w.pods = slices.DeleteFunc(w.pods, func(p *corev1.Pod) bool { return p.DeletionTimestamp != nil })
}

func (w *composeWorld) want(what string, got, want []string) {
	w.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func (w *composeWorld) change(image string) {
	w.s = w.s.DeepCopy()
	w.s.Spec.Template.Spec.Containers[0].Image = image
}

func TestComposeServiceScales(t *testing.T) {
	w := newComposeWorld(t, 3)
	w.want("start", w.look(), []string{"+web-1", "+web-2", "+web-3"})
	w.run(true)
	w.want("nothing to do", w.look(), nil)
	w.s = w.s.DeepCopy()
	*w.s.Spec.Replicas = 1
	w.want("down to one", w.look(), []string{"-web-3", "-web-2"})
	w.want("while they end", w.look(), nil)
	w.gone()
	w.want("when they have ended", w.look(), nil)
	if s := w.s.Status; s.Replicas != 1 || s.ReadyReplicas != 1 || s.UpdatedReplicas != 1 {
		t.Errorf("the status is %+v", s)
	}
}

// TestComposeServiceStopsFirst: two containers never use one volume, so a new one is made when the old one is gone.
func TestComposeServiceStopsFirst(t *testing.T) {
	w := newComposeWorld(t, 2)
	w.look()
	w.run(true)
	w.change("web:2")
	w.want("a new template", w.look(), []string{"-web-1", "-web-2"})
	w.want("while the old ones end", w.look(), nil)
	w.pods = w.pods[1:]
	w.want("one has ended", w.look(), []string{"+web-1"})
	w.gone()
	w.want("the other too", w.look(), []string{"+web-2"})
	w.want("settled", w.look(), nil)
}

func TestComposeServiceStartsFirstIfAsked(t *testing.T) {
	w := newComposeWorld(t, 2)
	w.s.Spec.StartFirst = true
	w.look()
	w.run(true)
	w.change("web:2")
	w.want("a new template", w.look(), []string{"+web-3", "+web-4"})
	w.want("while the new ones start", w.look(), nil)
	w.run(true)
	w.want("the new ones are ready", w.look(), []string{"-web-1", "-web-2"})
	w.gone()
	w.want("settled", w.look(), nil)
	w.change("web:3")
	w.want("next template", w.look(), []string{"+web-1", "+web-2"})
}

// TestComposeServiceKeepsWhatEnded: Docker restarts containers; what has ended stays until its template changes.
func TestComposeServiceKeepsWhatEnded(t *testing.T) {
	for _, phase := range []corev1.PodPhase{corev1.PodSucceeded, corev1.PodFailed} {
		w := newComposeWorld(t, 1)
		w.look()
		w.pods[0].Status.Phase = phase
		w.want(string(phase), w.look(), nil)
		w.change("web:2")
		w.want("changed after "+string(phase), w.look(), []string{"-web-1"})
		w.gone()
		w.want("it runs again", w.look(), []string{"+web-1"})
	}
}

func TestPodsOfAComposeServiceThatIsGone(t *testing.T) {
	w := newComposeWorld(t, 1)
	w.look()
	plan := Reconcile(View{Pods: w.pods}, w.now)
	if len(plan.Actions) != 1 || plan.Actions[0].String() != "delete pod web-1: ComposeService/web is gone" {
		t.Errorf("the plan is %s", plan)
	}
}
