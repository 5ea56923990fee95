package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/cluster"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// podState is what the loop knows of pods that is on no Docker object, because labels of containers cannot change: it is
// saved at every change, so that the next supervisor goes on where this one was killed.
type podState struct {
	// Roles are the roles that operators gave, by pod UID.
	Roles map[types.UID]string `json:"roles,omitempty"`
	// Deleting are the pods that were told to end.
	Deleting map[types.UID]metav1.Time `json:"deleting,omitempty"`
	// Ended are the pods that have done their work, or failed for good: their containers may be pruned by anybody at any time,
	// and a Job must not run again for that.
	Ended map[types.UID]*corev1.Pod `json:"ended,omitempty"`
}

const (
	// podStateFile keeps a podState.
	podStateFile = "pods.json"
	// revisionFile keeps the highest revision of the object store that may have been given out.
	revisionFile = "revision"
)

// savedState is what saveState wrote last, and the revision of the pods that it is of.
type savedState struct {
	revision uint64
	text     string
}

// saveState saves what is known of the pods, if that has changed. Called by the loop.
func (s *Supervisor) saveState() {
	revision := s.cluster.RevisionOf(cluster.Kind(&corev1.Pod{}))
	if revision == s.saved.revision && s.saved.text != "" {
		return
	}
	m := podState{Roles: map[types.UID]string{}, Deleting: map[types.UID]metav1.Time{}, Ended: map[types.UID]*corev1.Pod{}}
	for _, p := range s.cluster.Pods() {
		if role := p.Labels[services.RoleLabel]; role != "" {
			m.Roles[p.UID] = role
		}
		if p.DeletionTimestamp != nil {
			m.Deleting[p.UID] = *p.DeletionTimestamp
		} else if pod.Final(p.Status.Phase) {
			m.Ended[p.UID] = p
		}
	}
	b, err := json.Marshal(m)
	if err == nil && string(b) != s.saved.text {
		err = instance.WriteFile(s.cfg.Instance.File(podStateFile), b)
	}
	if err != nil {
		s.log.Warn("cannot save the pods' roles", "error", err)
		return
	}
	s.saved = savedState{revision, string(b)}
}

// loadState adds what a former supervisor saved to pods that were found, and the pods that had ended and of which nothing is
// left.
func (s *Supervisor) loadState(pods []*corev1.Pod) []*corev1.Pod {
	b, err := os.ReadFile(s.cfg.Instance.File(podStateFile))
	if err != nil {
		return pods
	}
	var m podState
	if err := json.Unmarshal(b, &m); err != nil {
		s.log.Warn("cannot read the pods' roles; the operators will tell", "error", err)
		return pods
	}
	return m.over(pods)
}

// showSaved gives pods that have ended the status that the last supervisor of the instance saved: it knew why they ended.
func showSaved(i *instance.Instance, pods []*corev1.Pod) {
	var m podState
	if b, err := os.ReadFile(i.File(podStateFile)); err != nil || json.Unmarshal(b, &m) != nil {
		return
	}
	for _, p := range pods {
		if was := m.Ended[p.UID]; was != nil && pod.Final(p.Status.Phase) {
			p.Status = was.Status
		}
	}
}

func (m *podState) over(pods []*corev1.Pod) []*corev1.Pod {
	for _, p := range pods {
		if was := m.Ended[p.UID]; was != nil {
			p.Status = was.Status
			delete(m.Ended, p.UID)
		}
		if role := m.Roles[p.UID]; role != "" {
			p.Labels[services.RoleLabel] = role
		}
		if at, ok := m.Deleting[p.UID]; ok {
			p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &at, p.Spec.TerminationGracePeriodSeconds
		}
	}
	for _, uid := range slices.Sorted(maps.Keys(m.Ended)) {
		pods = append(pods, m.Ended[uid])
	}
	return pods
}

// revisions has the object store of an instance count on from where earlier ones may have been. A file that cannot be read
// is replaced by a number that no counter has reached.
func revisions(cfg Config) cluster.Config {
	path := cfg.Instance.File(revisionFile)
	var mark uint64
	b, err := os.ReadFile(path)
	if err == nil {
		mark, err = strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		mark = uint64(time.Now().UnixMicro())
		cfg.Log.Warn("cannot read the last revision; counting on from the time of day", "file", path, "error", err)
	}
	c := cluster.Config{HighWater: mark, Reserve: func(upTo uint64) error {
		err := instance.WriteFile(path, fmt.Append(nil, upTo))
		if err != nil {
			cfg.Log.Warn("cannot save the revision", "error", err)
		}
		return err
	}}
	if cfg.Simulation != nil {
		c.Names = cfg.Simulation.Names
	} else {
		c.StartFirst = int32(max(1, runtime.NumCPU()/2))
	}
	return c
}
