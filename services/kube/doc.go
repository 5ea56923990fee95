// Package kube holds the field rules of Kubernetes v1.36 for what runs on a laptop: strict decoding of manifests (R41),
// defaults (R30, R40, R129), validation with Kubernetes' own field paths and messages (R31-R43, R129, R195; security contexts
// and what pods share with the host), and the pure text and number rules of environment variables (R131-R137), resources
// (R150-R152) and schedules (R195). It does no I/O.
package kube
