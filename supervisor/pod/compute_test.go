package pod_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/probe"
)

var epoch = time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

// podOf reads a spec; images are "img" unless said otherwise.
func podOf(t *testing.T, spec string) *corev1.Pod {
	t.Helper()
	p := &corev1.Pod{}
	p.Name, p.Namespace, p.UID = "p", "default", "u"
	if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range list {
			if list[i].Image == "" {
				list[i].Image = "img"
			}
		}
	}
	if p.Spec.RestartPolicy == "" {
		p.Spec.RestartPolicy = corev1.RestartPolicyAlways
	}
	return p
}

// seen reads instances, "app-0 running", "app-1 exited 3", "app-2 created", "i-0 exited 0 sandbox=1", into what a runtime
// sees in a pod whose sandbox has the attempt (-1: none, -2: a dead one).
func seen(t *testing.T, sandbox int, instances ...string) pod.Observed {
	t.Helper()
	o := pod.Observed{Sandbox: &pod.Sandbox{Ready: true, Attempt: sandbox, IP: "10.0.0.1"}}
	switch sandbox {
	case -1:
		o.Sandbox = nil
	case -2:
		o.Sandbox = &pod.Sandbox{}
	}
	for n, text := range instances {
		words := strings.Fields(text)
		cut := strings.LastIndexByte(words[0], '-')
		i := pod.Instance{
			ID: words[0], Container: words[0][:cut], Attempt: int(words[0][cut+1] - '0'), State: pod.State(words[1]), Image: "img",
			Created: at(n), Started: at(n), Finished: at(10 + n),
		}
		for _, w := range words[2:] {
			if v, ok := strings.CutPrefix(w, "sandbox="); ok {
				i.Sandbox = int(v[0] - '0')
			} else {
				i.ExitCode = int32(w[0] - '0')
			}
		}
		o.Instances = append(o.Instances, i)
	}
	return o
}

const (
	plain   = "containers: [{name: app}]"
	live    = "containers: [{name: app, livenessProbe: {}, startupProbe: {}}]"
	two     = "containers: [{name: a}, {name: b}]"
	inits   = "{initContainers: [{name: i}, {name: j}], containers: [{name: app}]}"
	sidecar = "{initContainers: [{name: s, restartPolicy: Always, livenessProbe: {}, startupProbe: {}}, {name: i}], containers: [{name: app}]}"
	never   = "restartPolicy: Never\n"
)

func TestCompute(t *testing.T) {
	tests := []struct {
		name, spec string
		observed   pod.Observed
		results    string
		restarts   map[string]string
		want       string
	}{
		{name: "R60 first sync", spec: two, observed: seen(t, -1), want: "kill pod\ncreate sandbox 0\nstart container a-0\nstart container b-0\n"},
		{name: "running, nothing to do", spec: plain, observed: seen(t, 0, "app-0 running")},
		{name: "R70 Always restarts 0", spec: plain, observed: seen(t, 0, "app-0 exited 0"), want: "start container app-1\n"},
		{name: "R70 OnFailure does not restart 0", spec: "restartPolicy: OnFailure\n" + plain, observed: seen(t, 0, "app-0 exited 0"), want: "kill pod\n"},
		{name: "R70 OnFailure restarts 1", spec: "restartPolicy: OnFailure\n" + plain, observed: seen(t, 0, "app-0 exited 1"), want: "start container app-1\n"},
		{name: "R70 Never", spec: never + two, observed: seen(t, 0, "a-0 exited 1", "b-0 running")},
		{name: "R76 sandbox died", spec: inits, observed: seen(t, -2, "i-0 exited 0", "j-0 exited 0", "app-0 running"), want: "kill pod\ncreate sandbox 1\npurge i-0\npurge j-0\nstart init container i-1\n"},
		{name: "R76 sandbox died, nothing of the init containers is left", spec: sidecar, observed: seen(t, -2, "s-0 exited 1", "s-1 running", "i-0 exited 0", "app-0 running"), want: "kill pod\ncreate sandbox 1\npurge s-0\npurge s-1\npurge i-0\nstart init container s-2\n"},
		{name: "R76 sandbox died, the work of one container was done", spec: "containers: [{name: a, restartPolicy: OnFailure}, {name: b}]", observed: seen(t, -2, "a-0 exited 0", "b-0 exited 0"), want: "kill pod\ncreate sandbox 1\nstart container b-1\n"},
		{name: "R76 sandbox died, Never", spec: never + plain, observed: seen(t, -2, "app-0 running"), want: "kill pod\n"},
		{name: "R77 image changed, whatever the policy", spec: never + "containers: [{name: app, image: other}, {name: b}]", observed: seen(t, 0, "app-0 running", "b-0 running"), want: "kill app-0: Container app definition changed, will be restarted\nstart container app-1\n"},
		{name: "R78 rules of a container", spec: never + "containers: [{name: app, restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [3]}}]}]", observed: seen(t, 0, "app-0 exited 3"), want: "start container app-1\n"},
		{name: "R80 liveness", spec: live, observed: seen(t, 0, "app-0 running"), results: "app-0 Liveness Failure", want: "kill app-0: Container app failed liveness probe, will be restarted\nstart container app-1\n"},
		{name: "R80 liveness goes before startup", spec: live, observed: seen(t, 0, "app-0 running"), results: "app-0 Liveness Failure, app-0 Startup Failure", want: "kill app-0: Container app failed liveness probe, will be restarted\nstart container app-1\n"},
		{name: "R80 startup", spec: live, observed: seen(t, 0, "app-0 running"), results: "app-0 Startup Failure", want: "kill app-0: Container app failed startup probe, will be restarted\nstart container app-1\n"},
		{name: "R80 the result of another instance", spec: live, observed: seen(t, 0, "app-0 exited 1", "app-1 running"), results: "app-0 Liveness Failure"},
		{name: "R83 Never with another left", spec: never + "containers: [{name: app, livenessProbe: {}}, {name: b}]", observed: seen(t, 0, "app-0 running", "b-0 running"), results: "app-0 Liveness Failure", want: "kill app-0: Container app failed liveness probe\n"},
		{name: "R83 Never with none left", spec: never + live, observed: seen(t, 0, "app-0 running"), results: "app-0 Liveness Failure", want: "kill pod\n"},
		{name: "R110 next init container", spec: inits, observed: seen(t, 0, "i-0 exited 0"), want: "start init container j-0\n"},
		{name: "R110 the containers", spec: inits, observed: seen(t, 0, "i-0 exited 0", "j-0 exited 0"), want: "start container app-0\n"},
		{name: "R110 wait for init", spec: inits, observed: seen(t, 0, "i-0 running")},
		{name: "R111 retry", spec: inits, observed: seen(t, 0, "i-0 exited 2"), want: "start init container i-1\n"},
		{name: "R111 Never", spec: "{restartPolicy: Never, initContainers: [{name: i}], containers: [{name: app}]}", observed: seen(t, 0, "i-0 exited 2"), want: "kill pod\n"},
		{name: "R111 its own policy", spec: "{restartPolicy: Never, initContainers: [{name: i, restartPolicy: OnFailure}], containers: [{name: app}]}", observed: seen(t, 0, "i-0 exited 2"), want: "start init container i-1\n"},
		{name: "R111 its own policy Never", spec: "{initContainers: [{name: i, restartPolicy: Never}], containers: [{name: app}]}", observed: seen(t, 0, "i-0 exited 2"), want: "kill pod\n"},
		{name: "R111 its own rules", spec: "{restartPolicy: Never, initContainers: [{name: i, restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [2]}}]}], containers: [{name: app}]}", observed: seen(t, 0, "i-0 exited 2"), want: "start init container i-1\n"},
		{name: "R112 not again", spec: inits, observed: seen(t, 0, "i-0 exited 0", "j-0 exited 0", "app-0 exited 1"), want: "start container app-1\n"},
		{name: "R112 again in a new sandbox", spec: inits, observed: seen(t, 1, "i-1 exited 0 sandbox=1", "j-0 exited 0", "app-0 exited 1"), want: "start init container j-1\n"},
		{name: "R113 sidecar not started", spec: sidecar, observed: seen(t, 0, "s-0 running"), results: "s-0 Startup Unknown"},
		{name: "R113 sidecar started", spec: sidecar, observed: seen(t, 0, "s-0 running"), results: "s-0 Startup Success", want: "start init container i-0\n"},
		{name: "R113 the containers wait for a sidecar that died with them", spec: "{initContainers: [{name: i}, {name: s, restartPolicy: Always}], containers: [{name: app}]}", observed: seen(t, 0, "i-0 exited 0", "s-0 exited 1", "app-0 exited 1"), want: "start init container s-1\n"},
		{name: "R77 sidecar's image changed", spec: "{initContainers: [{name: s, image: other, restartPolicy: Always}], containers: [{name: app}]}", observed: seen(t, 0, "s-0 running", "app-0 running"), want: "kill s-0: Init container s definition changed\nstart init container s-1\n"},
		{name: "R115 sidecar died", spec: "restartPolicy: Never\ninitContainers: [{name: s, restartPolicy: Always}]\n" + plain, observed: seen(t, 0, "s-0 exited 0", "app-0 running"), want: "start init container s-1\n"},
		{name: "R80 sidecar's liveness", spec: sidecar, observed: seen(t, 0, "s-0 running", "i-0 exited 0", "app-0 running"), results: "s-0 Startup Success, s-0 Liveness Failure", want: "kill s-0: Init container s failed liveness probe\nstart init container s-1\n"},
		{name: "R116 the work is done", spec: "restartPolicy: Never\ninitContainers: [{name: s, restartPolicy: Always}]\n" + plain, observed: seen(t, 0, "s-0 running", "app-0 exited 0"), want: "kill pod\n"},
		{name: "R162 one dead instance", spec: plain, observed: seen(t, 0, "app-0 exited 1", "app-1 exited 1", "app-2 running"), want: "remove app-0\n"},
		{name: "half-created", spec: plain, observed: seen(t, 0, "app-0 exited 1", "app-1 created"), want: "purge app-1\nstart container app-1\n"},
		{name: "of unclear state", spec: plain, observed: seen(t, 0, "app-0 unclear"), want: "kill app-0: Container app is in an unknown state, try killing it before restart\nstart container app-1\n"},
		{name: "added in place", spec: two, observed: seen(t, 0, "a-0 running"), want: "start container b-0\n"},
		{name: "removed in place", spec: "containers: [{name: a}]", observed: seen(t, 0, "a-0 running", "b-0 running", "b-1 exited 0"), want: "kill b-0: Container b was removed from the pod\nremove b-1\n"},
		{name: "never two at once", spec: plain, observed: seen(t, 0, "app-0 running", "app-1 running"), want: "kill app-0: Stopping old instance of container app\n"},
		{name: "restarted by hand", spec: never + two, observed: seen(t, 0, "a-0 running", "b-0 running"), restarts: map[string]string{"b": "is restarted by hand"}, want: "kill b-0: Container b is restarted by hand, will be restarted\nstart container b-1\n"},
		{name: "an ended one restarted by hand", spec: never + two, observed: seen(t, 0, "a-0 running", "b-0 exited 0"), restarts: map[string]string{"b": "x"}, want: "start container b-1\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := podOf(t, tt.spec)
			got := pod.Compute(pod.Input{Pod: p, Observed: tt.observed, Result: results(tt.results), Restarts: tt.restarts})
			if d := cmp.Diff(tt.want, got.String()); d != "" {
				t.Fatalf("plan (-want +got):\n%s", d)
			}
			if got.None() != (tt.want == "") {
				t.Fatal("None is wrong")
			}
		})
	}
}

// results reads "app-0 Liveness Failure, ...".
func results(text string) func(probe.Type, string) (probe.Result, bool) {
	known := map[string]probe.Result{}
	for _, r := range strings.Split(text, ", ") {
		if w := strings.Fields(r); len(w) == 3 {
			known[w[0]+w[1]] = probe.Result(w[2])
		}
	}
	return func(t probe.Type, id string) (probe.Result, bool) {
		r, ok := known[id+string(t)]
		return r, ok
	}
}

func TestDeletedPodStartsNothingR70(t *testing.T) {
	p := podOf(t, two)
	now := seconds(0)
	p.DeletionTimestamp = &now
	got := pod.Compute(pod.Input{Pod: p, Observed: seen(t, 0, "a-0 exited 1"), Result: results("")})
	if len(got.Start) != 0 {
		t.Fatal(got)
	}
}

func TestBackOffCountsFromTheExitBeforeAKillR82(t *testing.T) {
	p := podOf(t, live)
	for _, tt := range []struct {
		observed pod.Observed
		want     time.Time
	}{
		{seen(t, 0, "app-0 running"), time.Time{}},
		{seen(t, 0, "app-0 exited 1", "app-1 running"), at(10)},
		{seen(t, 0, "app-0 exited 1", "app-1 exited 1"), at(11)},
	} {
		a := pod.Compute(pod.Input{Pod: p, Observed: tt.observed, Result: results("app-0 Liveness Failure, app-1 Liveness Failure")})
		if len(a.Start) != 1 || !a.Start[0].Exited.Equal(tt.want) {
			t.Fatalf("%v: counts from %v, want %v", tt.observed.Instances, a.Start, tt.want)
		}
	}
}
