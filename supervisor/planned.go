package supervisor

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/prepare"
)

// PlanOptions are the options of an Apply that Planned follows; see ApplyOptions.
type PlanOptions struct {
	Only               []string
	NoDeps, NoRecreate bool
	// Images returns the IDs that the images of builds would have after the apply, by reference; for an image that would be built,
	// any text that is no ID. nil assumes that they stay as they are.
	Images func(builds []*services.Build) (map[string]string, error)
}

// Plan is what an Apply would do.
type Plan struct {
	// Stack is the stack that would be wanted, to be compared with the running one.
	Stack *services.Stack
	// Again are the names of the workloads that would be started again though nothing of them has changed; see Applied.
	Again []string
}

// Planned says what Apply would make of a loaded stack in the place of the running one, which may be nil. pods are those that there are,
// with the status that the supervisor gives them. Nothing is changed.
func Planned(i *instance.Instance, running, stack *services.Stack, pods []*corev1.Pod, o PlanOptions) (Plan, error) {
	stack, only, err := limited(running, stack.DeepCopy(), o.Only, !o.NoDeps)
	if err != nil {
		return Plan{}, err
	}
	if o.NoRecreate {
		stack = prepare.NoRecreate(running, stack).DeepCopy()
	}
	if err := stack.UseVolumesOf(running); err != nil {
		return Plan{}, err
	}
	network.Expose(stack)
	images := map[string]string{}
	if running != nil {
		images = prepare.Images(running)
	}
	if o.Images != nil {
		if images, err = o.Images(stack.Builds); err != nil {
			return Plan{}, err
		}
	}
	planned, err := prepare.Stack(stack, i.Name, images)
	if err != nil {
		return Plan{}, err
	}
	again, err := startedAgain(i, planned, only, pods)
	if err != nil || running == nil {
		return Plan{planned, again}, err
	}
	for _, v := range planned.Services {
		if old := running.Service(v.Name); old != nil && v.Spec.ClusterIP == "" {
			v.Spec.ClusterIP, v.Spec.ClusterIPs = old.Spec.ClusterIP, old.Spec.ClusterIPs
		}
	}
	return Plan{planned, again}, nil
}

// startedAgain names the workloads that an apply starts again, as startEnded does; only are those that it is limited to, nil is all.
func startedAgain(i *instance.Instance, stack *services.Stack, only []string, pods []*corev1.Pod) ([]string, error) {
	stopped, err := stoppedByHand(i)
	if err != nil {
		return nil, fmt.Errorf("cannot read which services are stopped: %w", err)
	}
	var again []string
	for _, x := range stack.Workloads {
		_, starts := stopped[x.Name()]
		starts = starts || slices.ContainsFunc(pods, func(p *corev1.Pod) bool {
			return p.Labels[services.WorkloadLabel] == x.Name() && services.PlainPod(p) && startsAgain(p)
		})
		if starts && (len(only) == 0 || slices.Contains(only, x.Name())) {
			again = append(again, x.Name())
		}
	}
	return again, nil
}
