// Package dockerpod makes the containers of pods on a Docker engine: it is the pod.Runtime of the product.
//
// A pod of one container is one Docker container with the pod's pinned address. A pod of several, or with sidecars or a
// shared process namespace, has a sandbox container that holds the network namespace which the others join. A restart is
// a new container with the attempt counted up; the one before stays, for its log and its last state (R162).
//
// All that a later supervisor must know is in labels: whose container it is, which attempt, the restart back-off, and the
// pod's manifest. Observe makes pods of them again.
package dockerpod
