package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/supervisor/cluster"
)

func TestWatchBeginsAfterItsRevision(t *testing.T) {
	s := cluster.New(cluster.Config{})
	kind := cluster.Kind(pod("", ""))
	mustCreate(t, s, pod("default", "a"))
	_, at := s.List(kind)
	mustCreate(t, s, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "of another kind"}})
	mustCreate(t, s, pod("default", "b"))
	w, err := s.Watch(kind, at)
	if err != nil {
		t.Fatal(err)
	}
	e, err := w.Next(t.Context())
	if err != nil || e.Type != cluster.Added || e.Object.GetName() != "b" || e.Revision != 3 {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := s.Watch(kind, 4); err == nil {
		t.Error("a watch from a revision that does not exist yet")
	}
}

func TestNextWaitsForAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := cluster.New(cluster.Config{})
		kind := cluster.Kind(pod("", ""))
		w, err := s.Watch(kind, 0)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Hour, func() { mustCreate(t, s, pod("default", "a")) })
		began := time.Now()
		if e, err := w.Next(t.Context()); err != nil || e.Object.GetName() != "a" || time.Since(began) != time.Hour {
			t.Errorf("%+v, %v after %s", e, err, time.Since(began))
		}
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(cause) })
		if _, err := w.Next(ctx); !errors.Is(err, cause) {
			t.Errorf("ended by %v", err)
		}
	})
}

// TestAWatchBeyondTheWindowIsGone: whoever has missed a change is told so, and never goes on with a gap.
func TestAWatchBeyondTheWindowIsGone(t *testing.T) {
	s := cluster.New(cluster.Config{})
	kind := cluster.Kind(pod("", ""))
	slow, err := s.Watch(kind, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range cluster.Window {
		mustCreate(t, s, pod("default", fmt.Sprint("p", i)))
	}
	if w, err := s.Watch(kind, 0); err != nil {
		t.Errorf("%d changes are kept: %v", cluster.Window, err)
	} else if e, err := w.Next(t.Context()); err != nil || e.Revision != 1 {
		t.Errorf("%+v, %v", e, err)
	}
	for i := range 3 * cluster.Window {
		mustCreate(t, s, pod("default", fmt.Sprint("q", i)))
		if i > 0 {
			continue
		}
		if _, err := s.Watch(kind, 0); !cluster.Gone(err) {
			t.Errorf("the first change is not kept any more: %v", err)
		}
		if _, err := s.Watch(kind, 1); err != nil {
			t.Errorf("all changes after the first are kept: %v", err)
		}
	}
	if _, err := slow.Next(t.Context()); !cluster.Gone(err) {
		t.Errorf("a watcher that fell behind: %v", err)
	}
	if _, err := s.Watch(cluster.Kind(&corev1.ConfigMap{}), 0); err != nil {
		t.Errorf("nothing was missed of a kind that never changed: %v", err)
	}
	if w, err := s.Watch(kind, s.Revision()-cluster.Window); err != nil {
		t.Error(err)
	} else if e, err := w.Next(t.Context()); err != nil || e.Revision != s.Revision()-cluster.Window+1 {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestAWatchOfAnEarlierStoreIsGone: revisions of before a restart cannot be watched from.
func TestAWatchOfAnEarlierStoreIsGone(t *testing.T) {
	s := cluster.New(cluster.Config{HighWater: 500})
	if _, err := s.Watch(cluster.Kind(pod("", "")), 499); !cluster.Gone(err) {
		t.Errorf("%v", err)
	}
}
