package services

import (
	"context"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Label, readiness gate and condition of lyandev on pods.
const (
	// RoleLabel is set on pods by operators: "master", "slave", "replica", "sentinel". Services select on it, so a Service's
	// endpoints follow a role that moves.
	RoleLabel = "dev.lyandev/role"
	// RightGate is the readiness gate of pods with an operator. Its condition is the operator's verdict on the pod: true
	// when the pod serves in its role (a slave replicates, a sentinel knows the master).
	RightGate corev1.PodConditionType = "dev.lyandev/right"
	// Paused is the condition of a pod with a container that is paused in the engine. Other pods do not have it.
	Paused corev1.PodConditionType = "dev.lyandev/paused"
	// ReasonStopped is the status reason of a plain service's pod whose container was told to stop, by lyandev or by anybody else:
	// it has not done its work, even if it ended with 0.
	ReasonStopped = "Stopped"
	// ReasonRestarted is the reason of a container's last termination if somebody asked for the restart: a command or a live edit,
	// which the message names.
	ReasonRestarted = "Restarted"
	// ReasonPostStart is the status reason of a plain service's pod that runs, and of which a post_start hook failed: it is not
	// ready until it is started again. The status message is the hook's error.
	ReasonPostStart = "PostStartHookError"
	// ReasonInvalid is the waiting reason of a plain service's container that the engine refuses as invalid: trying again does not
	// help, until the file or the host changes. The message is the engine's.
	ReasonInvalid = "InvalidContainer"
	// HealthCheck is a condition of pods of plain services whose container runs: what the engine's own health check says. It is
	// true with the reason HealthHealthy, false with HealthStarting or HealthUnhealthy and the last output as message, and
	// unknown with HealthNone and the container's name as message if the container has no health check.
	HealthCheck corev1.PodConditionType = "dev.lyandev/health-check"
	// Addresses is a condition of pods of plain services. Its message is a JSON object with the container's address in each Docker
	// network, by the network's name.
	Addresses corev1.PodConditionType = "dev.lyandev/addresses"
)

// Reasons of the condition HealthCheck.
const (
	HealthHealthy   = "healthy"
	HealthStarting  = "starting"
	HealthUnhealthy = "unhealthy"
	HealthNone      = "none"
)

// Operator sets up the product that runs in the pods of its workloads (replication, roles) and reports whether each pod is
// right, that is, serves in its role. One instance serves one stack.
//
// Reconcile observes the pods through the view, does a bounded amount of work and returns what it observed afterwards. The
// verdict is always based on observation, never on the success of an action. It blocks until then, or until ctx ends; the
// supervisor cancels ctx after some seconds. It is idempotent. It is called after every change of one of its pods and at
// least once a second while a pod is not right, otherwise every few seconds. An error means that it could not observe; a pod
// that is not right is not an error.
type Operator interface {
	Reconcile(ctx context.Context, view View) (Verdict, error)
}

// View gives an operator read access to the stack and a connection to its pods.
type View struct {
	Stack *Stack
	// Workloads are the workloads that name the operator, Pods their pods (spec, labels, status with podIP), in name order.
	Workloads []*Workload
	Pods      []*corev1.Pod
	// Dial connects to a pod's address from outside the pod network.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Exec runs a command in a pod's container with additional environment. Pass secrets in env, never in cmd.
	Exec func(ctx context.Context, pod, container string, cmd, env []string) (exit int, output []byte, err error)
	// Env returns the environment of a pod's container, resolved as the kubelet does.
	Env func(pod, container string) (map[string]string, error)
	// Addr returns the address that the named pod has or will have.
	Addr func(pod string) (string, bool)
	// Event records an event on a pod.
	Event func(pod, eventType, reason, message string)
	Now   time.Time
}

// Verdict is the result of one Reconcile.
type Verdict struct {
	// Pods is by pod name. A pod without an entry has not been observed yet and is not right.
	Pods map[string]PodVerdict `json:"pods"`
	// Right is true if the system as a whole is right. Message is a summary or the cause, in one line.
	Right   bool   `json:"right"`
	Message string `json:"message"`
	// Facts are values for other workloads ("redis-master": "10.201.3.20:6379"). A change restarts the workloads whose
	// RestartOn contains "<fact>-changed".
	Facts map[string]string `json:"facts,omitempty"`
	// Again is the maximum delay until the next Reconcile; 0 leaves it to the supervisor.
	Again time.Duration `json:"-"`
}

// PodVerdict is an operator's verdict on one pod.
type PodVerdict struct {
	// Role becomes the pod's RoleLabel; "" removes it.
	Role string `json:"role,omitempty"`
	// Right is the status of the RightGate condition; Reason (CamelCase) and Message explain a false one.
	Right   bool   `json:"right"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Detail is shown by status: "lag": "0.1s", "hit-rate": "97%".
	Detail map[string]string `json:"detail,omitempty"`
}
