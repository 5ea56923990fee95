package main

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services/kube"
)

// The latencies of scripted pods, as in the recorded traces.
const (
	startTakes   = 300 * time.Millisecond
	defaultReady = 1.0
	defaultTerm  = 0.5
)

// create stores an object; a pod begins to live.
func (r *run) create(o kube.Object) {
	r.put(o)
	p, ok := o.(*corev1.Pod)
	if !ok {
		return
	}
	p.Status.Phase = corev1.PodPending
	if p.Spec.NodeName == "" {
		p.Spec.NodeName = r.nodes[0]
	}
	r.log("podCreated", "%s image=%s", p.Name, image(p))
	s := r.scenario.Pods[image(p)]
	r.onPod(startTakes, p, r.started)
	if !s.NeverReady {
		r.onPod(or(s.ReadyAfter, defaultReady), p, func(p *corev1.Pod) { r.becomeReady(p) })
	}
	if s.UnreadyAt != nil {
		r.onPod(seconds(*s.UnreadyAt), p, func(p *corev1.Pod) { r.condition(p, false) })
	}
}

func image(p *corev1.Pod) string { return p.Spec.Containers[0].Image }

// onPod does something to a pod later, if the pod is still there and has not ended.
func (r *run) onPod(d time.Duration, p *corev1.Pod, do func(*corev1.Pod)) {
	name, uid := p.Name, p.UID
	r.after(d, func() error {
		now := r.store.pod(name)
		if now != nil && now.UID == uid && now.Status.Phase != corev1.PodSucceeded && now.Status.Phase != corev1.PodFailed {
			now = now.DeepCopy()
			do(now)
			r.put(now)
		}
		return nil
	})
}

// started is the start of a run of the pod's container.
func (r *run) started(p *corev1.Pod) {
	if p.Status.PodIP == "" {
		p.Status.PodIP = fmt.Sprintf("10.1.%d.%d", r.addresses/250, r.addresses%250+1)
		r.addresses++
	}
	p.Status.Phase = corev1.PodRunning
	if s := r.scenario.Pods[image(p)]; s.ExitAfter != nil {
		r.onPod(seconds(*s.ExitAfter), p, r.exited)
	}
}

// becomeReady is the first success of the pod's readiness. One that is being deleted stays as it is.
func (r *run) becomeReady(p *corev1.Pod) {
	if p.DeletionTimestamp != nil {
		return
	}
	r.condition(p, true)
	r.log("podReady", "%s", p.Name)
}

func (r *run) condition(p *corev1.Pod, ready bool) {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: status, LastTransitionTime: metav1.NewTime(r.now)}}
}

// exited is the end of a run: a run that failed restarts in place unless the policy is Never, any other ends the pod, also
// under Always, as in the recorded traces.
func (r *run) exited(p *corev1.Pod) {
	if p.DeletionTimestamp != nil {
		return
	}
	code := r.exitCode(image(p))
	if len(p.Status.ContainerStatuses) == 0 {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: p.Spec.Containers[0].Name}}
	}
	c := &p.Status.ContainerStatuses[0]
	if code != 0 && p.Spec.RestartPolicy != corev1.RestartPolicyNever {
		r.condition(p, false)
		r.restart(p, r.now)
		return
	}
	p.Status.Phase = corev1.PodSucceeded
	if code != 0 {
		p.Status.Phase = corev1.PodFailed
	}
	r.condition(p, false)
	c.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, FinishedAt: metav1.NewTime(r.now)}}
	r.log("podEnd", "%s %s exit=%d", p.Name, p.Status.Phase, code)
}

// restart starts the container again as soon as its back-off lets it.
func (r *run) restart(p *corev1.Pod, exit time.Time) {
	d := r.restarts.Attempt(string(p.UID), exit, r.now)
	if !d.Start {
		r.onPod(d.Until.Sub(r.now), p, func(p *corev1.Pod) { r.restart(p, exit) })
		return
	}
	p.Status.ContainerStatuses[0].RestartCount++
	r.onPod(startTakes, p, r.started)
	if s := r.scenario.Pods[image(p)]; !s.NeverReady {
		r.onPod(or(s.ReadyAfter, defaultReady), p, func(p *corev1.Pod) { r.becomeReady(p) })
	}
}

// exitCode is that of the image's next run.
func (r *run) exitCode(image string) int32 {
	codes := r.scenario.Pods[image].ExitCodes
	n := r.runs[image]
	r.runs[image]++
	if len(codes) == 0 {
		return 0
	}
	return codes[min(n, len(codes)-1)]
}

// deletePod begins the deletion of a pod; one that has ended is gone at once.
func (r *run) deletePod(name string) {
	p := r.store.pod(name)
	if p == nil || p.DeletionTimestamp != nil {
		return
	}
	p = p.DeepCopy()
	now := metav1.NewTime(r.now)
	p.DeletionTimestamp = &now
	r.put(p)
	r.log("podDelete", "%s", name)
	if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
		r.gone(p)
		return
	}
	r.after(or(r.scenario.Pods[image(p)].TermTakes, defaultTerm), func() error {
		r.gone(p)
		return nil
	})
}

func (r *run) gone(p *corev1.Pod) {
	if now := r.store.pod(p.Name); now != nil && now.UID == p.UID {
		r.store.remove("Pod/" + p.Name)
		r.log("podGone", "%s", p.Name)
	}
}

func (r *run) setReady(name string, ready bool) {
	if p := r.store.pod(name); p != nil {
		p = p.DeepCopy()
		r.condition(p, ready)
		r.put(p)
	}
}
