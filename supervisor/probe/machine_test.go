package probe

import (
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// at is a time so many seconds after the epoch.
func at(s float64) time.Time { return epoch.Add(time.Duration(s * float64(time.Second))) }

func running(id string, since float64, started bool) corev1.ContainerStatus {
	return corev1.ContainerStatus{
		Name: "app", ContainerID: id, Started: &started,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(at(since))}},
	}
}

func terminated(id string, code int32) corev1.ContainerStatus {
	no := false
	return corev1.ContainerStatus{
		Name: "app", ContainerID: id, Started: &no,
		State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}},
	}
}

func podOf(c corev1.ContainerStatus) *corev1.PodStatus {
	return &corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.0.0.1", ContainerStatuses: []corev1.ContainerStatus{c}}
}

func newMachine(t Type, p corev1.Probe) *machine {
	return &machine{typ: t, container: &corev1.Container{Name: "app"}, spec: specOf(&p)}
}

// feed lets a machine iterate on a running container and gives it the outcome S, F, W or E; the published value or "".
func feed(t *testing.T, m *machine, c corev1.ContainerStatus, now float64, o byte) Result {
	t.Helper()
	s := m.begin(facts{now: at(now), status: podOf(c)})
	if !s.probe {
		t.Fatalf("%c at %v: no probe: %+v", o, now, s)
	}
	outcome := map[byte]Outcome{
		'S': {Verdict: Passed}, 'F': {Verdict: Failed}, 'W': {Verdict: Warned},
		'E': {Verdict: Undecided, Err: errors.New("broken")},
	}[o]
	if s = m.finish(outcome, false); len(s.publish) > 0 {
		return s.publish[0].result
	}
	return ""
}

// published is what each outcome of a script makes a machine publish: S, F or - for nothing.
func published(t *testing.T, m *machine, c corev1.ContainerStatus, script string) string {
	t.Helper()
	out := ""
	for i := range len(script) {
		switch feed(t, m, c, 100+float64(i), script[i]) {
		case Success:
			out += "S"
		case Failure:
			out += "F"
		default:
			out += "-"
		}
	}
	return out
}

func TestR6R7R8RunsAndThresholds(t *testing.T) {
	for _, c := range []struct {
		name                string
		typ                 Type
		successes, failures int32
		script, want        string
	}{
		{"R7 failures below the threshold change nothing", Readiness, 1, 3, "SFFSFFF", "S--S--F"},
		{"R6 a success starts the run again", Liveness, 1, 3, "FFSFF", "--S--"},
		{"R8 successes below the threshold change nothing", Readiness, 3, 1, "SSFSSS", "--F--S"},
		{"R13 errors neither count nor break a run", Readiness, 1, 3, "FEEFEF", "-----F"},
		{"R13 an error between successes", Readiness, 2, 3, "SES", "--S"},
		{"R47 a warning is a success", Readiness, 1, 1, "FW", "FS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(c.typ, corev1.Probe{SuccessThreshold: c.successes, FailureThreshold: c.failures})
			if got := published(t, m, running("c0", 0, true), c.script); got != c.want {
				t.Fatalf("published %s, want %s", got, c.want)
			}
		})
	}
}

func TestR12HoldAfterLivenessFailure(t *testing.T) {
	m := newMachine(Liveness, corev1.Probe{FailureThreshold: 2})
	if got := published(t, m, running("c0", 0, true), "FF"); got != "-F" {
		t.Fatal(got)
	}
	if s := m.begin(facts{now: at(200), status: podOf(running("c0", 0, true))}); s.probe || s.publish != nil {
		t.Fatalf("on hold, but %+v", s)
	}
	if got := published(t, m, running("c1", 0, true), "F"); got != "-" {
		t.Fatalf("the run was not reset by hold: %s", got)
	}
}

func TestR12HoldAfterAnyStartupResult(t *testing.T) {
	for script, want := range map[string]string{"S": "S", "FFF": "--F"} {
		m := newMachine(Startup, corev1.Probe{})
		if got := published(t, m, running("c0", 0, false), script); got != want {
			t.Fatal(got)
		}
		if s := m.begin(facts{now: at(200), status: podOf(running("c0", 0, false))}); s.probe {
			t.Fatalf("after %s it probes again", script)
		}
		if s := m.begin(facts{now: at(201), status: podOf(running("c1", 0, false))}); !s.probe {
			t.Fatal("a new instance ends hold")
		}
	}
}

func TestR12ReadinessIsNeverOnHold(t *testing.T) {
	m := newMachine(Readiness, corev1.Probe{FailureThreshold: 1})
	if got := published(t, m, running("c0", 0, true), "FFSF"); got != "FFSF" {
		t.Fatal(got)
	}
}

func TestR18RunOutlivesARestart(t *testing.T) {
	m := newMachine(Liveness, corev1.Probe{FailureThreshold: 3})
	published(t, m, running("c0", 0, true), "FF")
	if got := published(t, m, running("c1", 50, true), "F"); got != "F" {
		t.Fatalf("first failure of the next instance: %s", got)
	}
	m = newMachine(Readiness, corev1.Probe{SuccessThreshold: 3})
	published(t, m, running("c0", 0, true), "SS")
	m.begin(facts{now: at(150), status: podOf(terminated("c0", 1))})
	if got := published(t, m, running("c1", 50, true), "S"); got != "S" {
		t.Fatalf("first success of the next instance: %s", got)
	}
}

func TestR5R10NewInstance(t *testing.T) {
	for typ, initial := range map[Type]Result{Startup: Unknown, Readiness: Failure, Liveness: Success} {
		m := newMachine(typ, corev1.Probe{})
		s := m.begin(facts{now: at(1), status: podOf(running("c0", 0, typ != Startup))})
		if s.forget != "" || len(s.publish) != 1 || s.publish[0] != (publication{"c0", initial}) {
			t.Errorf("%s: %+v", typ, s)
		}
		s = m.begin(facts{now: at(2), status: podOf(running("c1", 1, typ != Startup))})
		if s.forget != "c0" || s.publish[0] != (publication{"c1", initial}) {
			t.Errorf("%s: %+v", typ, s)
		}
	}
}

func TestR3R4InitialDelay(t *testing.T) {
	for _, c := range []struct {
		started, now float64
		want         bool
	}{
		{0, 4.99, false}, {0, 5, true}, {0.95, 4.99, false}, {0.95, 5, true}, {1.05, 5.4, false}, {1.05, 6, true},
	} {
		m := newMachine(Liveness, corev1.Probe{InitialDelaySeconds: 5})
		if s := m.begin(facts{now: at(c.now), status: podOf(running("c0", c.started, true))}); s.probe != c.want {
			t.Errorf("started %v, now %v: probe %v", c.started, c.now, s.probe)
		}
	}
}

func TestR11Gate(t *testing.T) {
	for _, c := range []struct {
		typ           Type
		started, want bool
	}{{Startup, false, true}, {Startup, true, false}, {Readiness, false, false}, {Readiness, true, true}, {Liveness, false, false}, {Liveness, true, true}} {
		m := newMachine(c.typ, corev1.Probe{})
		if s := m.begin(facts{now: at(9), status: podOf(running("c0", 0, c.started))}); s.probe != c.want || s.end {
			t.Errorf("%+v: %+v", c, s)
		}
	}
}

func TestR16NotRunning(t *testing.T) {
	always, onFailure, never := corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever
	for _, c := range []struct {
		policy  corev1.RestartPolicy
		code    int32
		sidecar bool
		end     bool
	}{
		{always, 0, false, false},
		{always, 1, false, false},
		{onFailure, 0, false, true},
		{onFailure, 1, false, false},
		{never, 0, false, true},
		{never, 1, false, true},
		{never, 0, true, false},
		{onFailure, 0, true, false},
	} {
		m := newMachine(Liveness, corev1.Probe{})
		m.policy, m.sidecar = c.policy, c.sidecar
		m.begin(facts{now: at(1), status: podOf(running("c0", 0, true))})
		s := m.begin(facts{now: at(2), status: podOf(terminated("c0", c.code))})
		if s.end != c.end || s.probe || len(s.publish) != 1 || s.publish[0] != (publication{"c0", Failure}) {
			t.Errorf("%+v: %+v", c, s)
		}
	}
	m := newMachine(Liveness, corev1.Probe{})
	for _, status := range []*corev1.PodStatus{nil, {}, podOf(corev1.ContainerStatus{Name: "app"})} {
		if s := m.begin(facts{now: at(1), status: status}); s.publish != nil || s.end || s.probe {
			t.Errorf("no container yet: %+v", s)
		}
	}
	for _, phase := range []corev1.PodPhase{corev1.PodFailed, corev1.PodSucceeded} {
		status := podOf(running("c0", 0, true))
		status.Phase = phase
		if s := m.begin(facts{now: at(1), status: status}); !s.end || s.publish != nil {
			t.Errorf("%s: %+v", phase, s)
		}
	}
}

func TestR17WorkersMadeDuringDeletion(t *testing.T) {
	for typ, end := range map[Type]bool{Startup: true, Liveness: true, Readiness: false} {
		m := newMachine(typ, corev1.Probe{})
		s := m.begin(facts{now: at(1), deleting: true, status: podOf(running("c0", 0, true))})
		if s.end != end {
			t.Errorf("%s: %+v", typ, s)
		}
	}
}

func TestR21AdoptedInstanceGetsNoInitialResult(t *testing.T) {
	for since, adopted := range map[float64]bool{0: true, 19: true, 21: false, 40: false} {
		m := newMachine(Readiness, corev1.Probe{})
		m.began = at(30)
		s := m.begin(facts{now: at(40), status: podOf(running("c0", since, true))})
		if (len(s.publish) == 0) != adopted || !s.probe {
			t.Errorf("started at %v: %+v", since, s)
		}
	}
}

func TestR30Defaults(t *testing.T) {
	got := specOf(&corev1.Probe{})
	if got != (spec{period: 10 * time.Second, timeout: time.Second, successes: 1, failures: 3}) {
		t.Fatalf("%+v", got)
	}
}

func TestR78RestartsAfter(t *testing.T) {
	never, onFailure := corev1.ContainerRestartPolicyNever, corev1.ContainerRestartPolicyOnFailure
	rule := func(op corev1.ContainerRestartRuleOnExitCodesOperator, codes ...int32) []corev1.ContainerRestartRule {
		return []corev1.ContainerRestartRule{{
			Action:    corev1.ContainerRestartRuleActionRestart,
			ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{Operator: op, Values: codes},
		}}
	}
	in, notIn := corev1.ContainerRestartRuleOnExitCodesOpIn, corev1.ContainerRestartRuleOnExitCodesOpNotIn
	for _, c := range []struct {
		container corev1.Container
		policy    corev1.RestartPolicy
		code      int32
		want      bool
	}{
		{corev1.Container{}, "", 0, true},
		{corev1.Container{}, corev1.RestartPolicyOnFailure, 0, false},
		{corev1.Container{}, corev1.RestartPolicyNever, 1, false},
		{corev1.Container{RestartPolicy: &onFailure}, corev1.RestartPolicyNever, 1, true},
		{corev1.Container{RestartPolicy: &never, RestartPolicyRules: rule(in, 42)}, "", 42, true},
		{corev1.Container{RestartPolicy: &never, RestartPolicyRules: rule(in, 42)}, "", 1, false},
		{corev1.Container{RestartPolicy: &never, RestartPolicyRules: rule(notIn, 42)}, "", 1, true},
		{corev1.Container{RestartPolicy: &never, RestartPolicyRules: rule(notIn, 42)}, "", 42, false},
	} {
		if got := RestartsAfter(&c.container, c.policy, c.code); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestFastEarlyTriesCountOnlySuccess(t *testing.T) {
	m := newMachine(Startup, corev1.Probe{FailureThreshold: 1, InitialDelaySeconds: 60})
	m.fast = true
	status := podOf(running("c0", 0, false))
	for i := range 100 {
		s := m.begin(facts{now: at(float64(i) / 10), early: true, status: status})
		if !s.probe || !s.again {
			t.Fatalf("early try %d: %+v", i, s)
		}
		if s = m.finish(Outcome{Verdict: Failed}, true); s.publish != nil || !s.again {
			t.Fatalf("an early failure must count nothing: %+v", s)
		}
	}
	if s := m.begin(facts{now: at(10), status: status}); s.probe || !s.again {
		t.Fatalf("a tick keeps the delay: %+v", s)
	}
	m.begin(facts{now: at(11), early: true, status: status})
	s := m.finish(Outcome{Verdict: Passed}, true)
	if len(s.publish) != 1 || s.publish[0].result != Success || s.again {
		t.Fatalf("an early success counts: %+v", s)
	}
}

func TestFastLeavesLivenessAndTheProvenAlone(t *testing.T) {
	m := newMachine(Liveness, corev1.Probe{})
	m.fast = true
	if s := m.begin(facts{now: at(9), early: true, status: podOf(running("c0", 0, true))}); s.probe || s.again {
		t.Fatalf("liveness has no early tries: %+v", s)
	}
	m = newMachine(Readiness, corev1.Probe{SuccessThreshold: 2})
	m.fast = true
	if feed(t, m, running("c0", 0, true), 1, 'S') != "" {
		t.Fatal("below the threshold")
	}
	if s := m.begin(facts{now: at(2), early: true, status: podOf(running("c0", 0, true))}); s.probe || s.again {
		t.Fatalf("after the first success the declared period holds: %+v", s)
	}
}

func TestR1Schedule(t *testing.T) {
	s := newSchedule(at(0), time.Second)
	for _, c := range []struct {
		now  float64
		take bool
		next float64
	}{
		{0, true, 1}, {0.5, false, 1}, {1, true, 2}, {2.5, true, 3}, {2.5, false, 3}, {6.2, true, 7}, {7, true, 8},
	} {
		if got := s.take(at(c.now)); got != c.take || !s.next().Equal(at(c.next)) {
			t.Fatalf("at %v: took %v, next %s", c.now, got, s.next())
		}
	}
	s.restart(at(7.3))
	if s.take(at(8)) || !s.take(at(8.3)) {
		t.Fatal("R15: the trigger moves the ticks")
	}
}

func TestEarlyGaps(t *testing.T) {
	for n, want := range []time.Duration{100, 150, 200, 250, 250, 250} {
		if got := earlyGap(n, 0); got != want*time.Millisecond {
			t.Errorf("gap %d: %s", n, got)
		}
	}
	if got := earlyGap(0, time.Second); got != 2*time.Second {
		t.Errorf("after a slow try: %s", got)
	}
}

func TestCheapGaps(t *testing.T) {
	for n, want := range map[int]time.Duration{0: 20, 1: 25, 8: 60, 16: 100, 1000: 100} {
		if got := cheapGap(n); got != want*time.Millisecond {
			t.Errorf("gap %d: %s", n, got)
		}
	}
}

func TestR24EventTexts(t *testing.T) {
	for _, c := range []struct {
		typ  Type
		o    Outcome
		want string
	}{
		{Liveness, Outcome{Verdict: Failed, Output: "bad"}, "Unhealthy Liveness probe failed: bad"},
		{Readiness, broken(errors.New("container is not running")), "Unhealthy Readiness probe errored and resulted in unknown state: container is not running"},
		{Startup, Outcome{Verdict: Failed, Err: errors.New("unexpected EOF")}, "Unhealthy Startup probe errored and resulted in failure state: unexpected EOF"},
		{Readiness, Outcome{Verdict: Warned, Output: "moved"}, "ProbeWarning Readiness probe warning: moved"},
	} {
		if e, ok := eventFor(c.typ, c.o); !ok || e.Reason+" "+e.Message != c.want {
			t.Errorf("got %s %s, want %s", e.Reason, e.Message, c.want)
		}
	}
	if _, ok := eventFor(Liveness, passed("x")); ok {
		t.Error("a success gives no event")
	}
}
