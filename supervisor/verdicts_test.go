package supervisor

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lyandev/lyandev/services"
)

// unwell is an operator that is never content.
type unwell struct{}

func (unwell) Reconcile(context.Context, services.View) (services.Verdict, error) {
	return services.Verdict{Message: "no master"}, nil
}

// TestAVerdictAfterItsOperatorWasStopped is dropped: nothing would ever take it back. One that is in the inbox when the stack
// without Redis is taken comes too late as well.
func TestAVerdictAfterItsOperatorWasStopped(t *testing.T) {
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := idle(t, root)
		s.cfg.Operator = func(string) (services.Operator, error) { return unwell{}, nil }
		ctx, cancel := context.WithCancel(t.Context())
		defer func() { cancel(); s.ops.wait() }()
		s.world.want(prepared(t, operated(deployment("redis", 1), "redis")))
		s.world.release(time.Now())
		s.ops.follow(ctx)
		time.Sleep(time.Second)
		synctest.Wait()
		s.drain()
		if v := s.world.verdicts["redis"]; v.Message != "no master" {
			t.Fatalf("the verdict is %+v", v)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		s.world.want(prepared(t, deployment("web", 1)))
		clear(s.world.released)
		s.ops.follow(ctx)
		s.drain()
		if v, ok := s.world.verdicts["redis"]; ok {
			t.Errorf("%q stays though there is no redis", v.Message)
		}
	})
}
