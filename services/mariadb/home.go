package mariadb

import (
	"context"
	"fmt"

	"github.com/lyandev/lyandev/services"
)

// Home makes sure that the master is in a pod that stays: before pods leave, their data must be where it is kept. If the
// master's pod does not stay, the declared master that does becomes it, as Promote does without force. It returns the pod
// that became the master, "" when nothing had to change. It blocks until done.
func (o *Operator) Home(ctx context.Context, view services.View, stays func(pod string) bool) (moved string, err error) {
	target, err := o.wayHome(ctx, view, stays)
	if err != nil || target == "" {
		return "", err
	}
	_, err = o.Promote(ctx, view, target, false)
	return target, err
}

// wayHome looks, and gives the pod that has to become the master.
func (o *Operator) wayHome(ctx context.Context, view services.View, stays func(pod string) bool) (string, error) {
	release, err := o.waitTurn(ctx, "looking for the master")
	if err != nil {
		return "", err
	}
	defer release()
	r := o.newRound(view)
	defer r.close()
	if err := o.look(ctx, r); err != nil {
		return "", err
	}
	return homeOf(&r.facts, stays)
}

// homeOf is the pod that has to become the master, "" if the present one stays. Pure.
func homeOf(f *Facts, stays func(pod string) bool) (string, error) {
	e := elect(f)
	if e.Master == "" {
		return "", fmt.Errorf("cannot tell which server is the master: %s", e.Problem)
	}
	if m := f.Server(e.Master); stays(e.Master) {
		if m != nil && m.Reached && m.ReadOnly {
			return "", fmt.Errorf("cannot tell that %s is the master: it is not open yet", e.Master)
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
		return "", fmt.Errorf("cannot let %s go: it is the master, and no other server stays", e.Master)
	}
	return target, nil
}
