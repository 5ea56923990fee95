package services

import (
	"context"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Labels and annotations of ours on pods.
const (
	// RoleLabel is put on pods by operators: "master", "slave", "replica", "sentinel". Services select on it, so a
	// role that moves takes the service address with it.
	RoleLabel = "dev.lyandev/role"
	// RightGate is the readiness gate that operators hold closed until the pod's role is right (replication attached,
	// master known). Pods of a workload with an operator get it; the operator's verdict is its condition.
	RightGate corev1.PodConditionType = "dev.lyandev/right"
	// Paused is the condition of a pod of which a container is paused in the engine. A pod without such a container does
	// not have it.
	Paused corev1.PodConditionType = "dev.lyandev/paused"
)

// Operator turns "running" into "right" for the pods of the workloads that name it. One instance serves one stack.
//
// Reconcile looks at the pods through the view, does at most a bounded piece of work (it honours ctx, which the
// supervisor ends after some seconds), and reports what it saw afterwards: success is told by looking, never by having
// done. It is idempotent and is called again after every change of a pod of its workloads and at least once a second
// while not everything is right, every few seconds otherwise. An error is a failure to look; being not right is no error.
type Operator interface {
	Reconcile(ctx context.Context, view View) (Verdict, error)
}

// View is what an operator sees of the stack and how it reaches it.
type View struct {
	Stack *Stack
	// Workloads are those that name the operator, Pods their pods (spec, labels, status with podIP), in name order.
	Workloads []*Workload
	Pods      []*corev1.Pod
	// Dial reaches a pod address from outside the pod network.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Exec runs a command in a pod's container with extra environment (secrets go there, never into argv).
	Exec func(ctx context.Context, pod, container string, cmd, env []string) (exit int, output []byte, err error)
	// Env is the resolved environment of a pod's container, as the kubelet would give it.
	Env func(pod, container string) (map[string]string, error)
	// Addr is the address that a pod of that name has or will have.
	Addr func(pod string) (string, bool)
	// Event records an event on a pod.
	Event func(pod, eventType, reason, message string)
	Now   time.Time
}

// Verdict is what an operator saw.
type Verdict struct {
	// Pods is by pod name. A pod without an entry is not right yet ("not looked at").
	Pods map[string]PodVerdict `json:"pods"`
	// Right is true when the system as a whole is right; Message says so or why not, in one line for people.
	Right   bool   `json:"right"`
	Message string `json:"message"`
	// Facts are values that others follow ("redis-master": "10.201.3.20:6379"); a change of one restarts the
	// workloads whose RestartOn names "<fact>-changed".
	Facts map[string]string `json:"facts,omitempty"`
	// Again is when to look again at the latest; 0 leaves it to the supervisor.
	Again time.Duration `json:"-"`
}

// PodVerdict is what an operator says of one pod.
type PodVerdict struct {
	// Role becomes the pod's RoleLabel; "" removes it.
	Role string `json:"role,omitempty"`
	// Right is the RightGate's condition; Reason (CamelCase) and Message say why not.
	Right   bool   `json:"right"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Detail is for status: "lag": "0.1s", "hit-rate": "97%".
	Detail map[string]string `json:"detail,omitempty"`
}
