package supervisor

import (
	"context"
	"encoding/json"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/bootstrap"
	"github.com/lyandev/lyandev/supervisor/controller"
	"github.com/lyandev/lyandev/supervisor/podchange"
	"github.com/lyandev/lyandev/supervisor/workers"
)

// adopt takes over what a former supervisor left running: the network, the agent with its table, the pods with their
// counters. Nothing is restarted. It fails when the engine does not answer.
func (s *Supervisor) adopt(ctx context.Context) error {
	_, pods, err := s.pods.Open(ctx)
	if err != nil {
		return err
	}
	if len(pods) == 0 {
		s.switcher.Discard()
		return nil
	}
	s.log.Info("found the stack running", "pods", len(pods))
	table, err := s.podnet.Adopt(ctx)
	if err != nil {
		return err
	}
	pods = s.recallPods(pods)
	ready := readyIn(table)
	for _, p := range pods {
		s.podnet.AdoptPod(p.Name, p.Status.PodIP)
		if ready[string(p.UID)] && runs(p) {
			workers.MarkReady(p, services.RightGate, bootstrap.Gate)
		}
		s.world.pods[p.Name] = p
	}
	s.adoptEnded(pods)
	s.world.adoptOwners()
	stack := s.recall()
	if in := s.switcher.Resume(); in != nil {
		stack = in.Wanted().DeepCopy()
		defer s.world.adoptLeaving(in.Other())
	}
	if stack != nil {
		s.podnet.AdoptPorts(ctx, stack.HostPorts)
		s.inner.Use(stack)
		s.world.want(stack)
		s.secrets.learn(stack)
		s.pods.SetStack(stack)
		for _, x := range stack.Workloads {
			s.world.released[x.Name()] = carryStatus(nil, x)
			s.world.adoptTemplate(x)
		}
	}
	for _, p := range pods {
		s.pods.Start(p, s.world.holdOfPod(p.UID))
		if p.DeletionTimestamp != nil {
			s.pods.Delete(p.Name)
		}
	}
	return nil
}

// adoptEnded holds the pods of which nothing runs: the machine or the engine was restarted, so they come back in order.
func (s *Supervisor) adoptEnded(pods []*corev1.Pod) {
	ended := s.world.endedWithEngine(pods)
	if len(ended) == 0 {
		return
	}
	s.log.Info("pods have ended; each is started again when what it depends on is ready", "pods", len(ended))
	for _, p := range pods {
		if runs(p) {
			return // one crashed, nothing else
		}
	}
	for _, p := range ended {
		s.pods.LoseSandbox(p)
	}
}

// readyIn are the UIDs of the pods that a table of the agent, which may be nil, calls ready.
func readyIn(table *agent.Table) map[string]bool {
	ready := map[string]bool{}
	if table != nil {
		for _, p := range table.Pods {
			ready[p.UID] = p.Ready
		}
	}
	return ready
}

// recall reads the stack that the former supervisor looked after; nil if that is not known.
func (s *Supervisor) recall() *services.Stack {
	b, err := os.ReadFile(s.cfg.Instance.File(savedStack))
	if err != nil {
		return nil
	}
	stack := new(services.Stack)
	if err := json.Unmarshal(b, stack); err != nil {
		s.log.Warn("cannot read the saved stack; waiting for the next one", "error", err)
		return nil
	}
	return stack
}

// adoptOwners makes the ReplicaSets and Jobs again that the pods name as their owners, and remembers restarts by hand.
func (w *world) adoptOwners() {
	for _, p := range w.pods {
		if at := p.Annotations[podchange.RestartedAt]; at > w.restarts[p.Labels[workloadLabel]] {
			w.restarts[p.Labels[workloadLabel]] = at
		}
		ref := metav1.GetControllerOf(p)
		if ref == nil {
			continue
		}
		switch ref.Kind {
		case "ReplicaSet":
			w.adoptReplicaSet(p, ref)
		case "Job":
			w.adoptJob(p, ref)
		}
	}
}

// adoptReplicaSet makes a Deployment's ReplicaSet from one of its pods. A ReplicaSet that is a workload of the stack has no
// hash label, and is made from the stack.
func (w *world) adoptReplicaSet(p *corev1.Pod, ref *metav1.OwnerReference) {
	hash := p.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
	if hash == "" {
		return
	}
	rs := w.replicaSets[ref.Name]
	if rs == nil {
		rs = &appsv1.ReplicaSet{}
		rs.Name, rs.Namespace, rs.UID, rs.Labels = ref.Name, p.Namespace, ref.UID, p.Labels
		rs.CreationTimestamp = p.CreationTimestamp
		rs.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: "apps/v1", Kind: "Deployment", Name: p.Labels[workloadLabel], Controller: new(true),
		}}
		rs.Spec.Replicas = new(int32)
		rs.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: hash}}
		rs.Spec.Template.ObjectMeta = metav1.ObjectMeta{Labels: p.Labels, Annotations: p.Annotations}
		rs.Spec.Template.Spec = p.Spec
		w.replicaSets[ref.Name] = rs
	}
	*rs.Spec.Replicas++
}

// adoptTemplate gives the ReplicaSet that was made of a Deployment's present template that very template: the one that was
// read off a pod has what the pod got besides, and would count as another version.
func (w *world) adoptTemplate(x *services.Workload) {
	d, ok := x.Object.(*appsv1.Deployment)
	if !ok {
		return
	}
	hash := controller.TemplateHash(&d.Spec.Template, nil)
	rs := w.replicaSets[d.Name+"-"+hash]
	if rs == nil {
		return
	}
	rs.Spec.Template = *d.Spec.Template.DeepCopy()
	rs.Spec.Template.Labels[appsv1.DefaultDeploymentUniqueLabelKey] = hash
	rs.Spec.Selector = d.Spec.Selector.DeepCopy()
	rs.Spec.Selector.MatchLabels[appsv1.DefaultDeploymentUniqueLabelKey] = hash
}

// adoptJob makes a CronJob's Job from one of its pods. A Job that is a workload of the stack is made from the stack.
func (w *world) adoptJob(p *corev1.Pod, ref *metav1.OwnerReference) {
	if w.jobs[ref.Name] != nil || ref.Name == p.Labels[workloadLabel] {
		return
	}
	j := &batchv1.Job{}
	j.Name, j.Namespace, j.UID, j.CreationTimestamp = ref.Name, p.Namespace, ref.UID, p.CreationTimestamp
	j.Labels = p.Labels
	j.Spec.Template.Spec = p.Spec
	w.jobs[ref.Name] = j
}
