package supervisor

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services"
)

// moving is an operator that refuses to move its role until it may.
type moving struct {
	roles
	may   atomic.Bool
	asked atomic.Int32
}

func (o *moving) Home(context.Context, services.View, func(string) bool) (string, error) {
	o.asked.Add(1)
	if !o.may.Load() {
		return "", errors.New("the slave lags")
	}
	return "new-master", nil
}

// TestPodsLeaveAfterTheirOperatorAgreed: the stack of another profile is taken; the pods that it lacks stay until their operator
// has moved the role, and Progress says what they wait for.
func TestPodsLeaveAfterTheirOperatorAgreed(t *testing.T) {
	op := &moving{roles: roles{of: []string{"master", "slave"}}}
	maker := func(string) (services.Operator, error) { return op, nil }
	onRigWith(t, maker, prepared(t, operated(deployment("maria", 1), "mariadb"), operated(deployment("slave", 1), "mariadb")), func(r *rig) {
		small := prepared(t, operated(deployment("maria", 1), "mariadb"))
		small.Profile = "small"
		stack := switchedStack{r.s}
		if err := stack.Take(r.t.Context(), small); err != nil {
			t.Fatal(err)
		}
		if saved, ok := SavedProfile(r.s.cfg.Instance); !ok || saved != "small" {
			t.Errorf("saved is %q", saved)
		}
		for _, c := range []struct {
			may     bool
			stay    int
			waiting string
		}{
			{false, 2, "before slave leaves: mariadb: the slave lags"},
			{true, 1, "pod slave-"}, // the rig has no agent, so it does not end,
		} {
			op.may.Store(c.may)
			r.pass(time.Minute)
			got, err := stack.Progress(r.t.Context(), "small")
			stay := 0
			for _, p := range r.s.Store().Latest().Pods {
				if p.DeletionTimestamp == nil {
					stay++
				}
			}
			if err != nil || !strings.HasPrefix(got.Waiting, c.waiting) || stay != c.stay {
				t.Errorf("%d pods stay, %+v (%v), want %d, waiting for %s", stay, got, err, c.stay, c.waiting)
			}
		}
		if n := op.asked.Load(); n < 10 || n > 100 {
			t.Errorf("it was asked %d times", n)
		}
	})
}
