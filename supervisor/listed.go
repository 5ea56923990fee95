package supervisor

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// listed are the workloads to tell of: those of the stack in its order (as released, else as wanted), then those that are
// leaving.
func (w *world) listed() []*services.Workload {
	var out []*services.Workload
	seen := map[string]bool{}
	if w.stack != nil {
		for _, x := range w.stack.Workloads {
			seen[x.Name()] = true
			if r := w.released[x.Name()]; r != nil {
				x = r
			}
			out = append(out, x)
		}
	}
	for _, x := range w.inOrder() {
		if !seen[x.Name()] {
			out = append(out, x)
		}
	}
	return out
}

// rolloutWarnings says what of a workload's conditions people should know.
func rolloutWarnings(x *services.Workload) []string {
	d, ok := x.Object.(*appsv1.Deployment)
	if !ok {
		return nil
	}
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse {
			return []string{"rollout of " + x.Name() + " is stuck (" + c.Reason + "): " + c.Message + "; the old pods go on serving"}
		}
	}
	return nil
}
