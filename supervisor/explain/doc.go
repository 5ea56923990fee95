// Package explain puts into words what is known of a running stack: why something waits, what an object is and how it is,
// and whether each part is right. Pure functions from a snapshot and the event log to text.
package explain
