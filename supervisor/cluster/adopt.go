package cluster

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/controller"
)

// AdoptPods puts pods into the store that a former supervisor left running, and makes the ReplicaSets and Jobs again that
// they name as their owners.
func (c *Cluster) AdoptPods(pods []*corev1.Pod) error {
	for _, p := range pods {
		if _, err := c.Apply(p, ""); err != nil {
			return fmt.Errorf("cannot adopt pod %s: %w", p.Name, err)
		}
		workload := p.Labels[services.WorkloadLabel]
		if at := p.Annotations[services.RestartedAtAnnotation]; at > c.restarts[workload] {
			c.restarts[workload] = at
		}
		ref := metav1.GetControllerOf(p)
		var err error
		switch {
		case ref == nil:
		case ref.Kind == "ReplicaSet":
			err = c.adoptReplicaSet(p, ref)
		case ref.Kind == "Job":
			err = c.adoptJob(p, ref)
		}
		if err != nil {
			return fmt.Errorf("cannot adopt %s %s of pod %s: %w", ref.Kind, ref.Name, p.Name, err)
		}
	}
	return nil
}

// AdoptStack releases the workloads of the wanted stack that have pods. The others had not been released yet: they wait for
// what they depend on.
func (c *Cluster) AdoptStack() error {
	for _, x := range c.stack.Workloads {
		if len(c.PodsOf(x.Name())) == 0 {
			continue
		}
		if err := c.adoptWorkload(x); err != nil {
			return err
		}
	}
	return nil
}

// AdoptLeaving releases the workloads that a switch of profiles was leaving: their pods go on until what stays is right.
func (c *Cluster) AdoptLeaving(other *services.Stack) error {
	c.former = other
	for _, x := range other.Workloads {
		if c.stack.Workload(x.Name()) == nil && len(c.PodsOf(x.Name())) > 0 {
			if err := c.adoptWorkload(x); err != nil {
				return err
			}
		}
	}
	return c.storeConfig()
}

func (c *Cluster) adoptWorkload(x *services.Workload) error {
	if err := c.release(x); err != nil {
		return err
	}
	return c.adoptTemplate(x)
}

// adoptReplicaSet makes a Deployment's ReplicaSet from its pods. A ReplicaSet that is a workload of the stack has no hash
// label, and is made from the stack.
func (c *Cluster) adoptReplicaSet(p *corev1.Pod, ref *metav1.OwnerReference) error {
	hash := p.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
	if hash == "" {
		return nil
	}
	old, there := Get[*appsv1.ReplicaSet](c.Store, p.Namespace, ref.Name)
	if there {
		next := old.DeepCopy()
		*next.Spec.Replicas++
		_, err := c.Update(next, "")
		return err
	}
	rs := &appsv1.ReplicaSet{}
	rs.Name, rs.Namespace, rs.UID, rs.Labels = ref.Name, p.Namespace, ref.UID, p.Labels
	rs.CreationTimestamp = p.CreationTimestamp
	rs.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: "apps/v1", Kind: "Deployment", Name: p.Labels[services.WorkloadLabel], Controller: new(true),
	}}
	rs.Spec.Replicas = new(int32(1))
	rs.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: hash}}
	rs.Spec.Template.ObjectMeta = metav1.ObjectMeta{Labels: p.Labels, Annotations: p.Annotations}
	rs.Spec.Template.Spec = p.Spec
	_, err := c.Create(rs, "")
	return err
}

// adoptTemplate gives the ReplicaSet that was made of a Deployment's present template that very template: the one that was
// read off a pod has what the pod got besides, and would count as another version.
func (c *Cluster) adoptTemplate(x *services.Workload) error {
	d, ok := x.Object.(*appsv1.Deployment)
	if !ok {
		return nil
	}
	hash := controller.TemplateHash(&d.Spec.Template, nil)
	old, there := Get[*appsv1.ReplicaSet](c.Store, d.Namespace, d.Name+"-"+hash)
	if !there {
		return nil
	}
	rs := old.DeepCopy()
	rs.Spec.Template = *d.Spec.Template.DeepCopy()
	rs.Spec.Template.Labels[appsv1.DefaultDeploymentUniqueLabelKey] = hash
	rs.Spec.Selector = d.Spec.Selector.DeepCopy()
	rs.Spec.Selector.MatchLabels[appsv1.DefaultDeploymentUniqueLabelKey] = hash
	_, err := c.Update(rs, "")
	return err
}

// adoptJob makes a CronJob's Job from one of its pods. A Job that is a workload of the stack is made from the stack.
func (c *Cluster) adoptJob(p *corev1.Pod, ref *metav1.OwnerReference) error {
	if _, there := Get[*batchv1.Job](c.Store, p.Namespace, ref.Name); there || ref.Name == p.Labels[services.WorkloadLabel] {
		return nil
	}
	j := &batchv1.Job{}
	j.Name, j.Namespace, j.UID, j.CreationTimestamp = ref.Name, p.Namespace, ref.UID, p.CreationTimestamp
	j.Labels = p.Labels
	j.Spec.Template.Spec = p.Spec
	_, err := c.Create(j, "")
	return err
}
