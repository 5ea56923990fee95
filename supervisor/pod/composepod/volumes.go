package composepod

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// AnonymousVolume is a Docker volume without a name in the file, at a path of a container.
type AnonymousVolume struct{ Name, Target string }

// Anonymous keeps the anonymous volumes of containers that were removed, by pod name, for the containers that replace them. Its
// zero value is ready; its methods may be called from any goroutine.
type Anonymous struct {
	mu   sync.Mutex
	pods map[string][]AnonymousVolume
}

func (a *Anonymous) keep(pod string, volumes []AnonymousVolume) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pods == nil {
		a.pods = map[string][]AnonymousVolume{}
	}
	a.pods[pod] = volumes
}

func (a *Anonymous) take(pod string) []AnonymousVolume {
	a.mu.Lock()
	defer a.mu.Unlock()
	v := a.pods[pod]
	delete(a.pods, pod)
	return v
}

// Left returns the names of the volumes that no container has taken over.
func (a *Anonymous) Left() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for _, list := range a.pods {
		for _, v := range list {
			out = append(out, v.Name)
		}
	}
	slices.Sort(out)
	return out
}

// madeByEngine matches the names that the engine gives to volumes without one.
var madeByEngine = regexp.MustCompile(`^[0-9a-f]{64}$`)

// anonymousOf returns the container's anonymous volumes: those that the engine named and the file did not.
func anonymousOf(c *engine.Container, want *compose.Container) []AnonymousVolume {
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
