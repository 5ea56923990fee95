package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/probe"
)

// stage is one worker on the scripted engine, driven by a test in virtual time.
type stage struct {
	*pod.Worker
	engine *engine
	log    *recorder
	cancel context.CancelFunc
	done   sync.WaitGroup
	err    error
}

const onePod = `{"pod": {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "app", "image": "img:1"}]}}, "behaviors": %s, "duration": 1}`

// on runs test in a bubble with a worker for a pod of one container of the given behaviour.
func on(t *testing.T, behaviors string, test func(t *testing.T, s *stage)) {
	t.Helper()
	sc, err := parse(fmt.Appendf(nil, onePod, behaviors))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		log := newRecorder()
		s := begin(t, &sc.Pod, newEngine(sc, log, false), log, time.Time{})
		test(t, s)
		s.end()
	})
}

// begin starts a worker on an engine, which may hold what a former one left.
func begin(t *testing.T, p *corev1.Pod, e *engine, log *recorder, began time.Time) *stage {
	s := &stage{engine: e, log: log}
	s.Worker = pod.New(p, pod.Deps{
		Runtime: e, Objects: &objects{}, Sink: log, Probes: probe.Deps{Exec: e}, Timing: probe.Strict, Began: began,
	})
	e.notify = s.Notify
	ctx, cancel := context.WithCancel(t.Context())
	s.cancel = cancel
	s.done.Go(func() { s.err = s.Run(ctx) })
	return s
}

func (s *stage) end() {
	s.cancel()
	s.done.Wait()
}

// pass lets time pass and everything settle.
func (s *stage) pass(seconds float64) {
	time.Sleep(secs(seconds))
	synctest.Wait()
}

// said lists the trace's events of the kinds, "create app-0".
func (s *stage) said(kinds ...string) string {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	var out []string
	for _, e := range s.log.events {
		for _, k := range kinds {
			if e.Event == k {
				out = append(out, strings.TrimSpace(k+" "+e.ID))
			}
		}
	}
	return strings.Join(out, ", ")
}

func TestContainersComeAndGoInPlace(t *testing.T) {
	on(t, `{}`, func(t *testing.T, s *stage) {
		s.pass(5)
		before := s.Pod()
		more := before.DeepCopy()
		more.Spec.Containers = append(more.Spec.Containers, corev1.Container{
			Name: "extra", Image: "img:1", ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"ready"}}}},
		})
		s.Update(more)
		s.pass(5)
		if got := s.said("create", "stop"); got != "create app-0, create extra-0" {
			t.Fatal(got)
		}
		if !strings.Contains(s.said("exec"), "exec extra-0") || !isReady(s.Pod()) {
			t.Fatalf("the added container's probe does not run: %s", s.said("exec"))
		}
		s.Update(before)
		s.pass(20)
		if got := s.said("create", "stop", "exit", "remove"); got != "create app-0, create extra-0, stop extra-0, exit extra-0, remove extra-0" {
			t.Fatal(got)
		}
		if p := s.Pod(); len(p.Status.ContainerStatuses) != 1 || !isReady(p) {
			t.Fatalf("%+v", p.Status)
		}
	})
}

// TestTheFirstInstanceKnowsThePodsAddressR133: also that of a sandbox that was made in the same sync.
func TestTheFirstInstanceKnowsThePodsAddressR133(t *testing.T) {
	sc, err := parse([]byte(`{"pod": {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "app", "image": "img:1", "env": [
		{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]}]}}, "actions": [{"at": 5, "do": "stopSandbox"}], "duration": 20}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range played(t, sc, true) {
		if e.Event == "create" {
			got = append(got, fmt.Sprint(e.ID, e.Config.(map[string]any)["env"]))
		}
	}
	if text := strings.Join(got, ", "); text != "app-0[IP=10.0.0.1], app-1[IP=10.0.0.2]" {
		t.Fatal(text)
	}
}

// TestAFirstHookReachesThePodR96: an httpGet hook of the pod's first container needs the address as well.
func TestAFirstHookReachesThePodR96(t *testing.T) {
	var dialed []string
	s := &scenario{Pod: corev1.Pod{}}
	s.Pod.Name = "p"
	s.Pod.Spec.Containers = []corev1.Container{{Name: "app", Image: "img:1", Lifecycle: &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{
		HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromInt32(80)},
	}}}}
	synctest.Test(t, func(t *testing.T) {
		log := newRecorder()
		e := newEngine(s, log, false)
		w := pod.New(&s.Pod, pod.Deps{Runtime: e, Objects: &objects{}, Sink: log, Timing: probe.Strict, Probes: probe.Deps{
			Exec: e, Dialer: dialer(func(addr string) { dialed = append(dialed, addr) }),
		}})
		e.notify = w.Notify
		ctx, cancel := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() { _ = w.Run(ctx) })
		time.Sleep(sandboxTakes + startTakes)
		synctest.Wait() // the first instance has just started, its hook has ended
		cancel()
		done.Wait()
	})
	if len(dialed) != 1 || dialed[0] != "10.0.0.1:80" {
		t.Fatalf("dialed %v", dialed)
	}
}

// dialer notes the addresses that are asked for, and refuses them.
type dialer func(addr string)

func (d dialer) DialContext(_ context.Context, _, addr string) (net.Conn, error) {
	d(addr)
	return nil, errors.New("refused")
}

func isReady(p *corev1.Pod) bool {
	c := pod.FindCondition(&p.Status, corev1.PodReady)
	return c != nil && c.Status == corev1.ConditionTrue
}

func TestRestartByHandSkipsTheBackOff(t *testing.T) {
	on(t, `{"app": [{"exitAfter": 1, "exitCode": 1}]}`, func(t *testing.T, s *stage) {
		s.pass(100)
		starts := strings.Count(s.said("start"), "start")
		s.RestartContainer("app", "is restarted by hand")
		s.pass(0.5)
		if got := strings.Count(s.said("start"), "start"); got != starts+1 {
			t.Fatalf("%d starts, had %d", got, starts)
		}
		s.pass(1.5)
		if got := strings.Count(s.said("start"), "start"); got != starts+2 {
			t.Fatalf("the back-off did not begin anew: %d starts, had %d", got, starts)
		}
	})
}

func TestAnotherSupervisorGoesOnWhereTheFirstLeft(t *testing.T) {
	on(t, `{"app": [{"exitAfter": 1, "exitCode": 1}, {"exitAfter": 1, "exitCode": 1}, {"exitAfter": 30, "exitCode": 1}]}`, func(t *testing.T, s *stage) {
		s.pass(20) // the third instance runs, its end will meet 20 s
		before := s.Pod().Status.ContainerStatuses[0]
		s.end()
		if got := s.said("stop"); got != "" || !errors.Is(s.err, context.Canceled) {
			t.Fatalf("the end of supervision touched a container: %s (%v)", got, s.err)
		}
		next := begin(t, s.Pod(), s.engine, s.log, time.Now())
		next.pass(1)
		after := next.Pod().Status.ContainerStatuses[0]
		if after.ContainerID != before.ContainerID || after.RestartCount != 2 || strings.Count(s.said("create"), "create") != 3 {
			t.Fatalf("%+v: %s", after, s.said("create"))
		}
		next.pass(40) // it ended at 42.7 s or so; the back-off of the first supervisor holds until 62.7 s
		if w := next.Pod().Status.ContainerStatuses[0].State.Waiting; w == nil || !strings.HasPrefix(w.Message, "back-off 20s ") {
			t.Fatalf("%+v", next.Pod().Status.ContainerStatuses[0].State)
		}
		next.pass(5)
		if got := strings.Count(s.said("create"), "create"); got != 4 {
			t.Fatalf("%d instances", got)
		}
		next.end()
	})
}

func TestASecondWishHurriesR102(t *testing.T) {
	on(t, `{"app": [{"ignoreTerm": true}]}`, func(t *testing.T, s *stage) {
		s.pass(1)
		s.Delete(nil)
		s.pass(3)
		short := int64(1)
		s.Delete(&short)
		s.pass(3)
		if s.said("exit") != "" {
			t.Fatal("a second deletion shortened the stop")
		}
		s.Hurry()
		s.pass(2.1)
		if s.said("exit", "podRemoved") != "exit app-0, podRemoved" {
			t.Fatal(s.said("exit", "podRemoved"))
		}
		if s.done.Wait(); s.err != nil {
			t.Fatal(s.err)
		}
	})
}

func TestEventsOfWhatIsKnownCauseNothing(t *testing.T) {
	on(t, `{}`, func(t *testing.T, s *stage) {
		s.pass(1)
		looks := s.engine.looks
		s.Notify(pod.ContainerEvent{Type: pod.ContainerStarted, ID: "app-0"})
		s.Notify(pod.ContainerEvent{Type: pod.ContainerRemoved, ID: "somebody's"})
		s.pass(1)
		if s.engine.looks != looks {
			t.Fatal("looked again")
		}
		s.Resync()
		s.pass(0.1)
		if s.engine.looks != looks+1 {
			t.Fatalf("%d looks after a resync", s.engine.looks-looks)
		}
	})
}

func TestAnEngineThatDoesNotAnswerIsAskedAgain(t *testing.T) {
	on(t, `{"app": [{"exitAfter": 10, "exitCode": 1}, {}]}`, func(t *testing.T, s *stage) {
		s.pass(5)
		s.engine.down(errors.New("cannot connect"))
		s.pass(60) // the container ends meanwhile, unseen
		if got := s.said("create"); got != "create app-0" || !isReady(s.Pod()) {
			t.Fatalf("%s; what is not known must not change: %+v", got, s.Pod().Status.Conditions)
		}
		s.engine.down(nil)
		s.pass(6)
		if got := s.said("create"); got != "create app-0, create app-1" {
			t.Fatal(got)
		}
	})
}

func TestATerminalPodStaysUntilItIsDeleted(t *testing.T) {
	sc, err := parse([]byte(`{"pod": {"metadata": {"name": "p"}, "spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": "img:1"}]}},
		"behaviors": {"app": [{"exitAfter": 1}]}, "duration": 1}`))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		log := newRecorder()
		s := begin(t, &sc.Pod, newEngine(sc, log, false), log, time.Time{})
		s.pass(300)
		if p := s.Pod(); p.Status.Phase != corev1.PodSucceeded || s.said("remove", "podRemoved") != "" {
			t.Fatalf("%s; %s", p.Status.Phase, s.said("remove", "podRemoved"))
		}
		s.Delete(nil)
		s.done.Wait()
		if s.said("remove", "podRemoved") != "remove app-0, podRemoved" || s.err != nil {
			t.Fatalf("%s, %v", s.said("remove", "podRemoved"), s.err)
		}
		s.end()
	})
}

// TestAPodThatIsKnownToHaveEndedIsNotRunAgain: another supervisor knows it from its notes, and its containers were pruned.
func TestAPodThatIsKnownToHaveEndedIsNotRunAgain(t *testing.T) {
	sc, err := parse(fmt.Appendf(nil, onePod, `{}`))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		log := newRecorder()
		sc.Pod.Status.Phase = corev1.PodSucceeded
		s := begin(t, &sc.Pod, newEngine(sc, log, false), log, time.Now())
		s.pass(300)
		s.Resync()
		s.pass(1)
		if p := s.Pod(); p.Status.Phase != corev1.PodSucceeded || s.said("sandbox", "create", "podRemoved") != "" {
			t.Fatalf("%s; %s", p.Status.Phase, s.said("sandbox", "create", "podRemoved"))
		}
		s.Delete(nil)
		s.done.Wait()
		if s.said("podRemoved") != "podRemoved" || s.err != nil {
			t.Fatalf("%s, %v", s.said("podRemoved"), s.err)
		}
		s.end()
	})
}

// waiting is the reason and message by which the pod's first container waits.
func waiting(p *corev1.Pod) string {
	if len(p.Status.ContainerStatuses) == 0 || p.Status.ContainerStatuses[0].State.Waiting == nil {
		return ""
	}
	w := p.Status.ContainerStatuses[0].State.Waiting
	return w.Reason + ": " + w.Message
}

func TestNothingStartsWhileHeld(t *testing.T) {
	on(t, `{"app": [{"exitAfter": 10, "exitCode": 3}]}`, func(t *testing.T, s *stage) {
		s.pass(5)
		s.Hold("waits for db")
		s.pass(100)
		if got := s.said("create", "exit"); got != "create app-0, exit app-0" {
			t.Fatal(got)
		}
		p := s.Pod()
		if got := waiting(p); got != "Held: waits for db" || isReady(p) {
			t.Errorf("it waits with %q", got)
		}
		if last := p.Status.ContainerStatuses[0].LastTerminationState.Terminated; last == nil || last.ExitCode != 3 {
			t.Errorf("how it ended is lost: %+v", p.Status.ContainerStatuses[0])
		}
		s.Hold("waits for queue")
		s.Resync()
		s.pass(1)
		if got := waiting(s.Pod()); got != "Held: waits for queue" {
			t.Errorf("it waits with %q", got)
		}
		s.Hold("")
		s.pass(1)
		if got := s.said("create"); got != "create app-0, create app-1" || waiting(s.Pod()) != "" {
			t.Errorf("%s, waits with %q", got, waiting(s.Pod()))
		}
	})
}

func TestAPodThatIsHeldFromItsBeginningCanBeDeleted(t *testing.T) {
	sc, err := parse(fmt.Appendf(nil, onePod, `{}`))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		log := newRecorder()
		e := newEngine(sc, log, false)
		w := pod.New(&sc.Pod, pod.Deps{Runtime: e, Objects: &objects{}, Sink: log, Probes: probe.Deps{Exec: e}})
		w.Hold("waits for db")
		ended := make(chan error, 1)
		go func() { ended <- w.Run(t.Context()) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		s := &stage{Worker: w, engine: e, log: log}
		if got := s.said("create", "sandbox"); got != "" || waiting(w.Pod()) != "Held: waits for db" {
			t.Errorf("%s, waits with %q", got, waiting(w.Pod()))
		}
		w.Delete(nil)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestWhatEndedWithTheEngineHasNoBackOff: a restart that is excused neither waits nor makes the next wait longer, but counts.
func TestWhatEndedWithTheEngineHasNoBackOff(t *testing.T) {
	for _, excused := range []bool{false, true} {
		on(t, `{"app": [{"exitAfter": 1, "exitCode": 1}, {"exitAfter": 2, "exitCode": 1}, {}]}`, func(t *testing.T, s *stage) {
			s.pass(2) // the first restart is at once
			if excused {
				s.Excuse(time.Now(), time.Now().Add(time.Minute))
			}
			s.pass(3)
			want := "create app-0, create app-1"
			if excused {
				want += ", create app-2"
			}
			if got := s.said("create"); got != want {
				t.Errorf("excused %v: %s", excused, got)
			}
			s.pass(30)
			if got := s.Pod().Status.ContainerStatuses[0].RestartCount; got != 2 {
				t.Errorf("excused %v: %d restarts", excused, got)
			}
		})
	}
}

// TestAFailedPullOfAnImageThatIsThere: the message says that the machine has the image and which setting uses it.
func TestAFailedPullOfAnImageThatIsThere(t *testing.T) {
	on(t, `{}`, func(t *testing.T, s *stage) {
		sc, err := parse([]byte(`{"pod": {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "app", "image": "img:1", "imagePullPolicy": "Always"}]}},
			"behaviors": {}, "images": {"img:1": {"present": true, "pullError": "no registry"}}, "duration": 1}`))
		if err != nil {
			t.Fatal(err)
		}
		log := newRecorder()
		failing := begin(t, &sc.Pod, newEngine(sc, log, false), log, time.Time{})
		failing.pass(1)
		failing.end()
		w := failing.Pod().Status.ContainerStatuses[0].State.Waiting
		if w == nil || !strings.Contains(w.Message, "no registry; the image is on this machine, but its pull policy is Always: set pull_policy: missing") {
			t.Errorf("%+v", w)
		}
	})
}

// TestEventsNameTheImageThatWasBuilt: the ID of an image that the stack builds says nothing to people.
func TestEventsNameTheImageThatWasBuilt(t *testing.T) {
	s, err := parse([]byte(`{"pod": {"metadata": {"name": "p", "annotations": {"dev.lyandev.image/app": "web:dev"}}, "spec": {"containers": [{"name": "app", "image": "img:1"}]}},
		"behaviors": {}, "duration": 3}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range played(t, s, true) {
		if strings.Contains(e.Text, `Container image "web:dev" already present`) {
			return
		}
	}
	t.Error("no event names web:dev")
}
