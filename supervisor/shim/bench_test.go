package shim

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkLayFiles lays 2,000 small files, as a checkout of another branch does.
func BenchmarkLayFiles(b *testing.B) {
	root := b.TempDir()
	var files []File
	var text strings.Builder
	for n := range 2000 {
		files = append(files, File{Root: root, Path: fmt.Sprintf("many/d%02d/f%d", n/40, n), Kind: Regular, Mode: 0o644, Size: 10, ModTime: 1})
		text.WriteString("0123456789")
	}
	for b.Loop() {
		if failed, err := LayFiles(files, strings.NewReader(text.String())); failed != nil || err != nil {
			b.Fatal(failed, err)
		}
	}
}
