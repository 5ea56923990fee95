package bootstrap

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"sync"
)

// File is a Memory in a file, which goes with the instance when its volumes are deleted. A file that is missing or torn is empty: steps are checked and, if need be, done again.
type File struct {
	path  string
	write func(path string, data []byte) error

	mu     sync.Mutex
	passed map[string]string
}

// OpenFile reads a memory; write replaces a file in one step.
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

// All is everything that has passed.
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
		return fmt.Errorf("cannot write the bootstrap memory: %w", err)
	}
	return f.write(f.path, b)
}
