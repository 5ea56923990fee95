// Package services defines the model of an application: the Stack with its workloads as Kubernetes API objects, and the
// interface of operators, which the packages below implement. It does no I/O and does not import the supervisor.
package services

import (
	"fmt"
	"net"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lyandev/lyandev/services/compose"
)

// Stack is the desired state of one application for one profile. It is plain data and shared: modify a DeepCopy only.
type Stack struct {
	// Name is the project (instance) name: a DNS label, at most 40 characters.
	Name string `json:"name"`
	// Profile is the active profile, "" for a stack without profiles.
	Profile string `json:"profile,omitempty"`
	// OwnProfile is the profile of x-lyandev among those of Profile, "" for none. Compose's profiles are as each command line says.
	OwnProfile string `json:"ownProfile,omitempty"`
	// Namespace is that of objects that name none; "" is "default".
	Namespace string `json:"namespace,omitempty"`
	// Dir is the absolute base directory of relative paths in the source file.
	Dir string `json:"dir,omitempty"`
	// Timing is "fast" (the default) or "strict".
	Timing string `json:"timing,omitempty"`

	Workloads  []*Workload             `json:"workloads,omitempty"`
	Services   []*corev1.Service       `json:"services,omitempty"`
	ConfigMaps []*corev1.ConfigMap     `json:"configMaps,omitempty"`
	Secrets    []*corev1.Secret        `json:"secrets,omitempty"`
	Ingresses  []*networkingv1.Ingress `json:"ingresses,omitempty"`
	// Inactive are the names of workloads that the file has in Compose profiles that are not active, sorted.
	Inactive []string `json:"inactive,omitempty"`
	// Builds are the images that the stack builds, in the order of the file.
	Builds []*Build `json:"builds,omitempty"`
	// HostPorts are the host addresses that forward to a Service's ready endpoints.
	HostPorts []HostPort `json:"hostPorts,omitempty"`
	// Networks and Volumes are the Docker networks and volumes of plain services, in the order of their keys.
	Networks []*compose.Network `json:"networks,omitempty"`
	Volumes  []*compose.Volume  `json:"volumes,omitempty"`
	// HostPaths are the host's files and directories that plain services mount from outside Dir, in the order of the file.
	HostPaths []HostPath `json:"hostPaths,omitempty"`
	// Providers are services that a program on the host provides instead of a container, in the order of the file.
	Providers []*compose.Provider `json:"providers,omitempty"`
	// Models are the AI models that plain services use, in the order of their keys.
	Models []*compose.Model `json:"models,omitempty"`
	// Notes are the ignored or approximated fields of the source, one line each, with file:line.
	Notes []string `json:"notes,omitempty"`
	// NotApplied are those of the notes that are about settings that are ignored or approximated.
	NotApplied []string `json:"notApplied,omitempty"`
	// Warnings are those of the notes that tell of what is probably a mistake, although Docker Compose accepts it.
	Warnings []string `json:"warnings,omitempty"`
}

// Workload is one Kubernetes workload with the settings for which Kubernetes has no field.
type Workload struct {
	// Object is one of *appsv1.Deployment, *appsv1.StatefulSet, *appsv1.DaemonSet, *appsv1.ReplicaSet, *corev1.Pod,
	// *batchv1.Job, *batchv1.CronJob, *ComposeService.
	Object runtime.Object `json:"object"`
	// DependsOn are the workload's dependencies: its pods are not created until each is satisfied.
	DependsOn []Dependency `json:"dependsOn,omitempty"`
	// Operator is the name of the workload's operator ("mariadb", "redis", "memcached"), or "".
	Operator string `json:"operator,omitempty"`
	// Options are the operator's settings from x-lyandev.options.
	Options map[string]string `json:"options,omitempty"`
	// RestartOn are the fact changes that restart the pods ("redis-master-changed"). An empty non-nil list means that the
	// file explicitly excludes all.
	RestartOn []string `json:"restartOn,omitzero"`
	// Bootstrap are commands that set up a product without an operator.
	Bootstrap []BootstrapStep `json:"bootstrap,omitempty"`
	// Watch are the file watch rules of the inner loop, by container name.
	Watch []WatchRule `json:"watch,omitempty"`
	// Timing overrides the stack's timing; "" inherits it.
	Timing string `json:"timing,omitempty"`
	// Reload says what happens to a plain service at once when the file of a config or secret that it mounts changes: "signal"
	// or "restart"; "" waits for the next `up`.
	Reload string `json:"reload,omitempty"`
	// Test is the command of `lyandev test` for this workload, nil for none.
	Test *TestCommand `json:"test,omitempty"`
	// Source is file:line of the declaration, for messages.
	Source string `json:"source,omitempty"`
	// FixedName is file:line of container_name, "" for none: a service with it cannot have a second container.
	FixedName string `json:"fixedName,omitempty"`
}

// Condition is the state that a dependency waits for.
type Condition string

// The conditions of Compose's depends_on.
const (
	// Started: every pod of the workload has started its containers once.
	Started Condition = "service_started"
	// Healthy: the workload has all its pods, they are Ready, and its operator (if any) reports it as right.
	Healthy Condition = "service_healthy"
	// Completed: the workload's pods have succeeded.
	Completed Condition = "service_completed_successfully"
)

// Dependency is one edge of the start order.
type Dependency struct {
	// Workload is the name of the workload to wait for.
	Workload  string    `json:"workload"`
	Condition Condition `json:"condition"`
	// Optional starts the dependent also when the dependency cannot be satisfied any more (Compose's required: false).
	Optional bool `json:"optional,omitempty"`
	// Restart restarts the dependent when Workload restarts (Compose's depends_on.restart).
	Restart bool `json:"restart,omitempty"`
	// Reason is the origin of the dependency, for messages: "depends_on", "env DB_URL names Service lyanna-mariadb".
	Reason string `json:"reason,omitempty"`
}

// BootstrapStep is one step of x-lyandev.bootstrap.
type BootstrapStep struct {
	Name string `json:"name"`
	// Pod is the pod that the step runs in; "" is the workload's first.
	Pod       string `json:"pod,omitempty"`
	Container string `json:"container,omitempty"`
	// Check exits with 0 if the step is already done; otherwise Run is executed. When is "always" or "first-start".
	Check []string `json:"check,omitempty"`
	Run   []string `json:"run"`
	When  string   `json:"when,omitempty"`
}

// WatchRule is one entry of Compose's develop.watch.
type WatchRule struct {
	Container string `json:"container"`
	// Action is sync, rebuild, restart, sync+restart or sync+exec.
	Action string `json:"action"`
	// Path is absolute; Target is the absolute path in the container.
	Path        string   `json:"path"`
	Target      string   `json:"target,omitempty"`
	Include     []string `json:"include,omitempty"`
	Ignore      []string `json:"ignore,omitempty"`
	InitialSync bool     `json:"initialSync,omitempty"`
	// Exec is the command of sync+exec, with its user, environment and working directory.
	Exec *compose.Hook `json:"hook,omitempty"`
	// Build is the name of the build that a rebuild runs, "" for none.
	Build string `json:"build,omitempty"`
}

// TestCommand is x-lyandev.test.
type TestCommand struct {
	Command []string `json:"command"`
	// Host runs the command on the host with mapped ports instead of in the workload's image.
	Host bool              `json:"host,omitempty"`
	Env  map[string]string `json:"env,omitempty"`
}

// Build is one image built from a directory; the fields have Compose's meaning.
type Build struct {
	// Source is file:line, for messages.
	Source string `json:"source,omitempty"`
	// Name is the Compose service that declares the build; Image is the reference that pods use.
	Name               string            `json:"name"`
	Image              string            `json:"image"`
	Context            string            `json:"context"`
	Dockerfile         string            `json:"dockerfile,omitempty"`
	DockerfileInline   string            `json:"dockerfileInline,omitempty"`
	Target             string            `json:"target,omitempty"`
	Args               map[string]string `json:"args,omitempty"`
	Labels             map[string]string `json:"labels,omitempty"`
	CacheFrom          []string          `json:"cacheFrom,omitempty"`
	CacheTo            []string          `json:"cacheTo,omitempty"`
	AdditionalContexts map[string]string `json:"additionalContexts,omitempty"`
	// Secrets map an id to an absolute file path, SecretValues an id to the secret itself; SSH maps an id to a socket or key path
	// ("" for the SSH agent).
	Secrets      map[string]string `json:"secrets,omitempty"`
	SecretValues map[string]string `json:"secretValues,omitempty"`
	SSH          map[string]string `json:"ssh,omitempty"`
	Platform     string            `json:"platform,omitempty"`
	Network      string            `json:"network,omitempty"`
	// NoCache and Pull say how a build is done, not that it is done again although nothing has changed.
	NoCache bool `json:"noCache,omitempty"`
	Pull    bool `json:"pull,omitempty"`
	// NoCacheFilter are the stages that are built without cache.
	NoCacheFilter []string `json:"noCacheFilter,omitempty"`
	// Tags are more references that the image gets.
	Tags []string `json:"tags,omitempty"`
	// ExtraHosts are entries NAME=ADDRESS of /etc/hosts while steps run; the address host-gateway is that of the host.
	ExtraHosts []string `json:"extraHosts,omitempty"`
	// ShmSize is the size of /dev/shm in bytes, 0 for BuildKit's default; Ulimits are limits of steps, NAME=SOFT:HARD.
	ShmSize int64    `json:"shmSize,omitempty"`
	Ulimits []string `json:"ulimits,omitempty"`
	// Entitlements are what steps may do beyond the usual, such as security.insecure. The engine must allow them.
	Entitlements []string `json:"entitlements,omitempty"`
}

// HostPath is a file or directory of the host that a plain service mounts from outside the stack's directory.
type HostPath struct {
	// Path is absolute, as Docker is told.
	Path string `json:"path"`
	// Service is the service's name as the file has it.
	Service string `json:"service"`
	// Source is file:line, for messages.
	Source string `json:"source,omitempty"`
	// Socket is true if the path is a container engine's socket or contains one: whoever reaches it controls the host.
	Socket bool `json:"socket,omitempty"`
}

// HostPort is one address on the host that forwards to a Service.
type HostPort struct {
	// HostIP is 127.0.0.1 unless the file sets another. HostPort 0 selects any free port.
	HostIP   string `json:"hostIP"`
	HostPort int32  `json:"hostPort"`
	// LastHostPort is the end of a range that begins with HostPort: if a port is taken, the next one of the range is used. 0
	// means that there is no range.
	LastHostPort int32 `json:"lastHostPort,omitempty"`
	// Namespace is the namespace of the Service. Default: "default".
	Namespace string `json:"namespace,omitempty"`
	// Service and Port name the Service and its service port (not the target port).
	Service  string          `json:"service"`
	Port     int32           `json:"port"`
	Protocol corev1.Protocol `json:"protocol"`
	// Source is file:line, for messages.
	Source string `json:"source,omitempty"`
}

// Address is HostIP:HostPort, with IPv6 addresses in brackets.
func (h HostPort) Address() string { return net.JoinHostPort(h.HostIP, strconv.Itoa(int(h.HostPort))) }

// Kind returns the Kubernetes kind, for example "StatefulSet".
func (w *Workload) Kind() string {
	switch w.Object.(type) {
	case *appsv1.Deployment:
		return "Deployment"
	case *appsv1.StatefulSet:
		return "StatefulSet"
	case *appsv1.DaemonSet:
		return "DaemonSet"
	case *appsv1.ReplicaSet:
		return "ReplicaSet"
	case *corev1.Pod:
		return "Pod"
	case *batchv1.Job:
		return "Job"
	case *batchv1.CronJob:
		return "CronJob"
	case *ComposeService:
		return ComposeServiceKind.Kind
	}
	return fmt.Sprintf("%T", w.Object)
}

// Meta returns the object's metadata, not a copy.
func (w *Workload) Meta() *metav1.ObjectMeta {
	switch o := w.Object.(type) {
	case *appsv1.Deployment:
		return &o.ObjectMeta
	case *appsv1.StatefulSet:
		return &o.ObjectMeta
	case *appsv1.DaemonSet:
		return &o.ObjectMeta
	case *appsv1.ReplicaSet:
		return &o.ObjectMeta
	case *corev1.Pod:
		return &o.ObjectMeta
	case *batchv1.Job:
		return &o.ObjectMeta
	case *batchv1.CronJob:
		return &o.ObjectMeta
	case *ComposeService:
		return &o.ObjectMeta
	}
	return &metav1.ObjectMeta{}
}

// Name returns the object's name.
func (w *Workload) Name() string { return w.Meta().Name }

// PodMeta returns the metadata of the pod template (for a Pod, its own), not a copy.
func (w *Workload) PodMeta() *metav1.ObjectMeta {
	if p, ok := w.Object.(*corev1.Pod); ok {
		return &p.ObjectMeta
	}
	return &w.template().ObjectMeta
}

// PodSpec returns the spec of the pod template (for a Pod, its own), not a copy.
func (w *Workload) PodSpec() *corev1.PodSpec {
	if p, ok := w.Object.(*corev1.Pod); ok {
		return &p.Spec
	}
	return &w.template().Spec
}

func (w *Workload) template() *corev1.PodTemplateSpec {
	switch o := w.Object.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template
	case *appsv1.StatefulSet:
		return &o.Spec.Template
	case *appsv1.DaemonSet:
		return &o.Spec.Template
	case *appsv1.ReplicaSet:
		return &o.Spec.Template
	case *batchv1.Job:
		return &o.Spec.Template
	case *batchv1.CronJob:
		return &o.Spec.JobTemplate.Spec.Template
	case *ComposeService:
		return &o.Spec.Template
	}
	return &corev1.PodTemplateSpec{}
}

// Replicas returns the desired number of pods: spec.replicas (1 if unset), parallelism of a Job, 1 for a Pod or DaemonSet
// (there is one node), 0 for a CronJob.
func (w *Workload) Replicas() int32 {
	p := w.replicas()
	switch {
	case w.Kind() == "CronJob":
		return 0
	case p == nil || *p == nil:
		return 1
	}
	return **p
}

// SetReplicas sets spec.replicas. It returns false for kinds without replicas.
func (w *Workload) SetReplicas(n int32) bool {
	p := w.replicas()
	if p == nil {
		return false
	}
	*p = &n
	return true
}

func (w *Workload) replicas() **int32 {
	switch o := w.Object.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Replicas
	case *appsv1.StatefulSet:
		return &o.Spec.Replicas
	case *appsv1.ReplicaSet:
		return &o.Spec.Replicas
	case *batchv1.Job:
		return &o.Spec.Parallelism
	case *ComposeService:
		return &o.Spec.Replicas
	}
	return nil
}

// StopGrace returns the pod's terminationGracePeriodSeconds, 30 s by default (R40).
func (w *Workload) StopGrace() time.Duration {
	if g := w.PodSpec().TerminationGracePeriodSeconds; g != nil {
		return time.Duration(*g) * time.Second
	}
	return 30 * time.Second
}

// Workload returns the workload of that name, or nil.
func (s *Stack) Workload(name string) *Workload {
	for _, w := range s.Workloads {
		if w.Name() == name {
			return w
		}
	}
	return nil
}

// Service returns the Service of that name, or nil.
func (s *Stack) Service(name string) *corev1.Service {
	for _, v := range s.Services {
		if v.Name == name {
			return v
		}
	}
	return nil
}

// Build returns the build of that name, or nil.
func (s *Stack) Build(name string) *Build {
	for _, b := range s.Builds {
		if b.Name == name {
			return b
		}
	}
	return nil
}
