package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestReleaseArchives runs scripts/release with a compiler that writes only for which system it was called, twice.
func TestReleaseArchives(t *testing.T) {
	compiler := filepath.Join(t.TempDir(), "go")
	script := "#!/bin/sh\nwhile [ $# -gt 0 ]; do [ \"$1\" = -o ] && echo \"$GOOS/$GOARCH cgo $CGO_ENABLED\" >\"$2\"; shift; done\nexit 0\n"
	if err := os.WriteFile(compiler, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	var sums []string
	dir := ""
	for range 2 {
		dir = filepath.Join(t.TempDir(), "dist")
		cmd := exec.CommandContext(t.Context(), "../../scripts/release", "v1.2.3", dir)
		cmd.Env = append(os.Environ(), "GO="+compiler, "PLATFORMS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("scripts/release: %v\n%s", err, out)
		}
		sum, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, string(sum))
	}
	if sums[0] != sums[1] {
		t.Errorf("the same commit gives other bytes:\n%s\n%s", sums[0], sums[1])
	}
	for system, binary := range map[string]string{
		"linux_amd64": "lyandev", "linux_arm64": "lyandev", "darwin_amd64": "lyandev", "darwin_arm64": "lyandev", "windows_amd64": "lyandev.exe",
	} {
		name := "lyandev_v1.2.3_" + system
		if !strings.Contains(sums[0], "  "+name+".tar.gz\n") {
			t.Errorf("SHA256SUMS lacks %s", name)
		}
		files := unpacked(t, filepath.Join(dir, name+".tar.gz"))
		arch := system[strings.Index(system, "_")+1:]
		if got, want := files[name+"/"+binary], strings.Replace(system, "_", "/", 1)+" cgo 0\n"; got != want {
			t.Errorf("%s: the binary is for %q", name, got)
		}
		want := []string{"LICENSE", "README.md", binary, "completions/_lyandev", "completions/lyandev.bash", "completions/lyandev.fish", "completions/lyandev.ps1"}
		if !strings.HasPrefix(system, "linux") {
			want = append(want, linuxBinary)
			if got := files[name+"/"+linuxBinary]; got != "linux/"+arch+" cgo 0\n" {
				t.Errorf("%s: %s is for %q", name, linuxBinary, got)
			}
		}
		var got []string
		for f := range files {
			got = append(got, strings.TrimPrefix(f, name+"/"))
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", name, got, want)
		}
	}
}

// unpacked returns the files of an archive by name.
func unpacked(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			content, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			out[h.Name] = string(content)
		}
	}
}
