// Package pod runs one pod as the kubelet does: it starts the init containers, sidecars and containers in order, restarts them
// with back-off, kills them when probes fail, and terminates the pod.
//
// Three layers:
//
//   - decisions are pure: Compute (compute.go) is a function from spec, running instances and probe results to Actions; Status
//     (status.go) is a function from the same input to a corev1.PodStatus;
//   - execution (start.go, kill.go, image.go) carries out the actions by calls of a Runtime, serially in one sync (R60, R81);
//   - the Worker (worker.go, loop.go) owns the goroutine that observes, decides and executes, and the inbox through which all
//     other goroutines send it requests.
//
// The states of a worker:
//
//	           Delete, deadline, terminal phase
//	[syncing] ---------------------------------> [terminating] --all ended--> [ended]
//	 |     ^                                                                     |
//	 +-----+ event, probe result, timer, Update, Resync               Delete     v
//	                                                           (if not yet)   [gone]: Run returns
//
// A Runtime creates and runs the containers: package dockerpod on Docker, podtrace from a script.
//
// One extension over Kubernetes: Update may add containers to spec.containers of a running pod or remove some. Added containers
// are started and removed ones stopped in place; the others keep running. Profile switches use this.
package pod
