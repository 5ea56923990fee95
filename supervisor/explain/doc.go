// Package explain renders the state of a running stack as text: why something is waiting (why), what an object is and what
// state it is in (describe), and whether each part is right (status). All functions are pure: supervisor state and the
// event log go in, text comes out.
package explain
