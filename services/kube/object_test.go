package kube_test

import (
	"errors"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lyandev/lyandev/services/kube"
)

// defaulted decodes one object and sets its defaults.
func defaulted[T kube.Object](t *testing.T, yaml string) T {
	t.Helper()
	objects, err := kube.Decode([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	kube.Default(objects[0])
	o, ok := objects[0].(T)
	if !ok {
		t.Fatalf("%T is another kind", objects[0])
	}
	return o
}

func TestDecodeIsStrictR41(t *testing.T) {
	for name, tt := range map[string]struct{ yaml, want string }{
		"unknown field": {"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, livenessProbe: {foo: 1}}]}", `unknown field "spec.containers[0].livenessProbe.foo"`},
		"double field":  {"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {hostname: a, hostname: b}", `"hostname"`},
		"text":          {`{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"livenessProbe":{"periodSeconds":"10"}}]}}`, "cannot unmarshal string"},
		"fraction":      {`{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"livenessProbe":{"periodSeconds":1.5}}]}}`, "cannot unmarshal number 1.5"},
		"memory":        {`{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"resources":{"limits":{"memory":"64mb"}}}]}}`, "quantities must match"},
		"unknown kind":  {"apiVersion: v1\nkind: Pot", `no kind "Pot"`},
		"no kind":       {"apiVersion: v1", "Kind"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := kube.Decode([]byte(tt.yaml))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
		})
	}
}

func TestAStrictErrorHoldsTheObjectR41(t *testing.T) {
	_, err := kube.DecodeOne([]byte("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {foo: 1}"))
	var strict *kube.StrictError
	if !errors.As(err, &strict) || strict.Object.GetName() != "p" || len(strict.Problems) != 1 {
		t.Fatalf("%v", err)
	}
	if want := `cannot accept Pod "p": unknown field "spec.foo"`; strict.Error() != want {
		t.Errorf("%q, want %q", strict.Error(), want)
	}
}

func TestDecodeReadsAllDocuments(t *testing.T) {
	objects, err := kube.Decode([]byte("# first\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: a}\n---\n# nothing\n---\napiVersion: v1\nkind: Pot\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n"))
	if len(objects) != 2 || objects[0].GetName() != "a" || objects[1].GetName() != "b" {
		t.Errorf("%v", objects)
	}
	if err == nil || !strings.Contains(err.Error(), "document 2") {
		t.Errorf("error is %v", err)
	}
}

func TestProbeDefaultsR30R35R37(t *testing.T) {
	p := defaulted[*corev1.Pod](t, `{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: i,
  livenessProbe: {httpGet: {port: 80}, periodSeconds: 0}, readinessProbe: {grpc: {port: 1}}, startupProbe: {exec: {command: [x]}, failureThreshold: 30}}]}}`)
	c := p.Spec.Containers[0]
	if l := c.LivenessProbe; l.PeriodSeconds != 10 || l.TimeoutSeconds != 1 || l.SuccessThreshold != 1 || l.FailureThreshold != 3 ||
		l.InitialDelaySeconds != 0 || l.HTTPGet.Path != "/" || l.HTTPGet.Scheme != "HTTP" {
		t.Errorf("liveness is %+v", l)
	}
	if s := c.ReadinessProbe.GRPC.Service; s == nil || *s != "" {
		t.Errorf("grpc service is %v", s)
	}
	if c.StartupProbe.FailureThreshold != 30 {
		t.Error("a given value was changed")
	}
}

func TestPodDefaultsR40(t *testing.T) {
	p := defaulted[*corev1.Pod](t, `{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {terminationGracePeriodSeconds: -5,
  initContainers: [{name: i, image: "a:1", resources: {limits: {memory: 1Gi}, requests: {memory: 1Mi}}}], containers: [{name: c, image: a, resources: {limits: {cpu: 1}}}]}}`)
	s := p.Spec
	if s.RestartPolicy != "Always" || *s.TerminationGracePeriodSeconds != 1 || s.DNSPolicy != "ClusterFirst" || !*s.EnableServiceLinks {
		t.Errorf("spec is %+v", s)
	}
	if q := s.Containers[0].Resources.Requests.Cpu(); q.String() != "1" {
		t.Errorf("cpu request is %s", q)
	}
	if q := s.InitContainers[0].Resources.Requests.Memory(); q.String() != "1Mi" {
		t.Errorf("memory request is %s", q)
	}
	if c := s.Containers[0]; c.TerminationMessagePath != "/dev/termination-log" || c.TerminationMessagePolicy != "File" {
		t.Errorf("container is %+v", c)
	}
}

func TestPullPolicyR40(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0", 64)
	for image, want := range map[string]corev1.PullPolicy{
		"a": "Always", "a:latest": "Always", "a:1": "IfNotPresent", "host:5000/a": "Always", "host:5000/a:2": "IfNotPresent",
		"a@sha256:00": "IfNotPresent", "a:latest@" + digest: "Always", "a@" + digest: "IfNotPresent", "": "IfNotPresent",
	} {
		if got := kube.PullPolicy(image); got != want {
			t.Errorf("%s: %s, want %s", image, got, want)
		}
	}
}

func TestWorkloadDefaults(t *testing.T) {
	d := defaulted[*appsv1.Deployment](t, "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}}")
	if r := d.Spec.Strategy.RollingUpdate; *d.Spec.Replicas != 1 || *d.Spec.ProgressDeadlineSeconds != 600 || *d.Spec.RevisionHistoryLimit != 10 ||
		r.MaxSurge.StrVal != "25%" || r.MaxUnavailable.StrVal != "25%" {
		t.Errorf("deployment is %+v", d.Spec)
	}
	ds := defaulted[*appsv1.DaemonSet](t, "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: d}}")
	if r := ds.Spec.UpdateStrategy.RollingUpdate; *r.MaxUnavailable != intstr.FromInt32(1) || *r.MaxSurge != intstr.FromInt32(0) {
		t.Errorf("daemon set is %+v", ds.Spec)
	}
	j := defaulted[*batchv1.Job](t, "{apiVersion: batch/v1, kind: Job, metadata: {name: j}}")
	if *j.Spec.Parallelism != 1 || *j.Spec.Completions != 1 || *j.Spec.BackoffLimit != 6 || *j.Spec.CompletionMode != "NonIndexed" {
		t.Errorf("job is %+v", j.Spec)
	}
	queue := defaulted[*batchv1.Job](t, "{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {parallelism: 2}}")
	if queue.Spec.Completions != nil {
		t.Error("a work queue has no completions")
	}
	c := defaulted[*batchv1.CronJob](t, "{apiVersion: batch/v1, kind: CronJob, metadata: {name: c}}")
	if c.Spec.ConcurrencyPolicy != "Allow" || *c.Spec.SuccessfulJobsHistoryLimit != 3 || *c.Spec.FailedJobsHistoryLimit != 1 {
		t.Errorf("cron job is %+v", c.Spec)
	}
	in := defaulted[*networkingv1.Ingress](t, "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i}, spec: {rules: [{http: {paths: [{path: /}]}}]}}")
	if pt := in.Spec.Rules[0].HTTP.Paths[0].PathType; pt == nil || *pt != networkingv1.PathTypeImplementationSpecific {
		t.Errorf("path type is %v", pt)
	}
}

func TestServiceDefaultsR129(t *testing.T) {
	s := defaulted[*corev1.Service](t, "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {sessionAffinity: ClientIP, ports: [{port: 80}]}}")
	if *s.Spec.SessionAffinityConfig.ClientIP.TimeoutSeconds != 10800 || s.Spec.Type != "ClusterIP" ||
		s.Spec.Ports[0].TargetPort.IntVal != 80 || s.Spec.Ports[0].Protocol != "TCP" {
		t.Errorf("service is %+v", s.Spec)
	}
	s = defaulted[*corev1.Service](t, "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {ports: [{port: 80, targetPort: http}]}}")
	if s.Spec.SessionAffinity != "None" || s.Spec.SessionAffinityConfig != nil || s.Spec.Ports[0].TargetPort.StrVal != "http" {
		t.Errorf("service is %+v", s.Spec)
	}
}

func TestDefaultsAreStable(t *testing.T) {
	d := defaulted[*appsv1.StatefulSet](t, "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: s}, spec: {template: {spec: {containers: [{name: c, image: i}]}}}}")
	again := d.DeepCopy()
	kube.Default(again)
	if !equality.Semantic.DeepEqual(again, d) {
		t.Error("a second time changes something")
	}
}
