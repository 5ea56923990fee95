// Package probe runs startup, readiness and liveness probes with the semantics of Kubernetes 1.36's probe workers.
//
// It has three layers. A machine (machine.go) decides, without I/O, what a worker does in one iteration. A handler (http.go,
// tcp.go, grpc.go, exec.go) tries a container once and returns success, warning, failure, or an error of the try itself. A Pod
// (pod.go) owns the workers of one pod, the results they publish and the status they see.
//
// The states of a worker, which runs one probe of one container, across all instances of that container:
//
//	            new instance: forget the old result, publish the initial one (R5, R10)
//	          +------------------------------------------------------------------------+
//	          v                                                                        |
//	      [waiting] --running, delay over, gate open--> [probing] --below threshold--> [waiting]
//	       ^    |                                           |
//	       |    | not running: publish Failure (R16)        | at threshold: publish (R7, R8)
//	       |    v                                           v
//	       +-[waiting]          liveness failure, any startup result: [hold] until a new instance (R12)
//
//	[ended]: pod in a terminal phase, container that will not be restarted, pod being deleted (R16, R17)
//
// Three pieces of state are kept apart: the published result, the run of equal results (which outlives a restart, R18)
// and hold. The ticks come from a schedule (schedule.go) that is as old as the worker (R2).
//
// Cost: a worker is one goroutine with one timer. Exec probes go through a Limiter shared by all pods, since each takes several
// engine calls and a process in the container; waiting for the limiter does not count towards the probe's timeout. The ticks of
// different workers are spread, because each worker's ticks count from its creation.
package probe
