package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
)

// request is one request of a load: who answered, or why nobody did.
type request struct {
	began, ended time.Time
	pod          string
	err          error
}

// load is a stream of requests, a new connection each.
type load struct {
	stop context.CancelFunc
	done chan struct{}
	mu   sync.Mutex
	list []request
}

// startLoad sends requests at a rate, however long each takes.
func startLoad(t testing.TB, url string, rate int) *load {
	ctx, stop := context.WithCancel(context.Background())
	l := &load{stop: stop, done: make(chan struct{})}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	go func() {
		defer close(l.done)
		var all sync.WaitGroup
		defer all.Wait()
		tick := time.NewTicker(time.Second / time.Duration(rate))
		defer tick.Stop()
		for ctx.Err() == nil {
			<-tick.C
			all.Go(func() {
				r := request{began: time.Now()}
				r.pod, r.err = getOnce(client, url)
				r.ended = time.Now()
				l.mu.Lock()
				defer l.mu.Unlock()
				l.list = append(l.list, r)
			})
		}
	}()
	t.Cleanup(func() { l.end() })
	return l
}

// getOnce returns the name of the pod that answered.
func getOnce(client *http.Client, url string) (string, error) {
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	pod, _, _ := strings.Cut(string(body), "/")
	if resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, body)
	}
	return pod, err
}

// end stops the load and returns all requests, by when they began.
func (l *load) end() []request {
	l.stop()
	<-l.done
	return l.sofar()
}

func (l *load) sofar() []request {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := slices.Clone(l.list)
	slices.SortFunc(out, func(a, b request) int { return a.began.Compare(b.began) })
	return out
}

// answeredBy are the requests that a pod answered and that began in a stretch of time.
func answeredBy(list []request, pod string, from, to time.Time) (out []request) {
	for _, r := range list {
		if r.pod == pod && r.began.After(from) && r.began.Before(to) {
			out = append(out, r)
		}
	}
	return out
}

// gating is what one turn of a pod from ready to not ready and back showed.
type gating struct{ last, first time.Duration }

// turnAway makes a pod fail its readiness for a while. It reports how long after the change became known the last
// request went to it, and the first one after it was ready again; later requests are an error.
func turnAway(t *testing.T, i *harness.Instance, l *load, pod string) (g gating) {
	t.Helper()
	inPod(i, pod, "touch", "/tmp/notready")
	gone := i.Until(10*time.Second, pod+" is not ready", func(s *state) bool { return !podReady(s.Pod(pod)) }).Time
	quiet := time.Now().Add(700 * time.Millisecond)
	within(2*time.Second, func() bool { return time.Now().After(quiet) })
	inPod(i, pod, "rm", "/tmp/notready")
	back := i.Until(10*time.Second, pod+" is ready", func(s *state) bool { return podReady(s.Pod(pod)) }).Time
	if _, ok := within(5*time.Second, func() bool { return len(answeredBy(l.sofar(), pod, back, time.Now())) > 0 }); !ok {
		t.Fatalf("pod %s gets no request after it is ready again", pod)
	}
	list := l.sofar()
	if late := answeredBy(list, pod, gone, back.Add(-20*time.Millisecond)); len(late) > 0 {
		g.last = late[len(late)-1].began.Sub(gone)
	}
	g.first = answeredBy(list, pod, back.Add(-20*time.Millisecond), time.Now())[0].began.Sub(back)
	return g
}

// failures are the requests that failed; those that were under way while a pod was killed are not held against anybody.
func failures(list []request, kill, killed time.Time) (out []string) {
	for _, r := range list {
		if r.err == nil || (r.began.Before(killed) && r.ended.After(kill)) {
			continue
		}
		out = append(out, fmt.Sprintf("%s after %s: %v", r.began.Format("15:04:05.000"), r.ended.Sub(r.began), r.err))
	}
	return out
}

// TestTrafficFollowsReadiness: with 200 requests a second, a pod that is not ready gets none, and neither that, nor a pod
// that is killed, nor a rolling restart makes a request fail.
func TestTrafficFollowsReadiness(t *testing.T) { // not parallel: it measures
	i := newNet(t, netServices)
	i.Up("--wait")
	pods := i.Snapshot().PodsOf("web")
	if len(pods) != 3 {
		t.Fatalf("%d pods", len(pods))
	}
	eng := i.Engine()
	l := startLoad(t, hostURL(t, i, "web", 80), 200)
	if _, ok := within(10*time.Second, func() bool { return spread(l.sofar()) == 3 }); !ok {
		t.Fatalf("only %d of 3 pods get requests", spread(l.sofar()))
	}

	var last, first []time.Duration
	for n := range 3 {
		g := turnAway(t, i, l, pods[n%3].Name)
		last, first = append(last, g.last), append(first, g.first)
	}
	slices.Sort(last)
	slices.Sort(first)
	t.Logf("FIGURE not ready published -> last request to the pod: median %s, worst %s (3 times)", last[1], last[2])
	t.Logf("FIGURE ready published -> first request to the pod: median %s, worst %s", first[1], first[2])
	if last[1] > 100*time.Millisecond || first[1] > 100*time.Millisecond {
		t.Errorf("traffic follows readiness later than 100 ms: %v, %v", last, first)
	}

	victim := i.Snapshot().PodsOf("web")[0]
	began := time.Now()
	if err := eng.KillContainer(context.Background(), harness.ContainerID(victim, "web"), "SIGKILL"); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	i.UntilPod(20*time.Second, victim.Name, "was restarted", func(p *corev1.Pod) bool {
		return podReady(p) && harness.Status(p, "web").RestartCount == 1
	})
	restarted := time.Now()
	if p := i.Pod(victim.Name); p.Status.PodIP != victim.Status.PodIP {
		t.Errorf("the restarted pod has address %s, it had %s", p.Status.PodIP, victim.Status.PodIP)
	}

	i.Must("restart", "web")
	i.Until(60*time.Second, "all pods are new and ready", func(s *state) bool {
		list := s.PodsOf("web")
		return len(list) == 3 && !slices.ContainsFunc(list, func(p *corev1.Pod) bool {
			return !podReady(p) || slices.ContainsFunc(pods, func(old *corev1.Pod) bool { return old.Name == p.Name })
		})
	})
	list := l.end()
	inFlight := 0
	for _, r := range list {
		if r.err != nil {
			inFlight++
		}
	}
	bad := failures(list, began, killed)
	if n := inFlight - len(bad); n > 20 {
		t.Errorf("%d requests failed while a pod was killed: more than it can have had", n)
	}
	for _, f := range bad {
		t.Errorf("failed: %s", f)
	}
	t.Logf("FIGURE %d requests, %d failed (%d in flight on the killed pod); slowest while a pod died: %s, else: %s", len(list), len(bad),
		inFlight-len(bad), slowest(list, began, restarted), slowest(list, restarted, time.Now()))
}

// spread is how many pods answered.
func spread(list []request) int {
	seen := map[string]bool{}
	for _, r := range list {
		if r.err == nil {
			seen[r.pod] = true
		}
	}
	return len(seen)
}

func slowest(list []request, from, to time.Time) (d time.Duration) {
	for _, r := range list {
		if r.began.After(from) && r.began.Before(to) {
			d = max(d, r.ended.Sub(r.began))
		}
	}
	return d
}
