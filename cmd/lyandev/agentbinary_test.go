package main

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

// TestBinaryForContainers: on Linux it is lyandev itself; elsewhere the one that the release archive has beside it, if it is there.
func TestBinaryForContainers(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	own, beside := filepath.Join(dir, "lyandev"), filepath.Join(dir, linuxBinary)
	if got := binaryBeside(own, "darwin"); got != own {
		t.Errorf("without %s: %s", linuxBinary, got)
	}
	for _, f := range []string{own, beside} {
		if err := os.WriteFile(f, []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if got := binaryBeside(own, "linux"); got != own {
		t.Errorf("on Linux: %s", got)
	}
	link := filepath.Join(t.TempDir(), "lyandev")
	if err := os.Symlink(own, link); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{own, link} {
		if got := binaryBeside(from, "darwin"); got != beside {
			t.Errorf("%s: %s", from, got)
		}
	}
	t.Setenv("LYANDEV_AGENT_BINARY", own)
	if _, err := agentBinary(); err == nil || !strings.Contains(err.Error(), "is not a Linux binary; name one with LYANDEV_AGENT_BINARY") {
		t.Errorf("a script is used: %v", err)
	}
}

// TestOwnVersion: the linker's version wins, then that of the module, as `go install ...@latest` records it.
func TestOwnVersion(t *testing.T) {
	module := func(version string) *debug.BuildInfo { return &debug.BuildInfo{Main: debug.Module{Version: version}} }
	for _, c := range []struct {
		linked string
		info   *debug.BuildInfo
		want   string
	}{
		{"v1.2.3", module("v9.9.9"), "v1.2.3"},
		{unsetVersion, module("v1.4.0"), "v1.4.0"},
		{unsetVersion, module("(devel)"), unsetVersion},
		{unsetVersion, module(""), unsetVersion},
		{unsetVersion, nil, unsetVersion},
	} {
		if got := ownVersion(c.linked, c.info); got != c.want {
			t.Errorf("%q, %v: %q, want %q", c.linked, c.info, got, c.want)
		}
	}
}
