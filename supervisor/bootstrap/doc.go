// Package bootstrap runs the steps of x-lyandev.bootstrap: an operator made of commands, for workloads that need
// initialisation and have no operator of their own. Steps run in order, in a pod. Each has a run command and, optionally, a
// check command that tells whether the step needs to run. A step that fails is retried with back-off until it passes, and
// keeps its pod unready until then.
//
// A step passes when its check succeeds or, without a check, when its run succeeds. "always" steps must pass again after every
// start of their container. "first-start" steps pass once, until the stack's volumes are deleted.
package bootstrap
