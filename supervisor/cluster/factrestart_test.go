package cluster

import (
	"strings"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services"
)

// TestUnreadyPodsAreRestartedAllAtOnceForAFact: Redis has failed over. Three pods that keep to the old master are not Ready;
// they are replaced at once, although Redis is not complete yet. Pods that are Ready go one at a time.
func TestUnreadyPodsAreRestartedAllAtOnceForAFact(t *testing.T) {
	for name, c := range map[string]struct {
		unready          int
		wantOld, wantNew int // after the change
	}{
		"none is ready": {3, 0, 3},
		"one is ready":  {2, 1, 3},
		"all are ready": {0, 3, 1},
	} {
		t.Run(name, func(t *testing.T) {
			web := deployment("web", 3, services.Dependency{Workload: "redis", Condition: services.Healthy})
			web.RestartOn = []string{"redis-master-changed"}
			w := upWith(t, prepared(t, operated(deployment("redis", 1), "redis"), web))
			w.takeFacts(map[string]string{"redis-master": "10.0.0.1:6379"}, time.Now())
			settle(t, w, time.Now())
			old := map[string]bool{}
			for _, p := range w.PodsOf("web") {
				old[p.Name] = true
			}
			notReady(t, w, w.PodsOf("redis"))
			notReady(t, w, w.PodsOf("web")[:c.unready])
			w.takeFacts(map[string]string{"redis-master": "10.0.0.2:6379"}, time.Now())
			settle(t, w, time.Now())
			was, now := 0, 0
			for _, p := range w.PodsOf("web") {
				if old[p.Name] {
					was++
				} else {
					now++
				}
			}
			if was != c.wantOld || now != c.wantNew {
				t.Errorf("%d old and %d new pods, want %d and %d", was, now, c.wantOld, c.wantNew)
			}
			for range 4 {
				makeReady(t, w, "redis")
				makeReady(t, w, "web")
				settle(t, w, time.Now())
			}
			if len(w.factRestarts) != 0 {
				t.Errorf("%v are still said to be restarted", w.factRestarts)
			}
		})
	}
}

// TestDoubtfulPods: while an operator is not right, the readiness of the pods that restart for its facts is probed whenever it has
// looked, so that those which serve nobody are known when the fact changes; not for ever, and not of pods that are not Ready anyway.
func TestDoubtfulPods(t *testing.T) {
	web, other := deployment("web", 3), deployment("other", 1)
	web.RestartOn = []string{"redis-master-changed"}
	other.RestartOn = []string{"elsewhere-changed"}
	c := upWith(t, prepared(t, operated(deployment("redis", 1), "redis"), web, other))
	notReady(t, c, c.PodsOf("web")[:1])
	now := time.Now()
	facts := map[string]string{"redis-master": "10.0.0.1:6379"}
	for i, step := range []struct {
		right bool
		after time.Duration
		want  int
	}{{true, 0, 0}, {false, 0, 2}, {false, doubtFor, 2}, {false, time.Second, 0}, {true, time.Second, 0}, {false, time.Second, 2}} {
		now = now.Add(step.after)
		got, err := c.TakeVerdict("redis", services.View{}, services.Verdict{Right: step.right, Facts: facts}, now)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Doubtful) != step.want {
			t.Errorf("verdict %d: doubtful %v, want %d", i, got.Doubtful, step.want)
		}
		for _, name := range got.Doubtful {
			if p := c.PodsOf("web")[0]; !strings.HasPrefix(name, "web-") || name == p.Name {
				t.Errorf("verdict %d: doubtful %s", i, name)
			}
		}
	}
}
