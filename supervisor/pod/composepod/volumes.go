package composepod

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
)

// AnonymousVolume is a Docker volume without a name in the file, at a path of a container.
type AnonymousVolume struct {
	Name   string `json:"name"`
	Target string `json:"target"`
}

// AnonymousFile is the name of the file of an instance that Anonymous is kept in.
const AnonymousFile = "anonymous-volumes.json"

// Anonymous keeps the anonymous volumes of containers that were removed, by pod name, for the containers that replace them. It is read
// from File and written to it at every call, so that they outlive the supervisor; without File it is in memory. Its methods may be called
// from any goroutine, but of several processes only one may keep volumes at a time.
type Anonymous struct {
	File string

	mu   sync.Mutex
	pods map[string][]AnonymousVolume
}

// Keep adds volumes to those of a pod's name. A later one at the same path replaces an earlier one.
func (a *Anonymous) Keep(pod string, volumes []AnonymousVolume) error {
	if len(volumes) == 0 {
		return nil
	}
	return a.change(func(pods map[string][]AnonymousVolume) {
		old := slices.DeleteFunc(pods[pod], func(o AnonymousVolume) bool {
			return slices.ContainsFunc(volumes, func(v AnonymousVolume) bool { return v.Target == o.Target })
		})
		pods[pod] = append(old, volumes...)
	})
}

// of are the volumes that are kept for a pod's name.
func (a *Anonymous) of(pod string) (out []AnonymousVolume, err error) {
	err = a.look(func(pods map[string][]AnonymousVolume) { out = slices.Clone(pods[pod]) })
	return out, err
}

// taken forgets the volumes of a pod's name: its new container has them.
func (a *Anonymous) taken(pod string) error {
	return a.change(func(pods map[string][]AnonymousVolume) { delete(pods, pod) })
}

// Left returns the names of the volumes that no container has taken over.
func (a *Anonymous) Left() (out []string, err error) {
	err = a.look(func(pods map[string][]AnonymousVolume) {
		for _, list := range pods {
			for _, v := range list {
				out = append(out, v.Name)
			}
		}
	})
	slices.Sort(out)
	return out, err
}

// Forget forgets all volumes: they stay on the engine, and nobody takes them over.
func (a *Anonymous) Forget() error {
	return a.change(func(pods map[string][]AnonymousVolume) { clear(pods) })
}

func (a *Anonymous) look(read func(map[string][]AnonymousVolume)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.load(); err != nil {
		return err
	}
	read(a.pods)
	return nil
}

// change changes what is kept, and writes it if that makes a difference.
func (a *Anonymous) change(write func(map[string][]AnonymousVolume)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.load(); err != nil {
		return err
	}
	before, err := json.Marshal(a.pods)
	if err != nil {
		return err
	}
	write(a.pods)
	after, err := json.Marshal(a.pods)
	if err != nil || a.File == "" || bytes.Equal(before, after) {
		return err
	}
	return instance.WriteFile(a.File, after)
}

func (a *Anonymous) load() error {
	if a.pods == nil || a.File != "" {
		a.pods = map[string][]AnonymousVolume{}
		if a.File == "" {
			return nil
		}
		b, err := os.ReadFile(a.File)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			err = json.Unmarshal(b, &a.pods)
		}
		if err != nil {
			return fmt.Errorf("cannot read which anonymous volumes belong to which container: %w; remove %s to begin with new ones", err, a.File)
		}
	}
	return nil
}

// madeByEngine matches the names that the engine gives to volumes without one.
var madeByEngine = regexp.MustCompile(`^[0-9a-f]{64}$`)

// AnonymousOf returns the container's anonymous volumes: those that the engine named and the file did not.
func AnonymousOf(c *engine.Container, want *compose.Container) []AnonymousVolume {
	var out []AnonymousVolume
	for _, m := range c.Mounts {
		if m.Volume == "" || !madeByEngine.MatchString(m.Volume) || named(want, m.Volume) {
			continue
		}
		out = append(out, AnonymousVolume{Name: m.Volume, Target: m.Target})
	}
	return out
}

// named reports whether the file itself names a volume.
func named(want *compose.Container, volume string) bool {
	for _, b := range want.Host.Binds {
		if strings.HasPrefix(b, volume+":") {
			return true
		}
	}
	for _, m := range want.Host.Mounts {
		if m.Source == volume {
			return true
		}
	}
	return false
}

// mounted reports whether something is mounted at a path of the container.
func mounted(exact *engine.Exact, target string) bool {
	for _, b := range exact.Host.Binds {
		if parts := strings.Split(b, ":"); len(parts) > 1 && parts[1] == target {
			return true
		}
	}
	for _, m := range exact.Host.Mounts {
		if m.Target == target {
			return true
		}
	}
	_, tmpfs := exact.Host.Tmpfs[target]
	return tmpfs
}
