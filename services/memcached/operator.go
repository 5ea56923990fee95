// Package memcached checks that Memcached servers answer and reports their statistics.
//
// There is nothing to set up: the servers are independent, and clients distribute keys over the stable names of the pods. A
// server is right if it answers "version" within a second. A TCP connection is not sufficient: it succeeds even if the
// process hangs.
package memcached

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// Operator is the Memcached operator of one stack. The zero value is ready; it keeps nothing between calls.
type Operator struct {
	// Log is optional; nil disables logging.
	Log *slog.Logger
}

var _ services.Operator = (*Operator)(nil)

// New returns an operator.
func New() *Operator { return &Operator{} }

const (
	// deadline limits the exchange with one server.
	deadline    = time.Second
	defaultPort = 11211
)

// Seen is the observed state of one server.
type Seen struct {
	Pod, Address string
	Reached      bool
	// Reason and Error explain why there was no answer: NotStarted, NoAnswer, Refused, LookFailed.
	Reason, Error string
	Version       string
	Stats         Stats
}

// Reconcile queries all servers in parallel and blocks until each has answered or timed out.
func (o *Operator) Reconcile(ctx context.Context, view services.View) (services.Verdict, error) {
	return Judge(look(ctx, view)), nil
}

// Status queries all servers and returns their statistics. It changes nothing.
func (o *Operator) Status(ctx context.Context, view services.View) ([]Seen, error) {
	return look(ctx, view), nil
}

func look(ctx context.Context, view services.View) []Seen {
	seen := make([]Seen, len(view.Pods))
	var wg sync.WaitGroup
	for i, pod := range view.Pods {
		wg.Go(func() { seen[i] = lookAt(ctx, view, pod) })
	}
	wg.Wait()
	return seen
}

func lookAt(ctx context.Context, view services.View, pod *corev1.Pod) Seen {
	host := pod.Status.PodIP
	if host == "" && view.Addr != nil {
		host, _ = view.Addr(pod.Name)
	}
	s := Seen{Pod: pod.Name, Address: net.JoinHostPort(host, strconv.Itoa(portOf(view, pod)))}
	switch {
	case host == "":
		s.Reason, s.Error = "NotStarted", "it has no address yet"
		return s
	case pod.Status.Phase != corev1.PodRunning && pod.Status.Phase != "":
		s.Reason, s.Error = "NotStarted", "the pod is "+string(pod.Status.Phase)
		return s
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	conn, err := view.Dial(ctx, "tcp", s.Address)
	if err == nil {
		defer conn.Close()
		until, _ := ctx.Deadline()
		_ = conn.SetDeadline(until) // an error here occurs again when reading
		s.Version, s.Stats, err = ask(conn)
	}
	if err != nil {
		s.Reason, s.Error = reasonOf(err), fmt.Sprintf("cannot query %s: %v", s.Address, err)
		return s
	}
	s.Reached = true
	return s
}

// portOf is the container port named memcache or memcached, else the first, else 11211; the option port wins.
func portOf(view services.View, pod *corev1.Pod) int {
	for _, w := range view.Workloads {
		for _, ref := range pod.OwnerReferences {
			if n, err := strconv.Atoi(w.Options["port"]); err == nil && ref.Name == w.Name() {
				return n
			}
		}
	}
	first := 0
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			if p.Name == "memcache" || p.Name == "memcached" || p.ContainerPort == defaultPort {
				return int(p.ContainerPort)
			}
			if first == 0 {
				first = int(p.ContainerPort)
			}
		}
	}
	if first != 0 {
		return first
	}
	return defaultPort
}

func reasonOf(err error) string {
	netErr, isNet := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, errProtocol):
		return "LookFailed"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "Refused"
	case errors.Is(err, context.DeadlineExceeded), isNet && netErr.Timeout():
		return "NoAnswer"
	}
	return "Refused"
}

// Judge converts the observation to a verdict. It does no I/O.
func Judge(seen []Seen) services.Verdict {
	v := services.Verdict{Pods: map[string]services.PodVerdict{}, Right: len(seen) > 0, Message: "no pod yet"}
	var total Stats
	bad := ""
	for _, s := range seen {
		pv := services.PodVerdict{Right: s.Reached, Reason: s.Reason, Message: s.Error, Detail: map[string]string{}}
		if s.Reached {
			pv.Detail = s.Stats.detail()
			pv.Detail["version"] = s.Version
			total = total.add(s.Stats)
		}
		if s.Reached && s.Stats.Known && !s.Stats.Accepting {
			pv.Right, pv.Reason, pv.Message = false, "NotAccepting", "it has reached its connection limit"
		}
		if !pv.Right && bad == "" {
			bad = fmt.Sprintf("%s: %s: %s", s.Pod, pv.Reason, pv.Message)
		}
		v.Pods[s.Pod] = pv
	}
	switch {
	case bad != "":
		v.Right, v.Message = false, bad
	case len(seen) > 0:
		v.Message = fmt.Sprintf("%d servers, %d items, hit rate %s", len(seen), total.Items, total.HitRate())
		if len(seen) == 1 {
			v.Message = fmt.Sprintf("%d items, hit rate %s", total.Items, total.HitRate())
		}
	}
	return v
}
