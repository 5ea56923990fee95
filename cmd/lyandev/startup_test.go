package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestStartupIsFirst: startup is initialised before the libraries whose init it makes cheaper.
func TestStartupIsFirst(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	trace := string(out)
	first := strings.Index(trace, "init github.com/lyandev/lyandev/cmd/lyandev/startup ")
	if first < 0 {
		t.Fatalf("startup is not in the trace:\n%s", trace)
	}
	for _, library := range []string{"github.com/santhosh-tekuri/jsonschema/v6", "github.com/testcontainers/testcontainers-go/internal/core"} {
		if at := strings.Index(trace, "init "+library+" "); at < first {
			t.Errorf("%s is initialised before startup (at %d, %d)", library, at, first)
		}
	}
}
