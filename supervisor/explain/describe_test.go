package explain

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/goldentest"
	"github.com/lyandev/lyandev/supervisor/probe"
	"github.com/lyandev/lyandev/supervisor/state"
)

// full is a pod with something of everything.
func full(p *corev1.Pod) {
	crashing(p)
	p.Labels["app"], p.Labels[services.RoleLabel] = "db", "master"
	p.Annotations = map[string]string{"dev.lyandev.image/db": "lyandev/db:dev"}
	start := before(59)
	p.Spec.NodeName, p.Status.StartTime, p.Status.QOSClass = "lyandev", &start, corev1.PodQOSBurstable
	p.OwnerReferences = []metav1.OwnerReference{{Kind: "StatefulSet", Name: "db", Controller: new(true)}}
	p.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: services.RightGate}}
	p.Spec.InitContainers = []corev1.Container{{Name: "chown", Image: "debian:trixie-slim", Command: []string{"chown", "1001", "/data"}}}
	p.Status.InitContainerStatuses = []corev1.ContainerStatus{{
		Name: "chown", ContainerID: "docker://c1", Ready: true,
		State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: before(59), FinishedAt: before(58)}},
	}}
	c, _ := first(p)
	c.Args = []string{"--password=hunter2-and-more", "--quiet"}
	c.Ports = []corev1.ContainerPort{{Name: "mysql", ContainerPort: 3306}}
	c.Resources.Limits = corev1.ResourceList{"memory": resource.MustParse("256Mi"), "cpu": resource.MustParse("500m")}
	c.Env = []corev1.EnvVar{
		{Name: "DB_PASSWORD", Value: "hunter2-and-more"},
		{Name: "URL", Value: "mysql://root:hunter2-and-more@db/test"},
		{Name: "KEY", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "s"}, Key: "k"}}},
		{Name: "HOST", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "cfg"}, Key: "host", Optional: new(true)}}},
		{Name: "POD_IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}},
	}
	c.EnvFrom = []corev1.EnvFromSource{{Prefix: "P_", ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "cfg"}}}}
	c.LivenessProbe = &corev1.Probe{InitialDelaySeconds: 120, TimeoutSeconds: 5}
	c.LivenessProbe.TCPSocket = &corev1.TCPSocketAction{Port: intstr.FromString("mysql")}
	c.ReadinessProbe = &corev1.Probe{PeriodSeconds: 2}
	c.ReadinessProbe.HTTPGet = &corev1.HTTPGetAction{Path: "/ready?full=1", Port: intstr.FromInt32(8080)}
	c.VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}, {Name: "conf", MountPath: "/etc/db.cnf", SubPath: "db.cnf", ReadOnly: true}}
	p.Spec.Volumes = []corev1.Volume{
		{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-db-0"}}},
		{Name: "conf", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "cfg"}}}},
		{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}}},
	}
	p.Status.ContainerStatuses[0].LastTerminationState.Terminated.Message = "cannot log in with hunter2-and-more"
}

func fullFacts() Facts {
	f := facts([]*corev1.Pod{pod("db-0", "db", false, full)}, workload("db", 1, 1, 0))
	f.Events = []state.Event{
		{Seq: 1, Kind: "Pod", Name: "db-0", Container: "db", Type: "Normal", Reason: "Started", Message: "Container started", Count: 4, First: before(58).Time, Last: before(15).Time},
		{Seq: 2, Kind: "Pod", Name: "other", Type: "Normal", Reason: "Started", Message: "not mine", Count: 1},
		{Seq: 3, Kind: "Pod", Name: "db-0", Type: "Warning", Reason: "FailedMount", Message: "in hunter2-and-more\nand more", Count: 1, First: before(4).Time, Last: before(4).Time},
	}
	return f
}

func TestPodText(t *testing.T) {
	f := fullFacts()
	d, err := Pod(f, "db-0")
	if err != nil {
		t.Fatal(err)
	}
	goldentest.Compare(t, "pod.txt", d.Text(f))
}

func TestPodProbeResults(t *testing.T) {
	p := pod("db-0", "db", false, unready, func(p *corev1.Pod) {
		c, _ := first(p)
		c.LivenessProbe = &corev1.Probe{}
		c.LivenessProbe.GRPC = &corev1.GRPCAction{Port: 9000, Service: new("health")}
	})
	f := facts([]*corev1.Pod{p}, workload("db", 1, 1, 0))
	old := unhealthy("db-0", "db", "Liveness probe failed: of the instance before", 4)
	old.Last = before(59).Time
	f.Events = []state.Event{old, unhealthy("db-0", "db", "Readiness probe failed: no", 5)}
	d, err := Pod(f, "db-0")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range d.Probes {
		got = append(got, r.Type+" "+r.Result+" "+r.Spec+" "+r.Answer)
	}
	want := []string{
		"Liveness success grpc <pod>:9000 health delay=0s timeout=1s period=10s #success=1 #failure=3 ",
		`Readiness failure exec ["true"] delay=0s timeout=1s period=10s #success=1 #failure=3 Readiness probe failed: no`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestEarlyTriesAreTold: the tries of fast timing before the first success make no events, and are told none the less.
func TestEarlyTriesAreTold(t *testing.T) {
	f := facts([]*corev1.Pod{pod("db-0", "db", false, unready)}, workload("db", 1, 1, 0))
	try := func(seconds int, v probe.Verdict, output string) probe.Answer {
		return probe.Answer{
			Container: "db", Type: probe.Readiness, At: before(seconds).Time, Took: 3 * time.Millisecond, Verdict: v, Output: output, Early: true,
		}
	}
	f.Probes = map[string][]probe.Answer{"db-0": {try(9, probe.Passed, ""), try(2, probe.Failed, "no"), try(1, probe.Failed, "not yet")}}
	d, err := Pod(f, "db-0")
	if err != nil {
		t.Fatal(err)
	}
	r := d.Probes[0]
	if r.Last == nil || r.Last.Output != "not yet" || r.Answer != "Readiness probe failed: not yet" || r.AnswerCount != 2 {
		t.Errorf("%+v", r)
	}
	if text := d.Text(f); !strings.Contains(text, "last try 1s ago: failure in 3ms") {
		t.Error(text)
	}
	a, err := Why(f, "db-0")
	if got := a.Chain[len(a.Chain)-1]; err != nil || got.Answer != "Readiness probe failed: not yet" || got.AnswerCount != 2 {
		t.Errorf("%+v %v", got, err)
	}
}

// TestNoSecretIsTold: neither the text nor the JSON of any description has a secret of the environment in it.
func TestNoSecretIsTold(t *testing.T) {
	f := fullFacts()
	d, err := Pod(f, "db-0")
	if err != nil {
		t.Fatal(err)
	}
	why, err := Why(f, "db")
	if err != nil || strings.Contains(why.Text(now), "hunter2") || strings.Contains(StatusOf(f).Text(Paint{}), "hunter2") {
		t.Errorf("why or status tell a secret: %v", err)
	}
	p := f.Snapshot.Pods[0]
	w := Workload(f, &services.Workload{Object: &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "db"}, Spec: appsv1.StatefulSetSpec{Template: corev1.PodTemplateSpec{Spec: p.Spec}},
	}})
	for name, x := range map[string]any{"pod": d, "workload": w} {
		b, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		text := string(b) + x.(interface{ Text(Facts) string }).Text(f)
		if strings.Contains(text, "hunter2") {
			t.Errorf("%s tells a secret: %s", name, text)
		}
	}
	if p.Spec.Containers[0].Env[0].Value != "hunter2-and-more" {
		t.Error("the snapshot's own pod was masked")
	}
}

func TestPodUnknown(t *testing.T) {
	_, err := Pod(facts(nil), "x")
	var unknown *UnknownError
	if !errors.As(err, &unknown) || err.Error() != "cannot describe x: nothing is running" {
		t.Errorf("error %v", err)
	}
}

func TestWorkloadText(t *testing.T) {
	f := facts([]*corev1.Pod{pod("web-1", "web", true), pod("web-2", "web", false, unready)}, held(workload("web", 3, 2, 1), "db", "waits for db to be ready"))
	f.Snapshot.Operators = map[string]services.Verdict{"redis": {Message: "master redis-0"}}
	f.Events = []state.Event{{Seq: 1, Kind: "Deployment", Name: "web", Type: "Normal", Reason: "ScalingReplicaSet", Message: "Scaled up", Count: 1, First: before(60).Time, Last: before(60).Time}}
	o := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", Labels: map[string]string{"app": "web"}}}
	o.Spec.Strategy = appsv1.DeploymentStrategy{
		Type:          appsv1.RollingUpdateDeploymentStrategyType,
		RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: new(intstr.FromString("25%")), MaxUnavailable: new(intstr.FromInt32(0))},
	}
	o.Spec.Template.Spec.Containers = []corev1.Container{{Name: "web", Image: "web:1", Env: []corev1.EnvVar{{Name: "MODE", Value: "a"}}}}
	o.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionFalse, Reason: "MinimumReplicasUnavailable", Message: "too few"}}
	d := Workload(f, &services.Workload{
		Object: o, Operator: "redis", Source: "compose.yaml:12", RestartOn: []string{masterChanged},
		DependsOn: []services.Dependency{{Workload: "db", Condition: services.Healthy, Reason: "depends_on"}},
		Bootstrap: []services.BootstrapStep{{Name: "seed", Check: []string{"test", "-e", "/x"}, Run: []string{"true"}}},
	})
	goldentest.Compare(t, "workload.txt", d.Text(f))
}
