package throwaway

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/build"
)

// Images builds the images of stacks once for all copies of a process. Builder is required.
type Images struct {
	Builder *build.Builder
	// Progress receives the builds' progress; nil discards it.
	Progress build.Sink

	mu   sync.Mutex
	made map[string]bool
}

// Make builds the images whose inputs have changed, and blocks until that is done. A second call with the same builds does
// nothing. Concurrent calls wait for each other.
func (i *Images) Make(ctx context.Context, builds []*services.Build) error {
	key, err := json.Marshal(builds)
	if err != nil {
		return fmt.Errorf("cannot read the builds: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.made[string(key)] {
		return nil
	}
	sink := i.Progress
	if sink == nil {
		sink = func(build.Progress) {}
	}
	if _, err := i.Builder.All(ctx, builds, build.Options{Refs: build.RefsOf(builds)}, sink); err != nil {
		return err
	}
	if i.made == nil {
		i.made = map[string]bool{}
	}
	i.made[string(key)] = true
	return nil
}
