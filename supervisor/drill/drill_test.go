package drill

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
)

var errDown = errors.New("down")

// tally plays results: seconds from the fault on, "+" a success, "-" a failure.
func play(script map[float64]string, kept map[int]bool) *Tally {
	t := &Tally{}
	zero := time.Unix(1000, 0)
	var times []float64
	for s := range script {
		times = append(times, s)
	}
	slices.Sort(times)
	n := 0
	for _, s := range times {
		at := zero.Add(time.Duration(s * float64(time.Second)))
		if s >= 0 && t.faultAt.IsZero() {
			t.fault(zero)
		}
		if script[s] == "+" {
			t.result(n, at, nil)
		} else {
			t.result(n, at, errDown)
		}
		n++
	}
	t.finish(zero.Add(20*time.Second), kept)
	return t
}

func TestTally(t *testing.T) {
	got := play(map[float64]string{-1: "+", -0.5: "+", 1: "-", 2: "-", 3: "+", 4: "+"}, map[int]bool{0: true, 1: true, 4: true})
	if got.Requests != 6 || got.Failed != 2 || got.Acknowledged != 4 || got.Lost != 1 {
		t.Errorf("counts: %+v", got)
	}
	if got.Recovered != 3*time.Second || got.Outage != 3*time.Second || got.Error != "down" {
		t.Errorf("times: recovered %s, outage %s, %q", got.Recovered, got.Outage, got.Error)
	}
	flapping := play(map[float64]string{-1: "+", 1: "-", 2: "+", 3: "-", 5: "+"}, nil)
	if flapping.Recovered != 5*time.Second || flapping.Outage != 3*time.Second {
		t.Errorf("flapping: recovered %s, outage %s", flapping.Recovered, flapping.Outage)
	}
	never := play(map[float64]string{-1: "+", 1: "-"}, nil)
	if never.Recovered != 20*time.Second || never.Outage != 20*time.Second {
		t.Errorf("never: recovered %s, outage %s", never.Recovered, never.Outage)
	}
	unhurt := play(map[float64]string{-1: "+", 1: "+", 2: "+"}, nil)
	if unhurt.Recovered != 0 || unhurt.Failed != 0 || unhurt.Lost != 0 {
		t.Errorf("unhurt: %+v", unhurt)
	}
	before := play(map[float64]string{-2: "-", -1: "+", 1: "+"}, nil)
	if before.Recovered != 0 {
		t.Errorf("a failure before the fault counts as recovery: %s", before.Recovered)
	}
}

func TestCalm(t *testing.T) {
	zero := time.Unix(1000, 0)
	at := func(s float64) time.Time { return zero.Add(time.Duration(s * float64(time.Second))) }
	var c Tally
	if c.calm(zero, time.Second) {
		t.Error("calm before the first answer")
	}
	c.result(0, at(0), nil)
	c.result(1, at(1), nil)
	if !c.calm(at(1.1), time.Second) {
		t.Error("not calm after a second of answers")
	}
	c.fault(at(1.2))
	if c.calm(at(1.5), time.Second) {
		t.Error("calm without an answer since the fault")
	}
	c.result(2, at(1.6), errDown)
	c.result(3, at(1.7), nil)
	if !c.hurt() || c.calm(at(2), time.Second) {
		t.Error("calm right after a failure")
	}
	c.result(4, at(2.7), nil)
	if !c.calm(at(2.8), time.Second) || c.calm(at(5), time.Second) {
		t.Error("calm is wrong: it must end when answers end")
	}
}

func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		rep  Report
		want string
	}{
		"kept":       {Report{Recovered: time.Second, Failed: 9, Limits: Limits{Recover: 2 * time.Second, Failed: -1}}, ""},
		"too slow":   {Report{Recovered: 3 * time.Second, Limits: Limits{Recover: 2 * time.Second, Failed: -1}}, "after 3s, the limit is 2s"},
		"lost":       {Report{Lost: 1, Limits: Limits{Failed: -1}}, "1 acknowledged writes were lost"},
		"failed":     {Report{Failed: 2, Limits: Limits{Failed: 1}}, "2 requests failed, the limit is 1"},
		"none fails": {Report{Limits: Limits{}}, ""},
		"broken off": {Report{Problems: []string{"x"}, Limits: Limits{Failed: -1}}, "x"},
	} {
		judge(&c.rep)
		if text := strings.Join(c.rep.Problems, "; "); !strings.Contains(text, c.want) || c.rep.Passed != (c.want == "") {
			t.Errorf("%s: passed %v, %q", name, c.rep.Passed, text)
		}
	}
}

func TestDetected(t *testing.T) {
	zero := time.Unix(1000, 0)
	events := []state.Event{
		{Type: "Normal", Reason: "Started", First: zero.Add(time.Second), Last: zero.Add(time.Second)},
		{Type: "Warning", Reason: "Unhealthy", First: zero.Add(-time.Minute), Last: zero.Add(3 * time.Second)},
	}
	if got := detected(time.Time{}, events, zero); got != 3*time.Second {
		t.Errorf("by an event that was there before: %s", got)
	}
	if got := detected(zero.Add(2*time.Second), events, zero); got != 2*time.Second {
		t.Errorf("by the phase: %s", got)
	}
	if got := detected(time.Time{}, nil, zero); got != 0 {
		t.Errorf("never: %s", got)
	}
}

func TestCheck(t *testing.T) {
	for _, n := range Names() {
		err := Scenario{Name: n[0], Service: "x"}.Check()
		if err != nil || n[1] == "" {
			t.Errorf("%s: %v", n[0], err)
		}
	}
	for _, s := range []Scenario{{Name: "nope"}, {}, {Name: "partition"}, {Name: "partition", Service: "x", For: -1}, {Name: "profile-switch", Times: -1}} {
		if s.Check() == nil {
			t.Errorf("%+v was taken", s)
		}
	}
}

func TestFinding(t *testing.T) {
	pod := func(name string, labels map[string]string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	}
	f := finder{snap: &state.Status{
		Pods: []*corev1.Pod{
			pod("redis-a", map[string]string{"app": "redis", services.RoleLabel: "replica"}),
			pod("redis-b", map[string]string{"app": "redis", services.RoleLabel: "master"}),
			pod("web-1", map[string]string{"app": "web", services.WorkloadLabel: "web"}),
		},
		Operators: map[string]services.Verdict{"redis": {Pods: map[string]services.PodVerdict{"redis-a": {Role: "replica"}, "redis-b": {Role: "master"}}}},
		Services: []*corev1.Service{
			{ObjectMeta: metav1.ObjectMeta{Name: "all"}, Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "redis"}, Ports: []corev1.ServicePort{{Port: 6379}}}},
			{ObjectMeta: metav1.ObjectMeta{Name: "redis"}, Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "redis", services.RoleLabel: "master"}, Ports: []corev1.ServicePort{{Port: 6379}}}},
			{ObjectMeta: metav1.ObjectMeta{Name: "svc"}, Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Port: 80}}}},
		},
		Bound: []services.HostPort{{HostIP: "127.0.0.1", HostPort: 8000, Service: "svc", Port: 80}},
	}}
	if p := f.podWithRole("redis", "master"); p == nil || p.Name != "redis-b" {
		t.Errorf("master: %v", p)
	}
	if a, err := f.service("redis-b", 6379); err != nil || a != "redis:6379" {
		t.Errorf("service of the master: %q, %v", a, err)
	}
	if a, err := f.service("redis-a", 6379); err != nil || a != "all:6379" {
		t.Errorf("service of a replica: %q, %v", a, err)
	}
	if _, err := f.service("web-1", 6379); err == nil {
		t.Error("a service without the port was found")
	}
	if got := f.behindHostPort(); got != "web" {
		t.Errorf("behind the host port: %q", got)
	}
	if c := f.web(); len(c) != 1 || c[0].name() != "http http://127.0.0.1:8000/" {
		t.Errorf("web clients: %v", c)
	}
	if _, err := f.master(t.Context(), "mariadb", 3306); err == nil {
		t.Error("a master of an operator that is not there")
	}
}

func TestClients(t *testing.T) {
	code := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
	defer srv.Close()
	w := newWeb(srv.URL)
	if err := w.try(t.Context(), 0); err != nil {
		t.Error(err)
	}
	code = http.StatusNotFound // the app answers: that is what is asked for
	if err := w.try(t.Context(), 0); err != nil {
		t.Error(err)
	}
	code = http.StatusBadGateway
	if err := w.try(t.Context(), 0); err == nil {
		t.Error("502 is a success")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(conn).ReadString('\n')
			_, _ = conn.Write([]byte(strings.ToUpper(line)))
			_ = conn.Close()
		}
	}()
	var d net.Dialer
	c := &tcp{addr: l.Addr().String(), ask: "version\n", answer: "VERSION", dial: d.DialContext}
	if err := c.try(t.Context(), 0); err != nil {
		t.Error(err)
	}
	c.ask = "other\n\n\n"
	if err := c.try(t.Context(), 0); err == nil {
		t.Error("another answer is a success")
	}
	_ = l.Close()
	if err := c.try(t.Context(), 0); err == nil {
		t.Error("nobody there is a success")
	}
}

// counting is a client that fails in a window.
type counting struct {
	web
	from, to time.Time
}

func (c *counting) try(context.Context, int) error {
	if now := time.Now(); now.After(c.from) && now.Before(c.to) {
		return errDown
	}
	return nil
}

func TestWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var got Tally
		got.fault(began.Add(2 * time.Second))
		work(ctx, &counting{from: began.Add(2 * time.Second), to: began.Add(5 * time.Second)}, &got)
		got.finish(time.Now(), nil)
		if got.Recovered < 3*time.Second || got.Recovered > 3*time.Second+2*pace || got.Failed == 0 || got.Requests < 900 {
			t.Errorf("recovered after %s, %d of %d requests failed", got.Recovered, got.Failed, got.Requests)
		}
	})
}
