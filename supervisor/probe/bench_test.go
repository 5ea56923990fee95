package probe

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// quiet is a Sink that does nothing.
type quiet struct{}

func (quiet) ProbeChanged(Change) {}
func (quiet) ProbeEvent(Event)    {}

// lateness collects how long after its due time each try of a worker began.
type lateness struct {
	mu   sync.Mutex
	late []time.Duration
}

// BenchmarkWorkers runs 250 containers with a liveness and a readiness probe each second (500 probes a second, the most
// that 250 containers can declare) in real time, for b.N seconds, with handlers that do nothing. It reports how late
// tries begin against their worker's own phase, and the processor time of a probe.
func BenchmarkWorkers(b *testing.B) {
	l := &lateness{}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wg sync.WaitGroup
	for i := range 250 {
		wg.Go(func() {
			time.Sleep(time.Duration(i) * 4 * time.Millisecond)
			l.pod(ctx, i, corev1.Container{ReadinessProbe: every(1), LivenessProbe: every(1)})
		})
	}
	time.Sleep(3 * time.Second)
	l.mu.Lock()
	l.late = nil
	l.mu.Unlock()
	before, begin := cpu(), time.Now()
	b.ResetTimer()
	time.Sleep(time.Duration(b.N) * time.Second)
	b.StopTimer()
	used, took := cpu()-before, time.Since(begin)
	cancel()
	wg.Wait()
	l.report(b, used, took)
}

func (l *lateness) pod(ctx context.Context, i int, c corev1.Container) {
	cfg := Config{Pod: podWith(c, ""), Sink: quiet{}, Timing: Strict}
	cfg.Handlers = func(_ *corev1.Container, _ Type, p *corev1.Probe) Handler {
		var first time.Time
		period := specOf(p).period
		return HandlerFunc(func(context.Context, Target) Outcome {
			now := time.Now()
			if first.IsZero() {
				first = now
			}
			late := now.Sub(first) % period
			if late > period/2 {
				late = 0
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.late = append(l.late, late)
			return passed("")
		})
	}
	p := New(cfg)
	p.UpdatePodStatus(&corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{
		Name: "app", ContainerID: fmt.Sprintf("c%d", i),
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}},
	}}})
	_ = p.Run(ctx)
}

func (l *lateness) report(b *testing.B, used, took time.Duration) {
	slices.Sort(l.late)
	n := len(l.late)
	if n == 0 {
		b.Fatal("no probes ran")
	}
	b.ReportMetric(float64(n)/took.Seconds(), "probes/s")
	b.ReportMetric(float64(used.Microseconds())/float64(n), "cpu-µs/probe")
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(l.late[n*p/100].Microseconds()), fmt.Sprintf("late-p%d-µs", p))
	}
	b.ReportMetric(float64(l.late[n-1].Microseconds()), "late-max-µs")
}

// cpu is the processor time this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
