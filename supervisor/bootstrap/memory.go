package bootstrap

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"sync"
)

// File is a Memory in a file, which is deleted with the instance's volumes. A missing or incomplete file counts as empty: the
// steps are checked and, if necessary, run again.
type File struct {
	path  string
	write func(path string, data []byte) error

	mu     sync.Mutex
	passed map[string]string
}

// OpenFile reads the memory of a file. write must replace a file atomically.
func OpenFile(path string, write func(path string, data []byte) error) *File {
	f := &File{path: path, write: write, passed: map[string]string{}}
	if b, err := os.ReadFile(path); err == nil {
		_ = json.Unmarshal(b, &f.passed)
	}
	if f.passed == nil {
		f.passed = map[string]string{}
	}
	return f
}

// Passed implements Memory.
func (f *File) Passed(key string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.passed[key]
}

// All returns all steps that have passed, with their containers.
func (f *File) All() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.passed)
}

// SetPassed implements Memory.
func (f *File) SetPassed(key, container string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.passed[key] = container
	b, err := json.Marshal(f.passed)
	if err != nil {
		return fmt.Errorf("cannot save the passed bootstrap steps: %w", err)
	}
	return f.write(f.path, b)
}
