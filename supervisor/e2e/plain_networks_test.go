package e2e_test

import (
	"strings"
	"testing"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
)

// TestSharedNetworks: a service with Kubernetes' semantics and plain services reach each other by name in a named network, also an
// internal one, and a network that shares no service with it stays apart.
func TestSharedNetworks(t *testing.T) {
	t.Parallel()
	i := harness.New(t, `
x-plain: &plain {image: "debian:trixie-slim", init: true, command: [sleep, infinity], stop_grace_period: 0s}
services:
  db: {<<: *plain, networks: [back]}
  inner: {<<: *plain, networks: [inside]}
  other: {<<: *plain, networks: [apart]}
  web: {<<: *plain, networks: {back: {aliases: [www]}, inside: {}}, x-lyandev: {semantics: kubernetes}}
networks: {back: {}, inside: {internal: true}, apart: {}}
`)
	i.Up("--wait")
	finds := func(from, name string, want bool) {
		t.Helper()
		r := i.Run("exec", from, "getent", "hosts", name)
		if found := r.Code == 0 && strings.TrimSpace(r.Out) != ""; found != want {
			t.Errorf("%s finds %s: %v, want %v (%s%s)", from, name, found, want, r.Out, r.Err)
		}
	}
	for _, name := range []string{"web", "www", "web.default.svc.cluster.local"} {
		finds("db", name, true)
		finds("other", name, false)
	}
	finds("inner", "web", true)
	finds("web", "db", true)
	finds("web", "inner", true)
	finds("web", "other", false)
	finds("db", "inner", false)
}
