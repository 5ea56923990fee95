// Package kube decodes, defaults and validates Kubernetes API objects by the rules of Kubernetes v1.36: strict decoding of
// manifests (R41), defaults (R30, R40, R129), validation with Kubernetes' own field paths and messages (R31-R43, R129, R195;
// security contexts and host namespaces), and the computation of environment variables (R131-R137), resources (R150-R152)
// and schedules (R195). It does no I/O.
package kube
