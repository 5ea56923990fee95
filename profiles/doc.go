// Package profiles loads a Compose file with x-lyandev extensions into a services.Stack for one profile. It also lists the
// profiles of a file and compares two stacks.
//
// Loading is a pipeline: parse, merge, interpolate, check, convert, cross-reference. Each step reports all errors that it
// finds, with file, line and key path; the next step runs only if there were none. Merging, normalisation and Compose's
// defaults are left to compose-go.
//
// It is the only package that imports compose-go.
package profiles
