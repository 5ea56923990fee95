package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/switchplan"
)

// masterRole is the role of the pod that holds the data that counts.
const masterRole = "master"

// homing is the ability of an operator to bring a role that leaving pods have to pods that stay. An error means that it
// cannot be told, or not yet, that pods may leave.
type homing interface {
	Home(ctx context.Context, view services.View, stays func(pod string) bool) (moved string, err error)
}

// homeFresh is how long the word of an operator counts that no master is on a pod that leaves.
const homeFresh = 2 * time.Second

// bringHome asks every operator that is able to, one after the other. It returns the pods that became masters.
func (r *operatorRunner) bringHome(ctx context.Context, stays func(pod string) bool) (moved []string, err error) {
	r.mu.Lock()
	loops := sorted(r.running)
	r.mu.Unlock()
	var errs []error
	for _, l := range loops {
		op, able := l.op.(homing)
		if !able {
			continue
		}
		l.mu.Lock()
		view := l.view
		l.mu.Unlock()
		view.Now = time.Now()
		if allStay(view.Pods, stays) {
			continue
		}
		pod, err := op.Home(ctx, view, stays)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", l.name, err))
		} else if pod != "" {
			moved = append(moved, pod)
		}
		select {
		case l.wake <- struct{}{}: // so that labels follow at once
		default:
		}
	}
	return moved, errors.Join(errs...)
}

func allStay(pods []*corev1.Pod, stays func(pod string) bool) bool {
	for _, p := range pods {
		if !stays(p.Name) {
			return false
		}
	}
	return true
}

// mustAskHome says that of the workloads that leave one has an operator that has to be asked first, and has not said
// lately that its pods may go.
func (w *world) mustAskHome(leaving []string, now time.Time) bool {
	w.homeWanted = false
	if now.Before(w.homeUntil) {
		return false
	}
	for _, name := range leaving {
		if x := w.released[name]; x != nil && w.canHome[x.Operator] && len(w.podsOf(name)) > 0 {
			w.homeWanted = true
		}
	}
	return w.homeWanted
}

// seekHome lets the operators be asked in the background, once at a time. Called by the loop.
func (s *Supervisor) seekHome(ctx context.Context) {
	w := s.world
	if !w.homeWanted || w.homeAsked {
		return
	}
	w.homeAsked = true
	stack, pods := w.stack, sorted(w.pods)
	s.ops.wg.Go(func() {
		ask, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		moved, err := s.ops.bringHome(ask, switchplan.Stays(stack, pods))
		for _, pod := range moved {
			s.event("Pod", pod, "Normal", "BroughtHome", "is the master now, because the pod that was leaves")
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("pods cannot leave yet", "error", err)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
		s.post(func() {
			w.homeAsked, w.homeTrouble = false, ""
			if err != nil {
				w.homeTrouble = err.Error()
			} else if w.stack == stack {
				w.homeUntil = time.Now().Add(homeFresh)
			}
		})
	})
}
