package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/controller"
	"github.com/lyandev/lyandev/supervisor/prepare"
	"github.com/lyandev/lyandev/supervisor/state"
)

// FileManager is the field manager of what the user's file says.
const FileManager = "lyandev"

// Cluster is everything the loop knows of a stack: what is wanted, what was released to the controllers, the objects, and
// what operators say. Only the loop's goroutine calls its methods; those of the Store in it may be called by anybody.
type Cluster struct {
	*Store

	// stack is what is wanted, with image IDs filled in; nil before the first Want. former is the one before it, until what
	// left it is gone.
	stack, former *services.Stack
	// config are the objects that the file made and no controller has: Services, ConfigMaps, Secrets, Ingresses.
	config map[Key]bool
	// released are the workloads that the controllers have, by name. One that left the stack stays until it may go.
	released map[string]*release
	holds    map[string]state.Hold

	memory   controller.Memory
	cache    controller.Cache
	podNames controller.NameSource
	// startFirst is that of controller.View.
	startFirst int32

	verdicts map[string]services.Verdict
	facts    map[string]string
	// restarts are the times of restarts by hand, by workload; the next stack gets them in its templates too.
	restarts map[string]string
	// factRestarts are the workloads that are being restarted because a fact changed, until they are right again.
	factRestarts map[string]bool
	// wrongSince is when an operator stopped being right, by operator.
	wrongSince map[string]time.Time
	// revisions are the pod revisions of the wanted stack.
	revisions revisions
	// wasReady is true once everything has been right since the last Want.
	wasReady bool

	// pods is an index of the store's pods at pods.revision.
	pods podIndex

	Handover    Handover
	Recovery    Recovery
	Suspensions Suspensions
	// Unstarted releases plain workloads whatever they wait for: their containers are made and not started.
	Unstarted bool
	// rerunning are the workloads that are made anew when the pods that they had are gone: Jobs, and those that have another kind now.
	rerunning  map[string]bool
	Bootstraps Bootstraps
}

// release is a workload as its controller has it.
type release struct {
	// from is the wanted workload that it was made from.
	from *services.Workload
	// object is nil where the store has the object; a bare pod's is here, since the store has the pod that runs.
	object *corev1.Pod
}

// NewCluster makes a cluster without a stack.
func NewCluster(c Config) *Cluster {
	if c.Names == nil {
		c.Names = controller.RandomNames()
	}
	return &Cluster{
		Store: New(c), config: map[Key]bool{}, released: map[string]*release{}, holds: map[string]state.Hold{}, podNames: c.Names,
		verdicts: map[string]services.Verdict{}, facts: map[string]string{}, restarts: map[string]string{}, factRestarts: map[string]bool{},
		wrongSince: map[string]time.Time{}, startFirst: c.StartFirst,
	}
}

// Stack is the wanted stack, nil before the first Want. It is not to be changed.
func (c *Cluster) Stack() *services.Stack { return c.stack }

// Want makes a prepared stack the wanted one. Its Services, ConfigMaps, Secrets and Ingresses are in the store from now on,
// its workloads when Release lets them through.
func (c *Cluster) Want(stack *services.Stack) error {
	if c.stack != nil {
		c.former = c.stack
	}
	for _, x := range stack.Workloads {
		if at, ok := c.restarts[x.Name()]; ok {
			prepare.Annotate(x, services.RestartedAtAnnotation, at)
		}
	}
	c.stack = stack
	c.wasReady = false
	c.Handover.reset()
	return c.storeConfig()
}

// Replace puts a changed copy of the wanted stack in its place: other images or restart marks, nothing that would begin
// anew what is under way.
func (c *Cluster) Replace(stack *services.Stack) error {
	c.stack = stack
	return c.storeConfig()
}

// storeConfig brings the objects that no controller makes to what the stack says. Services that only the former stack has
// stay: its pods may still use them.
func (c *Cluster) storeConfig() error {
	wanted := map[Key]Object{}
	add := func(o Object) { wanted[KeyOf(o)] = o }
	if c.former != nil {
		for _, v := range c.former.Services {
			add(v)
		}
	}
	for _, v := range c.stack.Services {
		add(v)
	}
	for _, m := range c.stack.ConfigMaps {
		add(m)
	}
	for _, m := range c.stack.Secrets {
		add(m)
	}
	for _, i := range c.stack.Ingresses {
		add(i)
	}
	for _, o := range wanted {
		if _, err := c.Apply(o, FileManager); err != nil {
			return fmt.Errorf("cannot store %s: %w", KeyOf(o), err)
		}
		c.config[KeyOf(o)] = true
	}
	for key := range c.config {
		if wanted[key] != nil {
			continue
		}
		if err := c.Delete(key, Preconditions{}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("cannot remove %s: %w", key, err)
		}
		delete(c.config, key)
	}
	return nil
}

// Restart marks a workload's template with a time, so that its controller rolls it as `kubectl rollout restart` does.
func (c *Cluster) Restart(name string, now time.Time) error {
	if c.stack == nil || c.stack.Workload(name) == nil {
		return fmt.Errorf("cannot restart %s: there is no such workload; there are %s", name, strings.Join(c.workloadNames(), ", "))
	}
	if c.stack.Workload(name).Kind() == "Job" && c.released[name] != nil {
		return c.rerun(name)
	}
	at := now.UTC().Format(time.RFC3339Nano)
	c.restarts[name] = at
	stack := *c.stack // others read the one there is
	stack.Workloads = slices.Clone(stack.Workloads)
	for i, x := range stack.Workloads {
		if x.Name() == name {
			stack.Workloads[i] = x.DeepCopy()
			prepare.Annotate(stack.Workloads[i], services.RestartedAtAnnotation, at)
		}
	}
	c.stack = &stack
	return nil
}

// workloadNames are the workloads of the wanted stack.
func (c *Cluster) workloadNames() []string {
	if c.stack == nil {
		return nil
	}
	var out []string
	for _, x := range c.stack.Workloads {
		out = append(out, x.Name())
	}
	return out
}

// WithoutRestarts is a copy of the wanted stack as it was applied, before restarts by hand; nil if there is none.
func (c *Cluster) WithoutRestarts() *services.Stack {
	if c.stack == nil {
		return nil
	}
	stack := c.stack.DeepCopy()
	for _, x := range stack.Workloads {
		delete(x.PodMeta().Annotations, services.RestartedAtAnnotation)
	}
	return stack
}

// View is what the controllers see.
func (c *Cluster) View() controller.View {
	return controller.View{
		Deployments: List[*appsv1.Deployment](c.Store), StatefulSets: List[*appsv1.StatefulSet](c.Store),
		DaemonSets: List[*appsv1.DaemonSet](c.Store), ReplicaSets: List[*appsv1.ReplicaSet](c.Store),
		Jobs: List[*batchv1.Job](c.Store), CronJobs: List[*batchv1.CronJob](c.Store),
		Revisions: List[*appsv1.ControllerRevision](c.Store), Pods: List[*corev1.Pod](c.Store),
		ComposeServices: List[*services.ComposeService](c.Store),
		Names:           c.podNames, Memory: c.memory, Location: time.Local, ReplaceUnready: c.factRestarts, StartFirst: c.startFirst,
		GrowAnew: true, ReplaceStuck: true, Cache: &c.cache,
	}
}

// Remember keeps what a controller's plan says for the next View.
func (c *Cluster) Remember(m controller.Memory) { c.memory = m }

// Perform stores what an action changes. Pods are made and deleted by the caller, who also looks after what runs.
func (c *Cluster) Perform(a controller.Action) error {
	var err error
	switch a := a.(type) {
	case controller.CreateReplicaSet:
		_, err = c.Apply(a.ReplicaSet, "")
	case controller.ScaleReplicaSet:
		_, err = c.Apply(a.ReplicaSet, "")
	case controller.DeleteReplicaSet:
		err = c.Delete(KeyOf(a.ReplicaSet), Preconditions{})
	case controller.CreateJob:
		_, err = c.Apply(a.Job, "")
	case controller.DeleteJob:
		err = c.Delete(KeyOf(a.Job), Preconditions{})
	case controller.CreateRevision:
		_, err = c.Apply(a.Revision, "")
	case controller.UpdateRevision:
		_, err = c.Apply(a.Revision, "")
	case controller.DeleteRevision:
		err = c.Delete(KeyOf(a.Revision), Preconditions{})
	case controller.UpdateStatus:
		o, ok := a.Object.(Object)
		if !ok {
			return fmt.Errorf("cannot store the status of %s %s: %T is no object", a.Kind, a.Name, a.Object)
		}
		if _, there := c.Get(KeyOf(o)); there { // else an earlier action of the plan removed it
			_, err = c.Apply(o, "")
		}
	}
	if err != nil {
		return fmt.Errorf("cannot %s: %w", a, err)
	}
	return nil
}
