package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
)

// Limits of the look for published ports where nobody listens: the time for all ports together, how many pods of a service are asked,
// and how long a container may need before it listens.
const (
	deafLimit = 2 * time.Second
	deafPods  = 3
	deafGrace = 5 * time.Second
)

// dialFunc connects to an address of the stack's network.
type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// deafPorts returns a sentence for each published TCP port behind which nothing listens although its pods run. It returns none if the
// agent cannot be asked.
func deafPorts(ctx context.Context, t *target, s *state.Status, now time.Time) []string {
	if len(publishedTo(s)) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, deafLimit)
	defer cancel()
	eng, err := connect(ctx)
	if err != nil {
		return nil
	}
	defer eng.Close()
	dial, err := agentDial(ctx, eng, t)
	if err != nil {
		return nil
	}
	return findDeaf(ctx, s, dial, now)
}

// publishedPort is a host port and the addresses of the pods that it leads to.
type publishedPort struct {
	host services.HostPort
	port int32
	pods []*corev1.Pod
}

// publishedTo are the published TCP ports of Services with a numeric target port, each with some of the pods that run.
func publishedTo(s *state.Status) []publishedPort {
	var out []publishedPort
	for _, h := range s.Bound {
		for _, svc := range s.Services {
			if svc.Name != h.Service || h.Protocol == corev1.ProtocolUDP || len(svc.Spec.Selector) == 0 {
				continue
			}
			p := publishedPort{host: h}
			for _, sp := range svc.Spec.Ports {
				if sp.Port == h.Port && sp.TargetPort.Type == intstr.Int {
					p.port = max(sp.TargetPort.IntVal, 0)
				}
			}
			selector := labels.SelectorFromSet(svc.Spec.Selector)
			for _, x := range s.Pods {
				if len(p.pods) < deafPods && x.DeletionTimestamp == nil && x.Status.PodIP != "" && selector.Matches(labels.Set(x.Labels)) && state.PodReady(x) {
					p.pods = append(p.pods, x)
				}
			}
			if p.port > 0 && len(p.pods) > 0 {
				out = append(out, p)
			}
			break
		}
	}
	return out
}

// findDeaf tries the ports, all at the same time.
func findDeaf(ctx context.Context, s *state.Status, dial dialFunc, now time.Time) []string {
	list := publishedTo(s)
	found := make([]string, len(list))
	var wg sync.WaitGroup
	for i, p := range list {
		wg.Go(func() {
			for _, x := range p.pods {
				conn, err := dial(ctx, "tcp", net.JoinHostPort(x.Status.PodIP, strconv.Itoa(int(p.port))))
				if err == nil {
					_ = conn.Close()
				}
				if err == nil || !strings.Contains(err.Error(), "refused") {
					return
				}
			}
			found[i] = fmt.Sprintf("%s is published, but nothing listens on port %d in %s%s", p.host.Address(), p.port, services.ShownService(p.pods[0]), yet(p.pods[0], now))
		})
	}
	wg.Wait()
	var out []string
	for _, text := range found {
		if text != "" {
			out = append(out, text)
		}
	}
	return out
}

// yet is " yet" for a pod whose container has just started, and may need a moment until it listens.
func yet(p *corev1.Pod, now time.Time) string {
	for _, c := range p.Status.ContainerStatuses {
		if r := c.State.Running; r != nil && now.Sub(r.StartedAt.Time) < deafGrace {
			return " yet"
		}
	}
	return ""
}
