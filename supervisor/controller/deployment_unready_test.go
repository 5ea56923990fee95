package controller_test

import (
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/controller"
)

// TestReplaceUnready: with ReplaceUnready old pods that are not available go all at once, and available ones still by the
// strategy; without it maxUnavailable counts for all of them.
func TestReplaceUnready(t *testing.T) {
	for name, c := range map[string]struct {
		replace bool
		unready int // of three old pods
		want    string
		steps   string // after the first new pods are ready
	}{
		"Kubernetes, none ready":     {false, 3, "img:1=3 img:2=1", "img:1=2 img:2=2"},
		"none ready":                 {true, 3, "img:1=0 img:2=3", "img:1=0 img:2=3"},
		"one ready":                  {true, 2, "img:1=1 img:2=3", "img:1=0 img:2=3"},
		"all ready":                  {true, 0, "img:1=3 img:2=1", "img:1=2 img:2=2"},
		"another Deployment is told": {false, 2, "img:1=3 img:2=1", "img:1=2 img:2=2"},
	} {
		t.Run(name, func(t *testing.T) {
			w := partlyReady(t, c.unready)
			w.view.ReplaceUnready = map[string]bool{"web": c.replace, "other": true}
			w.editDeployment(deployImage("img:2"))
			w.wantSizes(t, c.want)
			w.readyAll("img:2")
			w.wantSizes(t, c.steps)
		})
	}
}

// TestStartFirst: of the pods that replace unready ones, only StartFirst start until one of them is Ready, a container of one has ended
// or StartFirstLimit has passed: they would share the processors while nobody serves. Old pods that are not Ready go at once.
func TestStartFirst(t *testing.T) {
	for name, c := range map[string]struct {
		first, unready int
		happens        func(w *world, first *corev1.Pod)
		before, after  string
	}{
		"one is ready":         {1, 3, func(w *world, first *corev1.Pod) { w.setReady(true, first.Name) }, "img:1=0 img:2=1", "img:1=0 img:2=3"},
		"its container ended":  {1, 3, func(w *world, first *corev1.Pod) { w.change(first.Name, crashed) }, "img:1=0 img:2=1", "img:1=0 img:2=3"},
		"the limit has passed": {1, 3, func(w *world, _ *corev1.Pod) { w.wait(controller.StartFirstLimit) }, "img:1=0 img:2=1", "img:1=0 img:2=3"},
		"not yet":              {1, 3, func(w *world, _ *corev1.Pod) { w.wait(controller.StartFirstLimit - 2*time.Second) }, "img:1=0 img:2=1", "img:1=0 img:2=1"},
		"two at once":          {2, 3, func(*world, *corev1.Pod) {}, "img:1=0 img:2=2", "img:1=0 img:2=2"},
		"no limit":             {0, 3, func(*world, *corev1.Pod) {}, "img:1=0 img:2=3", "img:1=0 img:2=3"},
		"an old one serves":    {1, 2, func(*world, *corev1.Pod) {}, "img:1=1 img:2=1", "img:1=1 img:2=1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := partlyReady(t, c.unready)
			w.view.ReplaceUnready, w.view.StartFirst = map[string]bool{"web": true}, int32(c.first)
			w.editDeployment(deployImage("img:2"))
			w.wantSizes(t, c.before)
			i := slices.IndexFunc(w.view.Pods, func(p *corev1.Pod) bool { return p.Spec.Containers[0].Image == "img:2" })
			c.happens(w, w.view.Pods[i])
			w.wantSizes(t, c.after)
		})
	}
}

// crashed makes the container of a pod one that has ended and runs again.
func crashed(p *corev1.Pod) {
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "c", RestartCount: 1}}
}

// partlyReady is a world with a Deployment of three pods, of which some are not ready any more.
func partlyReady(t *testing.T, unready int) *world {
	t.Helper()
	w := newWorld(t)
	w.store(deployment(t, 3))
	w.settle()
	w.readyAll("img:1")
	w.settle()
	for _, p := range slices.Clone(w.view.Pods)[:unready] {
		w.setReady(false, p.Name)
	}
	return w
}

// TestGrowAnew: pods that come with a new template have it, and the old ones go when enough of the new ones are available; without
// GrowAnew, as in Kubernetes, the old ReplicaSet grows first, and is replaced then.
func TestGrowAnew(t *testing.T) {
	for name, c := range map[string]struct {
		on            bool
		before, after int32
		first, second string
	}{
		"it grows":               {true, 1, 3, "img:1=1 img:2=3", "img:1=0 img:2=3"},
		"it grows in Kubernetes": {false, 1, 3, "img:1=3 img:2=1", "img:1=2 img:2=2"},
		"it shrinks":             {true, 3, 1, "img:1=1 img:2=1", "img:1=0 img:2=1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.view.GrowAnew = c.on
			w.store(deployment(t, int(c.before)))
			w.settle()
			w.readyAll("img:1")
			w.settle()
			w.editDeployment(func(s *appsv1.DeploymentSpec) {
				deployImage("img:2")(s)
				deployReplicas(c.after)(s)
			})
			w.wantSizes(t, c.first)
			w.readyAll("img:2")
			w.wantSizes(t, c.second)
		})
	}
}
