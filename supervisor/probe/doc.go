// Package probe runs startup, readiness and liveness probes with the semantics of Kubernetes 1.36's probe workers.
//
// It has three layers. A machine (machine.go) decides, from facts alone, what one worker does at one iteration; a
// handler (http.go, tcp.go, grpc.go, exec.go) tries a container once and says success, warning, failure, or that the
// try itself broke; a Pod (pod.go) owns the workers of one pod, the results they publish and the status they see.
//
// A worker, for one probe of one container, over all instances of that container:
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
// Cost: a worker is one goroutine that sleeps on one timer. Probes of exec type go through a Limiter shared by all
// pods, since each is several calls to the engine and a process in the container; waiting for the limiter is not part
// of the probe's timeout. Ticks of workers are spread by themselves, as a worker's phase is its creation.
package probe
