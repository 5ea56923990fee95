package state

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSubscriberGetsTheLatestThenNewerOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := NewStore(&Status{Seq: 7, Message: "first"})
		ctx, cancel := context.WithCancel(t.Context())
		ch := st.Subscribe(ctx)
		if s := <-ch; s.Message != "first" || s.Seq != 7 {
			t.Fatalf("%+v", s)
		}
		st.Publish(&Status{Message: "second"})
		if s := <-ch; s.Message != "second" || s.Seq != 8 {
			t.Fatalf("%+v", s)
		}
		cancel()
		if s, open := <-ch; open {
			t.Errorf("after the end: %+v", s)
		}
		synctest.Wait()
		st.Publish(&Status{}) // nobody there, and nothing happens
		if n := len(st.subs); n != 0 {
			t.Errorf("%d subscribers left", n)
		}
	})
}

func TestSlowReaderIsCoalescedAndBlocksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := NewStore(&Status{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		slow, fast := st.Subscribe(ctx), st.Subscribe(ctx)
		<-fast
		for i := range 1000 {
			st.Publish(&Status{Message: fmt.Sprint(i)})
			if s := <-fast; s.Seq != uint64(i+1) {
				t.Fatalf("the fast reader got %d, want %d", s.Seq, i+1)
			}
		}
		if s := <-slow; s.Seq != 1000 || s.Message != "999" {
			t.Errorf("the slow reader got %d", s.Seq)
		}
		select {
		case s := <-slow:
			t.Errorf("and then %d", s.Seq)
		default:
		}
		if s := st.Latest(); s.Seq != 1000 {
			t.Errorf("latest is %d", s.Seq)
		}
	})
}

// TestSubscriptionsThatEndAmidPublishing is for the race detector: channels close while snapshots are handed out.
func TestSubscriptionsThatEndAmidPublishing(t *testing.T) {
	st := NewStore(&Status{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				ctx, cancel := context.WithCancel(context.Background())
				ch := st.Subscribe(ctx)
				last := (<-ch).Seq
				go cancel()
				for s := range ch {
					if s.Seq < last {
						t.Errorf("%d after %d", s.Seq, last)
					}
					last = s.Seq
				}
			}
		})
	}
	for range 5000 {
		st.Publish(&Status{})
	}
	wg.Wait()
}

func TestSubscribeWithAnEndedContext(t *testing.T) {
	st := NewStore(&Status{Seq: 3})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	for range st.Subscribe(ctx) {
		n++
	}
	if n > 1 {
		t.Errorf("%d snapshots", n)
	}
}

func TestSnapshotLookups(t *testing.T) {
	pod := func(name, workload string, ready corev1.ConditionStatus) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{services.WorkloadLabel: workload}},
			Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}, {Type: corev1.PodReady, Status: ready}}},
		}
	}
	s := &Status{
		Workloads: []Workload{{Name: "db"}, {Name: "web", Want: 2}},
		Pods:      []*corev1.Pod{pod("db-0", "db", corev1.ConditionTrue), pod("web-a", "web", corev1.ConditionFalse), pod("web-b", "web", corev1.ConditionTrue)},
	}
	if w, ok := s.Workload("web"); !ok || w.Want != 2 {
		t.Errorf("web: %+v, %v", w, ok)
	}
	if _, ok := s.Workload("none"); ok || s.Pod("none") != nil || s.PodsOf("none") != nil {
		t.Error("found what is not there")
	}
	if p := s.Pod("web-b"); p != s.Pods[2] {
		t.Errorf("web-b: %v", p)
	}
	if ps := s.PodsOf("web"); len(ps) != 2 || ps[0].Name != "web-a" || ps[1].Name != "web-b" {
		t.Errorf("pods of web: %v", ps)
	}
	if !PodReady(s.Pods[0]) || PodReady(s.Pods[1]) || PodReady(&corev1.Pod{}) {
		t.Error("readiness")
	}
}

var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
