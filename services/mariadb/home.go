package mariadb

import (
	"context"
	"fmt"

	"github.com/lyandev/lyandev/services"
)

// Home moves the master to a pod that stays, before the other pods are removed. If the master's pod does not stay, the
// declared master among the remaining pods is promoted, as by Promote without force. It returns the promoted pod, "" if the
// master stays. It blocks until then.
func (o *Operator) Home(ctx context.Context, view services.View, stays func(pod string) bool) (moved string, err error) {
	target, err := o.planHandover(ctx, view, stays)
	if err != nil || target == "" {
		return "", err
	}
	_, err = o.Promote(ctx, view, target, false)
	return target, err
}

// planHandover observes the servers and returns the pod to promote, "" if the master stays.
func (o *Operator) planHandover(ctx context.Context, view services.View, stays func(pod string) bool) (string, error) {
	release, err := o.waitTurn(ctx, "determining the master")
	if err != nil {
		return "", err
	}
	defer release()
	r := o.newRound(view)
	defer r.close()
	if err := o.look(ctx, r); err != nil {
		return "", err
	}
	return handoverTarget(&r.facts, stays)
}

// handoverTarget returns the pod to promote, "" if the current master stays. It is pure.
func handoverTarget(f *Facts, stays func(pod string) bool) (string, error) {
	e := elect(f)
	if e.Master == "" {
		return "", fmt.Errorf("cannot determine the master: %s", e.Problem)
	}
	if m := f.Server(e.Master); stays(e.Master) {
		if m != nil && m.Reached && m.ReadOnly {
			return "", fmt.Errorf("cannot confirm that %s is the master: it is still read-only", e.Master)
		}
		return "", nil
	}
	target := ""
	for _, s := range f.Servers {
		if stays(s.Pod) && (target == "" || s.Declared == Master) {
			target = s.Pod
		}
	}
	if target == "" {
		return "", fmt.Errorf("cannot remove %s: it is the master, and no other server remains", e.Master)
	}
	return target, nil
}
