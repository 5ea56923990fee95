package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/state"
)

// refresh does a task of a workload: files into all pods, then commands, then restarts, one pod at a time when there is
// more than one. A superseded one returns errSuperseded with nothing half done. Failures are reported here.
func (l *innerLoop) refresh(ctx context.Context, t *task) error {
	r := newRecord(t)
	var errs []error
	for _, container := range t.containers() {
		turns := t.restart[container] || t.bounce[container]
		if !turns {
			errs = append(errs, l.shipAll(ctx, t, container, r))
		}
		if cmds := t.exec[container]; len(cmds) > 0 {
			if turns {
				errs = append(errs, l.shipAll(ctx, t, container, r))
			}
			errs = append(errs, l.execAll(ctx, t, container, cmds, r))
		}
		if turns {
			errs = append(errs, l.restartAll(ctx, t, container, r))
		}
	}
	err := errors.Join(errs...)
	if l.ctx.Err() != nil {
		return context.Cause(l.ctx)
	}
	if !errors.Is(err, errSuperseded) {
		l.finish(t, r, err)
	}
	return err
}

// shipAll brings files to the container in all pods side by side.
func (l *innerLoop) shipAll(ctx context.Context, t *task, container string, r *LoopRecord) error {
	if _, ok := t.sync[container]; !ok {
		return nil
	}
	began := time.Now()
	var shipped atomic.Int64
	err := l.each(t.workload, container, func(at target) error {
		n, err := l.files.ship(at)
		if n > 0 {
			shipped.Add(1)
		}
		return err
	})
	if n := int(shipped.Load()); n > 0 || err != nil {
		r.did(actionSync, n)
	}
	r.Shipped += time.Since(began)
	return err
}

// each calls f for a container in every pod where it runs, side by side, and joins the errors.
func (l *innerLoop) each(workload, container string, f func(target) error) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for _, p := range l.podsOf(workload) {
		at, running := targetOf(p, container)
		if !running {
			continue // it has the files laid before it starts
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

// gone says that a pod went, or its container ended, while something was done to it: its successor has the files.
func (l *innerLoop) gone(at target) bool {
	p := l.s.store.Latest().Pod(at.pod.Name)
	if p == nil || p.UID != at.pod.UID || p.DeletionTimestamp != nil {
		return true
	}
	now, running := targetOf(p, at.container)
	return !running || now.id != at.id
}

// execLimit bounds a command of sync+exec.
const execLimit = 5 * time.Minute

func (l *innerLoop) execAll(ctx context.Context, t *task, container string, cmds [][]string, r *LoopRecord) error {
	began := time.Now()
	var ran atomic.Int64
	err := l.each(t.workload, container, func(at target) error {
		for _, cmd := range cmds {
			if len(cmd) == 0 {
				continue
			}
			res, err := l.s.cfg.Engine.Exec(ctx, at.id, engine.ExecSpec{Cmd: cmd, Timeout: execLimit, OutputLimit: 4 << 10})
			if err != nil {
				return err
			}
			if res.ExitCode != 0 {
				return fmt.Errorf("cannot run %q in pod %s: it ended with exit code %d: %s", cmd, at.pod.Name, res.ExitCode, res.Output)
			}
		}
		ran.Add(1)
		return nil
	})
	r.did("exec", int(ran.Load()))
	r.Restarted += time.Since(began)
	return err
}

// readyLimit is how long a pod may take to be ready after its restart before the restarts of the others are given up.
const readyLimit = time.Minute

// restartAll restarts a container's process, or the container, in all pods. One that does not get ready ends it: the
// others go on with what they have. Pods that are not ready anyway come first.
func (l *innerLoop) restartAll(ctx context.Context, t *task, container string, r *LoopRecord) error {
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
				err = fmt.Errorf("%w; the other %d go on with what they have", err, rest)
			}
			return err
		}
		r.did(action, 1)
	}
	return nil
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

// restartOne brings one pod's container its files and restarts its process, and waits until the pod is ready. With
// several pods the pod leaves its Services before its process is stopped.
func (l *innerLoop) restartOne(ctx context.Context, t *task, pod, container string, several bool, r *LoopRecord) error {
	p := l.s.store.Latest().Pod(pod)
	w := l.s.pods.Get(pod)
	if p == nil || p.DeletionTimestamp != nil || w == nil {
		return nil // it went meanwhile; its successor has the files
	}
	at, running := targetOf(p, container)
	inPlace := running && t.restart[container] && !t.bounce[container] && shimmed(p)
	if inPlace {
		done, err := l.restartProcess(ctx, at, several, r)
		if done || err != nil {
			return err
		}
	}
	began := time.Now()
	seq, err := l.mark(ctx)
	if err != nil {
		return err
	}
	w.RestartContainer(container, "has changed files")
	err = l.awaitReady(ctx, p, seq, func(now *corev1.Pod) bool {
		next, running := targetOf(now, container)
		return running && next.id != at.id
	})
	r.Restarted += time.Since(began)
	return err
}

// restartProcess restarts a process under its shim. done is false when that cannot be, and the container must be
// restarted instead: it has no shim, or has ended.
func (l *innerLoop) restartProcess(ctx context.Context, at target, several bool, r *LoopRecord) (done bool, err error) {
	w := l.s.pods.Get(at.pod.Name)
	ch, err := l.files.channel(ctx, at)
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if err != nil || !ch.Shim || w == nil {
		l.s.log.Debug("the process cannot be restarted in place", "pod", at.pod.Name, "error", err)
		return false, nil
	}
	if several {
		w.SuspendProbes(at.container)
		if err := l.awaitPush(ctx); err != nil {
			w.ResumeProbes(at.container)
			return false, err
		}
	}
	// From here on a newer change must not leave it half done: it comes when the process runs again.
	if err := l.shipAndRestart(w, at, r); err != nil {
		l.s.log.Debug("restart in place failed", "pod", at.pod.Name, "error", err)
		return false, nil
	}
	seq, err := l.mark(ctx)
	if err != nil {
		return true, err
	}
	began := time.Now()
	err = l.awaitReady(ctx, at.pod, seq, func(now *corev1.Pod) bool {
		_, running := targetOf(now, at.container)
		return running
	})
	r.Ready += time.Since(began)
	return true, err
}

// shipAndRestart does it, with the probes suspended meanwhile. Files that could not be brought are noted in the record; the
// process is restarted for the others.
func (l *innerLoop) shipAndRestart(w *pod.Worker, at target, r *LoopRecord) error {
	defer w.ResumeProbes(at.container)
	began := time.Now()
	if _, err := l.files.ship(at); err != nil && !l.gone(at) {
		r.problems = append(r.problems, err)
	}
	r.Shipped += time.Since(began)
	began = time.Now()
	defer func() { r.Restarted += time.Since(began) }()
	ch, err := l.files.channel(l.ctx, at) // the helper may be another one by now
	if err != nil {
		return err
	}
	w.SuspendProbes(at.container)
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

// mark returns the number of the latest snapshot that may not show yet what was done before the call.
func (l *innerLoop) mark(ctx context.Context) (uint64, error) {
	return ask(ctx, l.s, func() (uint64, error) { return l.s.store.Latest().Seq, nil })
}

// awaitPush returns when the endpoints as they are now have been pushed, or could not be.
func (l *innerLoop) awaitPush(ctx context.Context) error {
	pushed := make(chan struct{})
	l.s.post(func() { l.s.fabric.afterNextPush(func() { close(pushed) }) })
	select {
	case <-pushed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.s.done:
		return context.Canceled
	}
}

// awaitReady waits until a snapshot after seq shows the pod ready with its container as wanted. A pod that goes, or is
// said to go, is waited for no more. It is an error when the container ends, or the pod takes too long.
func (l *innerLoop) awaitReady(ctx context.Context, p *corev1.Pod, seq uint64, good func(*corev1.Pod) bool) error {
	limit := time.NewTimer(readyLimit)
	defer limit.Stop()
	watch, cancel := context.WithCancel(ctx)
	defer cancel()
	states := l.s.store.Subscribe(watch)
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-limit.C:
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
			if why := crashed(p, now); why != "" {
				return fmt.Errorf("pod %s does not get ready: %s", p.Name, why)
			}
		}
	}
}

// crashed says why a container of the pod waits for its next start, when it has ended since the pod was as before.
func crashed(before, now *corev1.Pod) string {
	for _, s := range now.Status.ContainerStatuses {
		last := s.LastTerminationState.Terminated
		if s.State.Waiting == nil || s.State.Waiting.Reason != "CrashLoopBackOff" || last == nil {
			continue
		}
		if lastEnded(before, s.Name) != last.ContainerID {
			return fmt.Sprintf("container %s ended with exit code %d (%s); see `lyandev logs %s`", s.Name, last.ExitCode, last.Reason, now.Name)
		}
	}
	return ""
}

func lastEnded(p *corev1.Pod, container string) string {
	for _, s := range p.Status.ContainerStatuses {
		if t := s.LastTerminationState.Terminated; s.Name == container && t != nil {
			return t.ContainerID
		}
	}
	return ""
}
