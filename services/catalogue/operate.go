package catalogue

import (
	"context"
	"fmt"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/mariadb"
	"github.com/lyandev/lyandev/services/memcached"
	"github.com/lyandev/lyandev/services/redis"
)

// Operate runs a manual action of an operator; the result can be encoded as JSON. The actions are "status" (all),
// "promote" and "switchback" (mariadb), "failover" (redis). target is the pod to promote, "" for the only slave; force
// accepts the data loss for which the action would otherwise fail. It blocks until the action has ended. An unknown action
// is an error and changes nothing.
func Operate(ctx context.Context, op services.Operator, view services.View, action, target string, force bool) (any, error) {
	switch o := op.(type) {
	case *mariadb.Operator:
		switch action {
		case "status":
			return o.Status(ctx, view)
		case "promote":
			return o.Promote(ctx, view, target, force)
		case "switchback":
			return o.Switchback(ctx, view)
		}
	case *redis.Operator:
		switch action {
		case "status":
			return o.Status(ctx, view)
		case "failover":
			return o.Failover(ctx, view)
		}
	case *memcached.Operator:
		if action == "status" {
			return o.Status(ctx, view)
		}
	}
	return nil, fmt.Errorf("cannot %s: %T has no such action", action, op)
}
