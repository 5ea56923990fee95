package podnet

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/supervisor/agent"
)

func TestAgentMayDoNoMoreThanItNeeds(t *testing.T) {
	r := newRig(t, t.TempDir())
	if _, err := r.n.Adopt(t.Context(), Everything()); err != nil { // makes the network
		t.Fatal(err)
	}
	spec := r.n.agentSpec(nil, "agent:1", "hash")
	if !slices.Equal(spec.CapDrop, []string{"ALL"}) || !slices.Equal(spec.CapAdd, []string{"NET_ADMIN", "NET_BIND_SERVICE"}) {
		t.Errorf("capabilities: all but %v, and %v", spec.CapDrop, spec.CapAdd)
	}
	if !spec.ReadOnlyRootFS || !slices.Equal(spec.SecurityOpt, []string{"no-new-privileges"}) || spec.Privileged {
		t.Errorf("root read-only %v, security options %v, privileged %v", spec.ReadOnlyRootFS, spec.SecurityOpt, spec.Privileged)
	}
	warned := ""
	r.n.cfg.Warn = func(text string) { warned = text }
	if r.n.agentSpec(nil, "agent:1", "hash").Warn("no swap limit"); warned != "no swap limit" {
		t.Errorf("what the engine leaves out is told as %q", warned)
	}
	const token = "0123456789abcdef"
	if err := r.n.Ensure(t.Context(), publishing(), false); err != nil {
		t.Fatal(err)
	}
	made := r.agent()
	if text := strings.Join(slices.Concat(spec.Env, spec.Cmd, made.Env), " "); strings.Contains(text, r.n.token) {
		t.Errorf("everybody who inspects the container reads the token: %s", text)
	}
	if err := r.RemoveContainer(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	id, err := r.n.startAgent(t.Context(), spec, token)
	if err != nil {
		t.Fatal(err)
	}
	file, err := r.CopyFrom(t.Context(), id, agent.TokenFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if b, err := io.ReadAll(file); err != nil || !strings.Contains(string(b), token) {
		t.Errorf("the token's file has %q, %v", b, err)
	}
}
