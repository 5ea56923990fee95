package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/cluster"
	"github.com/lyandev/lyandev/supervisor/controller"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
)

// Control is a request to do something with services of the running stack.
type Control struct {
	// Verb is restart, stop, start, kill, pause, unpause, rm or trigger.
	Verb string `json:"verb"`
	// Services are names as the file has them, or workloads' names; none is all services.
	Services []string `json:"services,omitempty"`
	// Signal is what kill sends; "" is SIGKILL.
	Signal string `json:"signal,omitempty"`
	// Grace is the time between the stop signal and SIGKILL in seconds, for stop, restart and rm; nil is the file's.
	Grace *int64 `json:"grace,omitempty"`
	// Stop stops running containers that rm is to remove.
	Stop bool `json:"stop,omitempty"`
	// Volumes removes the anonymous volumes of the containers that rm removes.
	Volumes bool `json:"volumes,omitempty"`
}

// stoppedFile keeps the names of the workloads that were stopped or removed by hand, for the next supervisor.
const stoppedFile = "stopped.json"

// byHand are the reasons of suspensions by hand, by verb. Up and start end them.
var byHand = map[string]string{
	"stop": "is stopped; `lyandev start %s` starts it",
	"rm":   "was removed with `lyandev rm`; `lyandev up %s` brings it back",
}

// Control does what r asks for. It blocks until that is done and the status shows it, or until ctx ends; then what has begun goes on.
// Services are stopped and removed after those that depend on them, and started and restarted when what they depend on is as
// depends_on asks for, as under Docker Compose; start also starts what they depend on. A service with Kubernetes' semantics is
// restarted by its update strategy, whose end is not waited for, and stopped by taking its pods away; a plain one keeps its
// containers. An unknown service is an error, and then nothing is done. An error of one service leaves those that would follow it
// as they are.
func (s *Supervisor) Control(ctx context.Context, r Control) error {
	stack, err := s.wantedStack(ctx)
	if err != nil {
		return err
	}
	if stack == nil {
		return fmt.Errorf("cannot %s: %w", r.Verb, errNoStack)
	}
	list, err := selected(stack, r)
	if err != nil {
		return err
	}
	switch r.Verb {
	case "kill", "pause", "unpause":
		return s.signal(ctx, r, list)
	case "trigger":
		return s.change(ctx, "trigger "+strings.Join(r.Services, " "), func() error { return s.trigger(list, time.Now()) })
	case "restart", "stop", "start", "rm":
		return s.inOrder(ctx, stack, r, list)
	}
	return fmt.Errorf("cannot %s services: there is no such request", r.Verb)
}

// selected are the workloads that a request names.
func selected(stack *services.Stack, r Control) ([]*services.Workload, error) {
	if len(r.Services) == 0 {
		return stack.Workloads, nil
	}
	var out []*services.Workload
	var errs []error
	for _, name := range r.Services {
		x := stack.Find(name)
		if x == nil {
			errs = append(errs, fmt.Errorf("cannot %s %s: there is no such service; there are %s", r.Verb, name, strings.Join(stack.DisplayNames(), ", ")))
			continue
		}
		out = append(out, x)
	}
	switch r.Verb {
	case "restart":
		out = withRestarted(stack, out)
	case "start":
		out = withNeeded(stack, out)
	}
	return out, errors.Join(errs...)
}

// withNeeded adds what the workloads depend on, directly or not.
func withNeeded(stack *services.Stack, list []*services.Workload) []*services.Workload {
	for i := 0; i < len(list); i++ {
		for _, d := range list[i].DependsOn {
			if x := stack.Workload(d.Workload); x != nil && !slices.Contains(list, x) {
				list = append(list, x)
			}
		}
	}
	return list
}

// withRestarted adds the dependents whose depends_on says restart: true.
func withRestarted(stack *services.Stack, list []*services.Workload) []*services.Workload {
	for i := 0; i < len(list); i++ {
		for _, x := range stack.Workloads {
			depends := slices.ContainsFunc(x.DependsOn, func(d services.Dependency) bool { return d.Restart && d.Workload == list[i].Name() })
			if depends && !slices.Contains(list, x) {
				list = append(list, x)
			}
		}
	}
	return list
}

// trigger runs CronJobs now, beside their schedule, and Jobs again. Called by the loop.
func (s *Supervisor) trigger(list []*services.Workload, now time.Time) error {
	for _, x := range list {
		if x.Kind() != "CronJob" && x.Kind() != "Job" {
			return fmt.Errorf("cannot trigger %[1]s: it is a %[2]s, and only CronJobs and Jobs can be; `lyandev restart %[1]s` restarts it", x.DisplayName(), x.Kind())
		}
	}
	for _, x := range list {
		if x.Kind() == "Job" {
			if err := s.cluster.Restart(x.Name(), now); err != nil {
				return err
			}
			continue
		}
		cron, there := cluster.Get[*batchv1.CronJob](s.cluster.Store, x.Meta().Namespace, x.Name())
		if !there {
			return fmt.Errorf("cannot trigger %[1]s: it waits for what it depends on; see `lyandev why %[1]s`", x.DisplayName())
		}
		job := controller.ManualJob(cron, now)
		if err := s.cluster.Perform(controller.CreateJob{Job: job}); err != nil {
			return err
		}
		s.event("CronJob", cron.Name, corev1.EventTypeNormal, "SuccessfulCreate", "Created job %s, because somebody asked for it", job.Name)
	}
	return nil
}

// suspend takes a workload's pods away, within the grace period of the request.
func (s *Supervisor) suspend(r Control, x *services.Workload) {
	s.cluster.Suspensions.AddByHand(x.Name(), fmt.Sprintf(byHand[r.Verb], x.DisplayName()))
	s.stopGrace[x.Name()] = r.Grace
}

// removeVolumes makes the removal of a plain workload's containers remove their anonymous volumes, if the request says so. Those of pods
// go with them in any case.
func (s *Supervisor) removeVolumes(r Control, x *services.Workload) {
	for _, p := range s.cluster.PodsOf(x.Name()) {
		if w := s.pods.Plain(p.Name); w != nil && r.Volumes {
			w.RemoveVolumes(true)
		}
	}
}

// resume ends what suspend began.
func (s *Supervisor) resume(x *services.Workload) {
	s.cluster.Suspensions.RemoveByHand(x.Name())
	delete(s.stopGrace, x.Name())
}

// running is the name of a pod of the workload that runs, "" if none does.
func (s *Supervisor) running(x *services.Workload) string {
	for _, p := range s.cluster.PodsOf(x.Name()) {
		if p.Status.Phase == corev1.PodRunning {
			return p.Name
		}
	}
	return ""
}

// signal sends a signal to the services' containers, or freezes or thaws them.
func (s *Supervisor) signal(ctx context.Context, r Control, list []*services.Workload) error {
	signal := r.Signal
	if signal == "" {
		signal = "SIGKILL"
	}
	var errs []error
	for _, x := range list {
		found, err := s.cfg.Engine.ListContainers(ctx, map[string]string{
			services.ProjectLabel: s.cfg.Instance.Name, services.WorkloadLabel: x.Name(), services.KindLabel: dockerpod.KindContainer,
		})
		if err != nil {
			return err
		}
		for _, c := range found {
			switch r.Verb {
			case "kill":
				err = s.cfg.Engine.KillContainer(ctx, c.ID, signal)
			case "pause":
				err = s.cfg.Engine.PauseContainer(ctx, c.ID)
			case "unpause":
				err = s.cfg.Engine.UnpauseContainer(ctx, c.ID)
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// startEnded ends stops by hand of the workloads of a stack that was just applied, and starts the containers of plain services that
// have ended without having done their work: with an error, or because somebody stopped them. It returns the names of the
// workloads of which it has started something. Called by the loop.
func (s *Supervisor) startEnded(stack *services.Stack, only []string) (again []string) {
	for _, x := range stack.Workloads {
		if len(only) > 0 && !slices.Contains(only, x.Name()) {
			continue
		}
		_, starts := s.cluster.Suspensions.ByHand()[x.Name()]
		s.resume(x)
		for _, p := range s.cluster.PodsOf(x.Name()) {
			if w := s.pods.Plain(p.Name); w != nil && startsAgain(p) {
				s.pods.Hold(p.Name, s.cluster.Recovery.HoldPlain(p.UID)) // in the order of depends_on
				w.Start()
				s.noteStarting(p)
				starts = true
			}
		}
		if starts {
			again = append(again, x.Name())
		}
	}
	if err := s.saveStopped(); err != nil {
		s.log.Warn("cannot save which services are stopped", "error", err)
	}
	return again
}

// noteStarting gives a pod whose container is about to be started again the status of one that starts: nobody who waits for this
// apply may take its last end for the end of this start. Called by the loop.
func (s *Supervisor) noteStarting(p *corev1.Pod) {
	p = p.DeepCopy()
	p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodPending, "", ""
	for i := range p.Status.ContainerStatuses {
		c := &p.Status.ContainerStatuses[i]
		if c.State.Terminated != nil {
			c.LastTerminationState = c.State
		}
		c.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: pod.ReasonContainerCreating}}
	}
	if _, err := s.cluster.PodStatus(p); err != nil {
		s.log.Error("cannot store the status of a pod", "pod", p.Name, "error", err)
	}
}

// saveStopped saves the suspensions by hand.
func (s *Supervisor) saveStopped() error {
	b, err := json.Marshal(s.cluster.Suspensions.ByHand())
	if err != nil {
		return err
	}
	return instance.WriteFile(s.cfg.Instance.File(stoppedFile), b)
}

// loadStopped takes the suspensions by hand of the former supervisor over.
func (s *Supervisor) loadStopped() {
	stopped, err := stoppedByHand(s.cfg.Instance)
	if err != nil {
		s.log.Warn("cannot read which services are stopped", "error", err)
	}
	for name, why := range stopped {
		s.cluster.Suspensions.AddByHand(name, why)
	}
}

// stoppedByHand returns what saveStopped saved.
func stoppedByHand(i *instance.Instance) (map[string]string, error) {
	b, err := os.ReadFile(i.File(stoppedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	stopped := map[string]string{}
	if err == nil {
		err = json.Unmarshal(b, &stopped)
	}
	return stopped, err
}

// startsAgain reports whether an apply starts the container of a plain pod again though nothing of it has changed: it was stopped, or
// has failed, or was made and never started.
func startsAgain(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && (p.Status.Phase == corev1.PodFailed || p.Status.Reason == services.ReasonStopped || neverRan(p))
}
