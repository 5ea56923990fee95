// Package controller turns workloads into wanted pods: StatefulSet, Deployment, ReplicaSet, DaemonSet, Job and CronJob, and
// Services into endpoints, with the semantics of Kubernetes v1.36 (rules R121-R124 and R170-R198).
//
// Everything here is a function of what it is given: a View (wanted and observed objects), the time, and the Memory that the
// previous look returned. A Cache in the View saves the work of comparing templates that an earlier look compared; it changes no
// plan. The package does no I/O, reads no clock and starts nothing. The answer is a Plan: actions in the order in
// which they are to be done, each with its cause, and the time of the next look that is worth making without an event.
//
// The caller keeps the store. Between two looks it must have applied the whole of the former plan to it: a CreatePod is in
// View.Pods (phase "" or Pending) and a DeletePod has set the deletion timestamp, or taken away the pod, before the next look.
// Then observation is exact, and no count of things on their way is needed. A caller looks again as long as a plan has actions.
package controller
