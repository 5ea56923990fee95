// Package profiles says which of an application runs: it loads a Compose file with x-lyandev extensions into a
// services.Stack for one profile, lists the profiles of a file, and tells two stacks apart.
//
// Loading is a pipeline: parse, merge, interpolate, check, convert, cross-reference. Each step reports everything it
// finds, with file, line and key path; a later step runs only on what an earlier one let through. The step that talks to
// compose-go comes in the middle: whatever Compose itself says about merging, normalising and defaults is left to it.
//
// It is the only package that imports compose-go.
package profiles
