package main

import (
	"testing"

	"github.com/lyandev/lyandev/supervisor/instance"
)

// TestOwnInstance: a second directory of a project is told that it is an instance of its own, and who has the project's name.
func TestOwnInstance(t *testing.T) {
	reg := &instance.Registry{Root: t.TempDir()}
	first, err := reg.Resolve(t.Context(), "shop", "/src/shop", "")
	if err == nil {
		err = first.Save()
	}
	if err != nil {
		t.Fatal(err)
	}
	second, err := reg.Resolve(t.Context(), "shop", "/src/copy", "")
	if err != nil {
		t.Fatal(err)
	}
	want := "project shop belongs to /src/shop; here it runs as " + second.Name + ", with containers, networks and volumes of its own"
	if got := ownInstance(reg, second); got != want {
		t.Errorf("the second directory: %q, want %q", got, want)
	}
	if got := ownInstance(reg, first); got != "" {
		t.Errorf("the first directory: %q", got)
	}
}
