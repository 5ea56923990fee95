package supervisor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/probe"
)

// ProbePause is a request to pause probes, or to resume them.
type ProbePause struct {
	// Names are services and pods. A service stands for its pods of now and later ones, a pod for itself alone. For a resumption,
	// none is everything that is paused.
	Names []string `json:"names,omitempty"`
	// Liveness pauses liveness and startup probes only. For is how long; 0 is until somebody resumes them. Both are for pauses.
	Liveness bool          `json:"liveness,omitempty"`
	For      time.Duration `json:"for,omitempty"`
}

// probePauses are the pauses of probes that somebody asked for. They belong to the loop.
type probePauses struct {
	// Workloads are by workload, Pods by the pod's UID: a pod's pause ends with the pod.
	Workloads map[string]askedPause    `json:"workloads,omitempty"`
	Pods      map[types.UID]askedPause `json:"pods,omitempty"`

	// told is what each pod's worker was told last.
	told map[types.UID]pod.Pause
}

// askedPause is one pause. Name is the service or pod as it was named; Until is zero for no end.
type askedPause struct {
	Name   string      `json:"name"`
	Probes probe.Pause `json:"probes"`
	Since  time.Time   `json:"since"`
	Until  time.Time   `json:"until,omitzero"`
}

// pausedFile keeps the pauses of probes for the next supervisor.
const pausedFile = "paused-probes.json"

func newProbePauses() probePauses {
	return probePauses{Workloads: map[string]askedPause{}, Pods: map[types.UID]askedPause{}, told: map[types.UID]pod.Pause{}}
}

// PauseProbes pauses the probes of services or pods. A pause that a service or pod has already is replaced. It blocks until the loop has
// noted it, and returns the pods whose probes are paused now. The error says which name is unknown; then nothing is paused.
func (s *Supervisor) PauseProbes(ctx context.Context, r ProbePause) ([]string, error) {
	if len(r.Names) == 0 {
		return nil, errors.New("cannot pause probes: name the services or pods")
	}
	if r.For < 0 {
		return nil, fmt.Errorf("cannot pause probes for %s: the time must not be negative", r.For)
	}
	return ask(ctx, s, "pause probes of "+strings.Join(r.Names, " "), func() ([]string, error) {
		now := time.Now()
		a := askedPause{Probes: probe.PauseAll, Since: now}
		if r.Liveness {
			a.Probes = probe.PauseLiveness
		}
		if r.For > 0 {
			a.Until = now.Add(r.For)
		}
		list, err := s.subjects("pause the probes of", r.Names)
		if err != nil {
			return nil, err
		}
		for i, x := range list {
			a.Name = r.Names[i]
			if x.pod == nil {
				s.pauses.Workloads[x.workload] = a
			} else {
				s.pauses.Pods[x.pod.UID] = a
			}
		}
		s.followPauses(now)
		return s.coveredBy(list), s.savePauses()
	})
}

// ResumeProbes ends pauses that PauseProbes began, and returns the pods whose probes go on. Names of which nothing is paused are an error, as
// are pods whose service is paused or that are paused by the annotation; then nothing is resumed.
func (s *Supervisor) ResumeProbes(ctx context.Context, r ProbePause) ([]string, error) {
	return ask(ctx, s, "resume probes of "+strings.Join(r.Names, " "), func() ([]string, error) {
		now := time.Now()
		if len(r.Names) == 0 {
			pods := s.pausedNow()
			clear(s.pauses.Workloads)
			clear(s.pauses.Pods)
			s.followPauses(now)
			still := s.pausedNow()
			return slices.DeleteFunc(pods, func(p string) bool { return slices.Contains(still, p) }), s.savePauses()
		}
		list, err := s.subjects("resume the probes of", r.Names)
		if err != nil {
			return nil, err
		}
		var errs []error
		for i, x := range list {
			errs = append(errs, s.resumable(r.Names[i], x))
		}
		if err := errors.Join(errs...); err != nil {
			return nil, err
		}
		for _, x := range list {
			if x.pod == nil {
				delete(s.pauses.Workloads, x.workload)
			}
			for _, p := range s.podsOfSubject(x) {
				delete(s.pauses.Pods, p.UID)
			}
		}
		s.followPauses(now)
		return s.coveredBy(list), s.savePauses()
	})
}

// subject is what a name of a request means: a workload, or a pod of it.
type subject struct {
	workload string
	pod      *corev1.Pod
}

// subjects finds what the names mean.
func (s *Supervisor) subjects(doing string, names []string) ([]subject, error) {
	stack := s.cluster.Stack()
	if stack == nil {
		return nil, fmt.Errorf("cannot %s %s: %w", doing, strings.Join(names, ", "), errNoStack)
	}
	var out []subject
	var errs []error
	for _, name := range names {
		if x := stack.Find(name); x != nil {
			out = append(out, subject{workload: x.Name()})
			continue
		}
		i := slices.IndexFunc(s.cluster.Pods(), func(p *corev1.Pod) bool { return p.Name == name || services.ShownPod(p) == name })
		if i < 0 {
			errs = append(errs, fmt.Errorf("cannot %s %s: there is no such service or pod; there are %s", doing, name, strings.Join(stack.DisplayNames(), ", ")))
			continue
		}
		p := s.cluster.Pods()[i]
		out = append(out, subject{workload: p.Labels[services.WorkloadLabel], pod: p})
	}
	return out, errors.Join(errs...)
}

// resumable says why the probes of a service or pod cannot be resumed, nil if they can.
func (s *Supervisor) resumable(name string, x subject) error {
	w, paused := s.pauses.Workloads[x.workload]
	if x.pod != nil && paused {
		return fmt.Errorf("cannot resume the probes of %s alone: those of all pods of %s are paused; `lyandev resume-probes %s` resumes them", name, w.Name, w.Name)
	}
	for _, p := range s.podsOfSubject(x) {
		_, own := s.pauses.Pods[p.UID]
		paused = paused || own
		if a, _ := annotated(p); a.Probes != probe.NotPaused {
			return fmt.Errorf("cannot resume the probes of %s: pod %s has the annotation %s; take it out of the file and run `lyandev up`",
				name, services.ShownPod(p), services.PauseProbesAnnotation)
		}
	}
	if !paused {
		return fmt.Errorf("cannot resume the probes of %s: they are not paused", name)
	}
	return nil
}

func (s *Supervisor) podsOfSubject(x subject) []*corev1.Pod {
	if x.pod != nil {
		return []*corev1.Pod{x.pod}
	}
	return s.cluster.PodsOf(x.workload)
}

// coveredBy are the pods that the subjects stand for, as people see them.
func (s *Supervisor) coveredBy(list []subject) []string {
	out := []string{}
	for _, x := range list {
		for _, p := range s.podsOfSubject(x) {
			if p.DeletionTimestamp == nil {
				out = append(out, services.ShownPod(p))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// pausedNow are the pods whose probes are paused.
func (s *Supervisor) pausedNow() []string {
	var out []string
	for _, p := range s.cluster.Pods() {
		if s.pauseOf(p).Probes != probe.NotPaused {
			out = append(out, services.ShownPod(p))
		}
	}
	return out
}

// pauseOf is the pause of a pod: its own, else its workload's, else that of its annotation; the first that pauses the most.
func (s *Supervisor) pauseOf(p *corev1.Pod) pod.Pause {
	var best pod.Pause
	for _, a := range []askedPause{s.pauses.Pods[p.UID], s.pauses.Workloads[p.Labels[services.WorkloadLabel]]} {
		if wider(a.Probes, best.Probes) {
			best = a.pause()
		}
	}
	if a, _ := annotated(p); wider(a.Probes, best.Probes) {
		best = a
	}
	return best
}

func wider(a, b probe.Pause) bool {
	rank := []probe.Pause{probe.NotPaused, probe.PauseLiveness, probe.PauseAll}
	return slices.Index(rank, a) > slices.Index(rank, b)
}

func (a askedPause) pause() pod.Pause {
	text := "by pause-probes"
	if !a.Until.IsZero() {
		text += ", until " + a.Until.Local().Format(time.TimeOnly)
	}
	return pod.Pause{Probes: a.Probes, Since: metav1.NewTime(a.Since), Message: text + "; `lyandev resume-probes " + a.Name + "` resumes them"}
}

// annotated is the pause of a pod's annotation or label. The error says that the value is not one.
func annotated(p *corev1.Pod) (pod.Pause, error) {
	key := services.PauseProbesAnnotation
	all, liveness, err := services.ProbePauseOf(cmp.Or(p.Annotations[key], p.Labels[key]))
	out := pod.Pause{Since: p.CreationTimestamp, Message: "by the annotation " + key}
	switch {
	case all:
		out.Probes = probe.PauseAll
	case liveness:
		out.Probes = probe.PauseLiveness
	default:
		return pod.Pause{}, err
	}
	return out, nil
}

// followPauses ends pauses that are over, tells workers of what has changed, and returns when to look again, zero for never. Called by the
// loop.
func (s *Supervisor) followPauses(now time.Time) (next time.Time) {
	over := func(a askedPause) bool {
		if a.Until.IsZero() {
			return false
		}
		if a.Until.After(now) && (next.IsZero() || a.Until.Before(next)) {
			next = a.Until
		}
		return !a.Until.After(now)
	}
	before := len(s.pauses.Workloads) + len(s.pauses.Pods)
	maps.DeleteFunc(s.pauses.Workloads, func(_ string, a askedPause) bool { return over(a) })
	there := map[types.UID]bool{}
	for _, p := range s.cluster.Pods() {
		there[p.UID] = true
	}
	maps.DeleteFunc(s.pauses.Pods, func(uid types.UID, a askedPause) bool { return over(a) || !there[uid] })
	if len(s.pauses.Workloads)+len(s.pauses.Pods) != before {
		if err := s.savePauses(); err != nil {
			s.log.Warn("cannot save whose probes are paused", "error", err)
		}
	}
	maps.DeleteFunc(s.pauses.told, func(uid types.UID, _ pod.Pause) bool { return !there[uid] })
	for _, p := range s.cluster.Pods() {
		s.tellPause(p)
	}
	return next
}

// tellPause tells a pod's worker of its pause, if that is another one.
func (s *Supervisor) tellPause(p *corev1.Pod) {
	is, was := s.pauseOf(p), s.pauses.told[p.UID]
	if is == was {
		return
	}
	s.pauses.told[p.UID] = is
	s.pods.PauseProbes(p.Name, is)
	if is.Probes == probe.NotPaused {
		s.event("Pod", p.Name, corev1.EventTypeNormal, "ProbesResumed", "The probes are judged again")
	} else {
		s.event("Pod", p.Name, corev1.EventTypeNormal, "ProbesPaused", "The probes (%s) are paused %s", is.Probes, is.Message)
	}
}

// firstPause is the pause of a pod whose worker is about to start.
func (s *Supervisor) firstPause(p *corev1.Pod) pod.Pause {
	if _, err := annotated(p); err != nil {
		s.event("Pod", p.Name, corev1.EventTypeWarning, "InvalidAnnotation", "The probes are not paused: %v", err)
	}
	is := s.pauseOf(p)
	if is.Probes != probe.NotPaused {
		s.pauses.told[p.UID] = is
	}
	return is
}

func (s *Supervisor) savePauses() error {
	b, err := json.Marshal(s.pauses)
	if err != nil {
		return err
	}
	return instance.WriteFile(s.cfg.Instance.File(pausedFile), b)
}

// loadPauses takes the pauses over that the former supervisor of the instance saved.
func (s *Supervisor) loadPauses() {
	b, err := os.ReadFile(s.cfg.Instance.File(pausedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	saved := newProbePauses()
	if err == nil {
		err = json.Unmarshal(b, &saved)
	}
	if err != nil {
		s.log.Warn("cannot read whose probes are paused; nobody's are", "error", err)
		return
	}
	s.pauses = saved
}
