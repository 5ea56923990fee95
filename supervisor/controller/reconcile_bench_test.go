package controller_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services/kube"
	"github.com/lyandev/lyandev/supervisor/controller"
)

// workloadYAML is a workload of the size that people write: probes, resources, variables and volumes. It takes apiVersion, kind,
// name and fields of its own.
const workloadYAML = `
apiVersion: %[1]s
kind: %[2]s
metadata: {name: %[3]s, namespace: default}
spec:
  %[4]s
  selector: {matchLabels: {app: %[3]s}}
  template:
    metadata: {labels: {app: %[3]s, tier: backend}, annotations: {note: benchmark}}
    spec:
      containers:
      - name: main
        image: registry.example/%[3]s:1
        args: [--listen, ":8080"]
        env:
        - {name: DATABASE_URL, value: "mysql://lyanna-mariadb/app"}
        - {name: CACHE_URL, value: "redis://lyanna-redis:6379"}
        - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
        - {name: TOKEN, valueFrom: {secretKeyRef: {name: app, key: token}}}
        ports: [{name: http, containerPort: 8080}, {name: metrics, containerPort: 9090}]
        resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 256Mi}}
        readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 5}
        livenessProbe: {httpGet: {path: /live, port: http}, periodSeconds: 10}
        volumeMounts: [{name: config, mountPath: /etc/app}, {name: scratch, mountPath: /tmp}]
      - name: sidecar
        image: registry.example/sidecar:1
        resources: {requests: {cpu: 10m}}
        volumeMounts: [{name: config, mountPath: /etc/app}]
      volumes: [{name: config, configMap: {name: app}}, {name: scratch, emptyDir: {}}]
`

func workload(t failer, kind, name string, replicas int) kube.Object {
	own := fmt.Sprintf("replicas: %d", replicas)
	switch kind {
	case "StatefulSet":
		own += "\n  podManagementPolicy: Parallel\n  serviceName: " + name
	case "DaemonSet":
		own = "minReadySeconds: 0"
	}
	return object[kube.Object](t, fmt.Sprintf(workloadYAML, "apps/v1", kind, name, own))
}

// rested is a view of n workloads of the kinds, one after the other, with all pods Ready and nothing to do.
func rested(t failer, n, replicas int, kinds ...string) *world {
	w := newWorld(t)
	for i := range n {
		kind := kinds[i%len(kinds)]
		w.store(workload(t, kind, fmt.Sprintf("%s-%03d", strings.ToLower(kind), i), replicas))
	}
	w.allReady()
	return w
}

var benchmarkMixes = []struct {
	name  string
	kinds []string
}{
	{"deployments", []string{"Deployment"}},
	{"statefulsets", []string{"StatefulSet"}},
	{"mixed", []string{"Deployment", "StatefulSet", "Deployment", "ReplicaSet", "Deployment", "StatefulSet", "Deployment", "DaemonSet"}},
}

var benchmarkSizes = []struct{ workloads, replicas int }{{10, 1}, {100, 1}, {100, 3}, {300, 1}}

// BenchmarkReconcile measures one look: at a stack that rests, at one of which a pod's readiness has just changed, and at one that
// rests without a cache.
func BenchmarkReconcile(b *testing.B) {
	for _, mix := range benchmarkMixes {
		for _, size := range benchmarkSizes {
			name := fmt.Sprintf("%s/%dx%d", mix.name, size.workloads, size.replicas)
			b.Run(name+"/rest", func(b *testing.B) {
				w := rested(b, size.workloads, size.replicas, mix.kinds...)
				benchmarkLooks(b, w.view)
			})
			b.Run(name+"/nocache", func(b *testing.B) {
				w := rested(b, size.workloads, size.replicas, mix.kinds...)
				w.view.Cache = nil
				benchmarkLooks(b, w.view)
			})
			b.Run(name+"/podchange", func(b *testing.B) {
				w := rested(b, size.workloads, size.replicas, mix.kinds...)
				changed := w.view
				changed.Pods = slices.Clone(changed.Pods)
				p := changed.Pods[len(changed.Pods)/2].DeepCopy()
				p.Status.Conditions = []corev1.PodCondition{{
					Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(w.now),
				}}
				changed.Pods[len(changed.Pods)/2] = p
				benchmarkLooks(b, changed, w.view)
			})
		}
	}
}

// benchmarkLooks looks at two views in turn: each look finds another state of a pod than the one before.
func benchmarkLooks(b *testing.B, views ...controller.View) {
	b.Helper()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		controller.Reconcile(views[i%len(views)], epoch)
	}
}
