package pod_test

import (
	"strings"
	"testing"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/pod"
)

func TestPausedContainerIsTold(t *testing.T) {
	p := podOf(t, "{containers: [{name: app}, {name: side}]}")
	look := func(paused bool) {
		p.Status = pod.Status(pod.StatusInput{Pod: p, Observed: pod.Observed{
			Sandbox: &pod.Sandbox{Ready: true},
			Instances: []pod.Instance{
				{Container: "app", ID: "0123456789abcdef", State: pod.Running, Paused: paused},
				{Container: "side", ID: "fedcba9876543210", State: pod.Running},
			},
		}})
	}
	look(false)
	if c := pod.FindCondition(&p.Status, services.Paused); c != nil {
		t.Fatalf("nothing is paused: %+v", c)
	}
	look(true)
	pod.Conditions(p, &p.Status, true, seconds(1))
	look(true)
	pod.Conditions(p, &p.Status, true, seconds(5))
	c := pod.FindCondition(&p.Status, services.Paused)
	if c == nil || c.Status != "True" || !strings.Contains(c.Message, "container app is paused") ||
		!strings.Contains(c.Message, "`docker unpause 0123456789ab`") || strings.Contains(c.Message, "side") {
		t.Fatalf("app is paused: %+v", c)
	}
	if !c.LastTransitionTime.Time.Equal(at(1)) {
		t.Errorf("paused since %s", c.LastTransitionTime)
	}
	look(false)
	if c := pod.FindCondition(&p.Status, services.Paused); c != nil {
		t.Errorf("it goes on: %+v", c)
	}
}
