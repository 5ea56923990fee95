package supervisor

import (
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/instance"
)

// agentOnFake is a fabric with a network and an agent's image, and the spec of its agent.
func agentOnFake(t *testing.T) (*enginefake.Engine, *fabric, engine.ContainerSpec) {
	t.Helper()
	e := enginefake.New()
	e.AddImage("agent:1", enginefake.Image{})
	i, err := (&instance.Registry{Root: t.TempDir()}).Resolve(t.Context(), "s", t.TempDir(), "s")
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{Instance: i, Engine: e, Log: slog.New(slog.DiscardHandler)})
	subnet := netip.MustParsePrefix("10.9.0.0/22")
	if err := errors.Join(s.fabric.createNetwork(t.Context(), subnet), s.fabric.use(subnet, savedAddresses{})); err != nil {
		t.Fatal(err)
	}
	s.fabric.token = "0123456789abcdef"
	return e, s.fabric, s.fabric.agentSpec(nil, "agent:1", "hash", "key")
}

func TestAgentMayDoNoMoreThanItNeeds(t *testing.T) {
	e, f, spec := agentOnFake(t)
	if !slices.Equal(spec.CapDrop, []string{"ALL"}) || !slices.Equal(spec.CapAdd, []string{"NET_ADMIN", "NET_BIND_SERVICE"}) {
		t.Errorf("capabilities: all but %v, and %v", spec.CapDrop, spec.CapAdd)
	}
	if !spec.ReadOnlyRootFS || !slices.Equal(spec.SecurityOpt, []string{"no-new-privileges"}) || spec.Privileged {
		t.Errorf("root read-only %v, security options %v, privileged %v", spec.ReadOnlyRootFS, spec.SecurityOpt, spec.Privileged)
	}
	if text := strings.Join(slices.Concat(spec.Env, spec.Cmd), " "); strings.Contains(text, f.token) {
		t.Errorf("everybody who inspects the container reads the token: %s", text)
	}
	id, err := f.startAgent(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	r, err := e.CopyFrom(t.Context(), id, agent.TokenFile)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); err != nil || !strings.Contains(string(b), f.token) {
		t.Errorf("the token's file has %q, %v", b, err)
	}
}
