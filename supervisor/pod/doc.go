// Package pod is the kubelet for one pod: it starts the init containers, sidecars and containers in order, watches
// them, restarts them with back-off, kills them when probes say so, and ends the pod by the rules of termination.
//
// Three layers:
//
//   - deciding is pure: Compute (compute.go) is a function from what is wanted, what runs and what the probes say to
//     Actions; Status (status.go) is a function from the same to a corev1.PodStatus;
//   - doing (start.go, kill.go, image.go) turns actions into calls of a Runtime, serially in one sync (R60, R81);
//   - the Worker (worker.go, loop.go) owns the one goroutine that looks, decides and does, and the inbox through which
//     everybody else talks to it.
//
// The life of a worker:
//
//	           Delete, deadline, terminal phase
//	[syncing] ---------------------------------> [terminating] --all ended--> [ended]
//	 |     ^                                                                     |
//	 +-----+ event, probe result, timer, Update, Resync               Delete     v
//	                                                           (if not yet)   [gone]: Run returns
//
// A Runtime is what containers are made with: package dockerpod makes them on Docker, podtrace scripts them.
//
// One extension over Kubernetes: Update may add containers to spec.containers of a running pod or take some away. The
// added ones are started and the removed ones stopped in place; the others are not touched. Profile switches use it.
package pod
