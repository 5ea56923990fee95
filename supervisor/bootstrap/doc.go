// Package bootstrap is x-lyandev.bootstrap: ordered steps that turn a running workload into a right one, for systems without
// an operator of their own. Each step has a command that does it and, if it can be told, one that checks whether it needs to
// be done; both run in a pod. A step that fails is tried again with back-off until it passes, and holds its pod unready.
//
// A step passes when its check succeeds or, without a check, when its run has. "always" steps must pass again after every
// start of their container; "first-start" steps have passed for good once they did, until the stack's volumes are deleted.
package bootstrap
