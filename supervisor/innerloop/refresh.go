package innerloop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/timeline"
)

// refresh runs the task of a workload: files into all pods, then commands, then restarts, one pod at a time. A superseded
// task returns errSuperseded with nothing half done. Failures are recorded here.
func (l *Loop) refresh(ctx context.Context, t *task) error {
	r := l.newRecord(t)
	var errs []error
	for _, container := range t.containers() {
		restarts := t.restart[container] || t.restartContainer[container]
		if !restarts {
			errs = append(errs, l.shipAll(ctx, t, container, r))
		}
		if cmds := t.exec[container]; len(cmds) > 0 {
			if restarts {
				errs = append(errs, l.shipAll(ctx, t, container, r))
			}
			errs = append(errs, l.execAll(ctx, t, container, cmds, r))
		}
		switch {
		case restarts:
			errs = append(errs, l.restartAll(ctx, t, container, r))
		case t.signal[container]:
			errs = append(errs, l.signalAll(ctx, t, container, r))
		}
	}
	err := errors.Join(errs...)
	if l.ctx.Err() != nil {
		return context.Cause(l.ctx)
	}
	if errors.Is(err, errSuperseded) {
		r.over(time.Now(), timeline.ErrDropped)
		return err
	}
	l.finish(t, r, err)
	return err
}

// shipAll brings files to the container in all pods side by side.
func (l *Loop) shipAll(ctx context.Context, t *task, container string, r *Record) error {
	if _, ok := t.sync[container]; !ok {
		return nil
	}
	began := time.Now()
	var shipped atomic.Int64
	err := l.each(t.workload, container, func(at target) error {
		if t.quiet && l.files.isHeld(at) {
			return nil
		}
		n, err := l.files.ship(at)
		if n > 0 {
			shipped.Add(1)
		}
		return err
	})
	if n := int(shipped.Load()); n > 0 || err != nil {
		r.did(actionSync, n)
	}
	r.spent(&r.Shipped, began)
	return err
}

// signalAll sends SIGHUP to the container in all pods.
func (l *Loop) signalAll(ctx context.Context, t *task, container string, r *Record) error {
	var sent atomic.Int64
	err := l.each(t.workload, container, func(at target) error {
		sent.Add(1)
		return l.cfg.Engine.KillContainer(ctx, at.id, "SIGHUP")
	})
	r.did(actionSignal, int(sent.Load()))
	return err
}

// each calls f for a container in every pod where it runs, all at once, and joins the errors.
func (l *Loop) each(workload, container string, f func(target) error) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for _, p := range l.podsOf(workload) {
		at, running := targetOf(p, container)
		if !running {
			continue // it gets the files before it starts
		}
		wg.Go(func() {
			if err := f(at); err != nil && !l.gone(at) {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// gone reports whether the container has ended, or its pod is going: the next one gets the files before it starts.
func (l *Loop) gone(at target) bool {
	p := l.cfg.Statuses.Latest().Pod(at.pod.Name)
	if p == nil || p.UID != at.pod.UID || p.DeletionTimestamp != nil {
		return true
	}
	now, running := targetOf(p, at.container)
	return !running || now.id != at.id
}

// execLimit limits a command of sync+exec.
const execLimit = 5 * time.Minute

func (l *Loop) execAll(ctx context.Context, t *task, container string, cmds []*compose.Hook, r *Record) error {
	began := time.Now()
	var ran atomic.Int64
	err := l.each(t.workload, container, func(at target) error {
		for _, cmd := range cmds {
			res, err := l.cfg.Engine.Exec(ctx, at.id, engine.ExecSpec{
				Cmd: cmd.Command, Env: cmd.Env, User: cmd.User, WorkingDir: cmd.WorkingDir, Privileged: cmd.Privileged,
				Timeout: execLimit, OutputLimit: 4 << 10, Unmarked: services.PlainPod(at.pod),
			})
			if err != nil {
				return err
			}
			if res.ExitCode != 0 {
				return fmt.Errorf("cannot run %q in pod %s: it ended with exit code %d: %s", cmd.Command, at.pod.Name, res.ExitCode, res.Output)
			}
		}
		ran.Add(1)
		return nil
	})
	r.did("exec", int(ran.Load()))
	r.spent(&r.Restarted, began)
	return err
}

// readyLimit is how long a pod may take to become ready after its restart. Then the other pods are not restarted.
const readyLimit = time.Minute

// restartAll restarts a container's process, or the container, in all pods, one after the other; pods that are not ready
// come first. It ends with the first pod that does not become ready: the others keep running as they are.
func (l *Loop) restartAll(ctx context.Context, t *task, container string, r *Record) error {
	pods := l.podsOf(t.workload)
	slices.SortStableFunc(pods, func(a, b *corev1.Pod) int { return boolOrder(state.PodReady(a), state.PodReady(b)) })
	action := actionSyncRestart
	if _, synced := t.sync[container]; !synced {
		action = actionRestart
	}
	r.tries(action)
	for i, p := range pods {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := l.restartOne(ctx, t, p.Name, container, len(pods) > 1, r); err != nil {
			if rest := len(pods) - i - 1; rest > 0 && ctx.Err() == nil {
				l.holdBack(pods[i+1:], container)
				err = fmt.Errorf("%w; the other %d pods are not restarted", err, rest)
			}
			return err
		}
		r.did(action, 1)
	}
	return nil
}

// holdBack keeps the files of a failed restart from the other pods, which were not restarted with them.
func (l *Loop) holdBack(pods []*corev1.Pod, container string) {
	for _, p := range pods {
		if at, running := targetOf(p, container); running {
			l.files.holdBack(at)
		}
	}
}

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// restartOne delivers the files of one pod's container and restarts its process in place, or the container where that
// cannot be, and waits until the pod is ready. With several pods the pod leaves its Services before its process is stopped.
func (l *Loop) restartOne(ctx context.Context, t *task, pod, container string, several bool, r *Record) error {
	p := l.cfg.Statuses.Latest().Pod(pod)
	if p == nil || p.DeletionTimestamp != nil {
		return nil // its successor gets the files before it starts
	}
	at, running := targetOf(p, container)
	inPlace := running && t.restart[container] && !t.restartContainer[container] && shimmed(p)
	if inPlace {
		done, err := l.restartProcess(ctx, at, several, r)
		if done || err != nil {
			return err
		}
	}
	return l.restartContainer(ctx, at, r)
}

// restartContainer has the pod's worker restart the container, and waits until the pod is ready with the new one, or, of a plain
// service, with the same one started again. The container gets its files before it starts; if that failed, the record says so.
func (l *Loop) restartContainer(ctx context.Context, at target, r *Record) error {
	if l.files.readOnly(at.pod) && at.id != "" { // it cannot get them while it is stopped
		began := time.Now()
		if _, err := l.files.ship(at); err != nil && !l.gone(at) {
			r.problems = append(r.problems, err)
		}
		r.spent(&r.Shipped, began)
	}
	began := time.Now()
	seq, err := l.cfg.Statuses.Mark(ctx)
	if err != nil {
		return err
	}
	if !l.cfg.Pods.RestartContainer(at.pod, at.container, "has changed files") {
		return nil
	}
	err = l.awaitReady(ctx, at.pod, seq, func(now *corev1.Pod) bool {
		next, running := targetOf(now, at.container)
		return running && (next.id != at.id || !next.started.Equal(at.started))
	})
	r.spent(&r.Restarted, began)
	if why := l.files.failureOf(at.pod); why != "" {
		r.problems = append(r.problems, deliveryError{errors.New(why)})
	}
	return err
}

// restartProcess restarts a process under its shim and waits until the pod is ready. done is false when the container must
// be restarted instead: it has no shim, or has ended.
func (l *Loop) restartProcess(ctx context.Context, at target, several bool, r *Record) (done bool, err error) {
	ch, err := l.files.channel(ctx, at)
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if err != nil || !ch.Shim {
		l.cfg.Log.Debug("the process cannot be restarted in place", "pod", at.pod.Name, "error", err)
		return false, nil
	}
	if several {
		l.cfg.Pods.SuspendProbes(at.pod, at.container)
		if err := l.cfg.Pods.AwaitPush(ctx); err != nil {
			l.cfg.Pods.ResumeProbes(at.pod, at.container)
			return false, err
		}
	}
	// From here on a newer change does not cancel the restart: it takes effect when the process runs again.
	if err := l.shipAndRestart(at, r); err != nil {
		l.cfg.Log.Debug("restart in place failed", "pod", at.pod.Name, "error", err)
		return false, nil
	}
	seq, err := l.cfg.Statuses.Mark(ctx)
	if err != nil {
		return true, err
	}
	began := time.Now()
	err = l.awaitReady(ctx, at.pod, seq, func(now *corev1.Pod) bool {
		_, running := targetOf(now, at.container)
		return running
	})
	r.spent(&r.Ready, began)
	return true, err
}

// shipAndRestart delivers the files and restarts the process, with the probes suspended meanwhile. Files that could not be
// delivered are noted in the record; the process is restarted for the others.
func (l *Loop) shipAndRestart(at target, r *Record) error {
	defer l.cfg.Pods.ResumeProbes(at.pod, at.container)
	began := time.Now()
	if _, err := l.files.ship(at); err != nil && !l.gone(at) {
		r.problems = append(r.problems, err)
	}
	r.spent(&r.Shipped, began)
	began = time.Now()
	defer r.spent(&r.Restarted, began)
	ch, err := l.files.channel(l.ctx, at) // the helper may be another one by now
	if err != nil {
		return err
	}
	l.cfg.Pods.SuspendProbes(at.pod, at.container)
	_, err = ch.Restart(l.ctx, graceOf(at.pod))
	return err
}

// graceOf is how long a process may take to end.
func graceOf(p *corev1.Pod) time.Duration {
	if g := p.Spec.TerminationGracePeriodSeconds; g != nil {
		return time.Duration(*g) * time.Second
	}
	return 30 * time.Second
}

// awaitReady waits until a status after seq shows the pod ready with its container as wanted, or shows that the pod is gone
// or being deleted. It is an error when a container crashes, or the pod is not ready after readyLimit; there is no limit while the pod's
// probes are paused, since it may stand at a breakpoint.
func (l *Loop) awaitReady(ctx context.Context, p *corev1.Pod, seq uint64, good func(*corev1.Pod) bool) error {
	limit := time.NewTimer(readyLimit)
	defer limit.Stop()
	watch, cancel := context.WithCancel(ctx)
	defer cancel()
	states := l.cfg.Statuses.Subscribe(watch)
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-limit.C:
			if now := l.cfg.Statuses.Latest().Pod(p.Name); now != nil && services.PausedProbes(now) != nil {
				limit.Reset(readyLimit)
				continue
			}
			return fmt.Errorf("pod %s is not ready %s after its restart", p.Name, readyLimit)
		case s, ok := <-states:
			if !ok || s.Seq <= seq {
				continue
			}
			now := s.Pod(p.Name)
			if now == nil || now.UID != p.UID || now.DeletionTimestamp != nil {
				return nil
			}
			if good(now) && state.PodReady(now) {
				return nil
			}
			name, end := ended(p, now)
			if end == nil {
				continue
			}
			if services.PlainPod(now) && now.Status.Phase == corev1.PodSucceeded {
				return nil
			}
			return fmt.Errorf("pod %s does not become ready: container %s ended with exit code %d (%s); see `lyandev logs %s`",
				p.Name, name, end.ExitCode, end.Reason, p.Name)
		}
	}
}

// crashLoop is the reason of a container that waits for its next start after it crashed.
const crashLoop = "CrashLoopBackOff"

// ended finds a container of the pod that has ended since the status before, and is in its restart back-off or, of a plain
// service, is not started again.
func ended(before, now *corev1.Pod) (container string, end *corev1.ContainerStateTerminated) {
	for _, s := range now.Status.ContainerStatuses {
		switch {
		case s.State.Waiting != nil && s.State.Waiting.Reason == crashLoop:
			end = s.LastTerminationState.Terminated
		case services.PlainPod(now):
			end = s.State.Terminated
		default:
			continue
		}
		if end != nil && !knows(before, s.Name, end) {
			return s.Name, end
		}
	}
	return "", nil
}

// knows reports whether a status of the pod shows an end of a container.
func knows(p *corev1.Pod, container string, end *corev1.ContainerStateTerminated) bool {
	for _, s := range p.Status.ContainerStatuses {
		for _, t := range []*corev1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated} {
			if s.Name == container && t != nil && t.ContainerID == end.ContainerID && t.FinishedAt.Equal(&end.FinishedAt) {
				return true
			}
		}
	}
	return false
}
