// Package harness runs instances of the lyandev binary for end-to-end tests: each with a directory, a name and a state home
// of its own, on the real Docker engine, taken down with its volumes when its test ends.
//
//	i := harness.New(t, `
//	services:
//	  web:
//	    image: debian:trixie-slim
//	    command: [sleep, infinity]
//	`)
//	i.Up("--wait")
//	i.Until(10*time.Second, "web is ready", func(s *state.Status) bool { ... })
//
// New gives at most Slots instances at a time: tests may all be parallel. Nothing here sleeps: every wait is for a
// condition, with a limit, and fails the test with what the supervisor knew.
package harness
