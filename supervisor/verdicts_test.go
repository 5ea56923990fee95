package supervisor

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
)

// unwell is an operator that is never content.
type unwell struct{}

func (unwell) Reconcile(context.Context, services.View) (services.Verdict, error) {
	return services.Verdict{Message: "no master"}, nil
}

// roles is an operator that gives roles to its pods in the order of their names; pods beyond them get no verdict.
type roles struct {
	mu sync.Mutex
	of []string
}

func (o *roles) Reconcile(_ context.Context, view services.View) (services.Verdict, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	v := services.Verdict{Right: true, Pods: map[string]services.PodVerdict{}}
	for i, p := range view.Pods {
		if i < len(o.of) {
			v.Pods[p.Name] = services.PodVerdict{Role: o.of[i], Right: true}
		}
	}
	return v, nil
}

// TestRolesFollowVerdicts: the role that an operator gives a pod becomes its label, which Services select on, and a pod is Ready
// only while its operator says that it is right.
func TestRolesFollowVerdicts(t *testing.T) {
	op := &roles{of: []string{"master", "slave", "slave"}}
	redis := operated(deployment("redis", 3), "redis")
	onRigWith(t, func(string) (services.Operator, error) { return op, nil }, prepared(t, redis), func(r *rig) {
		for _, list := range [][]string{{"master", "slave", "slave"}, {"slave", "master", ""}, {"slave", "master"}} {
			op.mu.Lock()
			op.of = list
			op.mu.Unlock()
			r.pass(10 * time.Second)
			for i, p := range r.s.Store().Latest().Pods {
				got, labelled := p.Labels[services.RoleLabel]
				want := append(slices.Clone(list), "")[i]
				if got != want || labelled != (want != "") || state.PodReady(p) != (i < len(list)) {
					t.Errorf("roles %q: pod %d has role %q, ready %v", list, i, got, state.PodReady(p))
				}
			}
		}
		var told []string
		for _, e := range r.s.Events().Since(0) {
			if e.Reason == "RoleChanged" {
				told = append(told, e.Message)
			}
		}
		slices.Sort(told)
		if want := []string{"Role is master now, was slave", "Role is none now, was slave", "Role is slave now, was master"}; !slices.Equal(told, want) {
			t.Errorf("told was %q", told)
		}
	})
}

// TestAVerdictAfterItsOperatorWasStopped is dropped: nothing would ever take it back. One that is in the inbox when the stack
// without Redis is taken comes too late as well.
func TestAVerdictAfterItsOperatorWasStopped(t *testing.T) {
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := idle(t, root)
		s.cfg.Operator = func(string) (services.Operator, error) { return unwell{}, nil }
		s.ops = newOperators(s)
		ctx, cancel := context.WithCancel(t.Context())
		defer func() { cancel(); s.ops.Wait() }()
		want(t, s, prepared(t, operated(deployment("redis", 1), "redis")))
		s.followOperators(ctx)
		time.Sleep(time.Second)
		synctest.Wait()
		drain(s)
		if v := s.cluster.Verdicts()["redis"]; v.Message != "no master" {
			t.Fatalf("the verdict is %+v", v)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		want(t, s, prepared(t))
		s.followOperators(ctx)
		drain(s)
		if v, ok := s.cluster.Verdicts()["redis"]; ok {
			t.Errorf("%q stays though there is no redis", v.Message)
		}
	})
}
