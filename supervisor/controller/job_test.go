package controller_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/lyandev/lyandev/supervisor/controller"
)

const jobYAML = `
apiVersion: batch/v1
kind: Job
metadata: {name: j, namespace: default}
spec:
  %s
  template:
    spec: {restartPolicy: %s, containers: [{name: c, image: "img:1"}]}
`

func jobWorld(t failer, policy, fields string) *world {
	w := newWorld(t)
	w.view.Jobs = []*batchv1.Job{object[*batchv1.Job](t, fmt.Sprintf(jobYAML, fields, policy))}
	return w
}

func (w *world) editJob(do func(*batchv1.JobSpec)) {
	j := w.view.Jobs[0].DeepCopy()
	do(&j.Spec)
	w.store(j)
}

// outcome is how the first Job ended: "Complete CompletionsReached" or "" while it has not.
func (w *world) outcome() string {
	for _, c := range w.view.Jobs[0].Status.Conditions {
		if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
			return string(c.Type) + " " + c.Reason
		}
	}
	return ""
}

func (w *world) wantOutcome(t *testing.T, want string) {
	t.Helper()
	w.settle()
	if got := w.outcome(); got != want {
		t.Fatalf("outcome is %q, want %q; pods %v", got, want, w.podNames())
	}
}

func TestJobDefaultsToOneR192(t *testing.T) {
	w := jobWorld(t, "Never", "")
	w.settle()
	w.wantPods("j-1")
	w.end("j-1", 0)
	w.wantOutcome(t, "Complete CompletionsReached")
	if s := w.view.Jobs[0].Status; s.Succeeded != 1 || s.CompletionTime == nil || s.StartTime == nil {
		t.Errorf("status is %+v", s)
	}
	if len(w.view.Memory.Jobs) != 0 {
		t.Error("a finished job is still remembered")
	}
}

func TestParallelJobR192(t *testing.T) {
	w := jobWorld(t, "Never", "parallelism: 2\n  completions: 5")
	w.settle()
	w.wantPods("j-1", "j-2")
	w.end("j-1", 0)
	w.settle()
	w.wantPods("j-1", "j-2", "j-3")
	w.end("j-2", 0)
	w.end("j-3", 0)
	w.settle()
	w.wantPods("j-1", "j-2", "j-3", "j-4", "j-5")
	w.end("j-4", 0)
	w.settle()
	w.wantOutcome(t, "")
	w.end("j-5", 0)
	w.wantOutcome(t, "Complete CompletionsReached")
}

func TestWorkQueueJobR192(t *testing.T) {
	w := jobWorld(t, "Never", "parallelism: 2")
	w.settle()
	w.end("j-1", 0)
	w.settle()
	w.wantPods("j-1", "j-2")
	w.wantOutcome(t, "")
	w.end("j-2", 0)
	w.wantOutcome(t, "Complete CompletionsReached")
}

func TestIndexedJobR192(t *testing.T) {
	w := jobWorld(t, "Never", "parallelism: 2\n  completions: 3\n  completionMode: Indexed")
	w.settle()
	w.wantPods("j-0-1", "j-1-1")
	p := w.pod("j-1-1")
	if p.Spec.Hostname != "j-1" || p.Annotations["batch.kubernetes.io/job-completion-index"] != "1" {
		t.Errorf("hostname %s, annotations %v", p.Spec.Hostname, p.Annotations)
	}
	if e := p.Spec.Containers[0].Env; len(e) != 1 || e[0].Name != "JOB_COMPLETION_INDEX" || e[0].ValueFrom.FieldRef == nil {
		t.Errorf("env is %+v", e)
	}
	w.end("j-1-1", 0)
	w.settle()
	w.wantPods("j-0-1", "j-1-1", "j-2-1")
	w.end("j-0-1", 1)
	w.wait(10 * time.Second)
	w.wantPods("j-0-1", "j-0-2", "j-1-1", "j-2-1")
	w.end("j-2-1", 0)
	w.end("j-0-2", 0)
	w.wantOutcome(t, "Complete CompletionsReached")
	if s := w.view.Jobs[0].Status.CompletedIndexes; s != "0-2" {
		t.Errorf("completed indexes are %q", s)
	}
}

func TestFailuresBackOffR193(t *testing.T) {
	w := jobWorld(t, "Never", "backoffLimit: 9")
	w.settle()
	for i, want := range []time.Duration{10, 20, 40, 80, 160, 320, 600, 600, 600} {
		name := fmt.Sprintf("j-%d", i+1)
		w.end(name, 1)
		w.wait(want*time.Second - time.Millisecond)
		if w.pod(fmt.Sprintf("j-%d", i+2)) != nil {
			t.Fatalf("retry %d came before %v", i, want*time.Second)
		}
		w.wait(time.Millisecond)
		if w.pod(fmt.Sprintf("j-%d", i+2)) == nil {
			t.Fatalf("retry %d did not come after %v", i, want*time.Second)
		}
	}
	w.end("j-10", 1)
	w.wantOutcome(t, "Failed BackoffLimitExceeded")
}

func TestASuccessBeginsTheBackOffAnewR193(t *testing.T) {
	w := jobWorld(t, "Never", "completions: 2")
	w.settle()
	w.end("j-1", 1)
	w.wait(10 * time.Second)
	w.end("j-2", 1)
	w.wait(20 * time.Second)
	w.end("j-3", 0)
	w.settle()
	w.end("j-4", 1)
	w.wait(9 * time.Second)
	w.wantPods("j-1", "j-2", "j-3", "j-4")
	w.wait(time.Second)
	w.wantPods("j-1", "j-2", "j-3", "j-4", "j-5")
}

func TestBackoffLimitR193(t *testing.T) {
	w := jobWorld(t, "Never", "backoffLimit: 1\n  parallelism: 3\n  completions: 3")
	w.settle()
	w.end("j-1", 1)
	w.wantOutcome(t, "")
	w.end("j-2", 1)
	w.wantPlan(t, "delete pod j-3: Job has reached the specified backoff limit")
	w.wantOutcome(t, "")
	w.gone("j-3")
	w.wantOutcome(t, "Failed BackoffLimitExceeded")
	if f := w.view.Jobs[0].Status.Failed; f != 3 {
		t.Errorf("%d failed", f)
	}
}

func TestOnFailureCountsRestartsR193(t *testing.T) {
	tests := []struct {
		limit, restarts int32
		failed          bool
	}{{2, 1, false}, {2, 2, true}, {0, 0, false}, {0, 1, true}}
	for _, tt := range tests {
		w := jobWorld(t, "OnFailure", fmt.Sprintf("backoffLimit: %d", tt.limit))
		w.settle()
		w.setReady(true, "j-1")
		w.change("j-1", func(p *corev1.Pod) {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{RestartCount: tt.restarts}}
		})
		w.settle()
		if got := w.pod("j-1").DeletionTimestamp != nil; got != tt.failed {
			t.Errorf("limit %d, %d restarts: stopped %t", tt.limit, tt.restarts, got)
		}
	}
}

func TestADeletedPodCountsAsFailedR193(t *testing.T) {
	w := jobWorld(t, "Never", "")
	w.settle()
	w.setReady(true, "j-1")
	w.delete("j-1")
	w.settle()
	if f := w.view.Jobs[0].Status.Failed; f != 1 {
		t.Errorf("%d failed", f)
	}
	w.gone("j-1")
	w.wait(10 * time.Second)
	w.wantPods("j-2")
	// Even one that is gone between two looks.
	w.gone("j-2")
	w.settle()
	if f := w.view.Jobs[0].Status.Failed; f != 2 {
		t.Errorf("%d failed", f)
	}
}

func TestActiveDeadlineR194(t *testing.T) {
	w := jobWorld(t, "Never", "activeDeadlineSeconds: 60")
	w.wait(59 * time.Second)
	w.wantPods("j-1")
	w.wait(time.Second)
	w.wantPods("j-1(deleted)")
	w.gone("j-1")
	w.wantOutcome(t, "Failed DeadlineExceeded")
}

func TestSuspendR194(t *testing.T) {
	w := jobWorld(t, "Never", "activeDeadlineSeconds: 60\n  parallelism: 2\n  completions: 2")
	w.settle()
	yes, no := true, false
	w.editJob(func(s *batchv1.JobSpec) { s.Suspend = &yes })
	w.settle()
	w.wantPods("j-1(deleted)", "j-2(deleted)")
	w.gone("j-1", "j-2")
	w.wait(5 * time.Minute)
	if s := w.view.Jobs[0].Status; s.Failed != 0 || s.StartTime != nil {
		t.Errorf("status is %+v", s)
	}
	w.editJob(func(s *batchv1.JobSpec) { s.Suspend = &no })
	w.settle()
	w.wantPods("j-3", "j-4")
}

func TestBatchPeriodR192(t *testing.T) {
	w := jobWorld(t, "Never", "completions: 2")
	w.view.JobBatch = time.Second
	w.settle()
	w.end("j-1", 0)
	w.settle()
	w.wantPods("j-1")
	w.wait(time.Second)
	w.wantPods("j-1", "j-2")
}

func TestAJobCountsThePodsItMakesR192(t *testing.T) {
	w := jobWorld(t, "Never", "completions: 2\n  parallelism: 2")
	w.look()
	if s := w.view.Jobs[0].Status; s.Active != 2 {
		t.Errorf("status is %+v", s)
	}
}

func TestAFailureBesideASuccessR193(t *testing.T) {
	w := jobWorld(t, "Never", "completions: 3\n  parallelism: 2")
	w.settle()
	w.end("j-1", 0)
	w.end("j-2", 1)
	w.settle()
	w.wantPods("j-1", "j-2", "j-3", "j-4")
}

func TestTTL(t *testing.T) {
	w := jobWorld(t, "Never", "ttlSecondsAfterFinished: 30")
	w.settle()
	w.end("j-1", 0)
	w.wait(29 * time.Second)
	if len(w.view.Jobs) != 1 {
		t.Fatal("the job went too early")
	}
	w.wait(time.Second)
	w.allReady()
	if len(w.view.Jobs)+len(w.view.Pods) != 0 {
		t.Errorf("left are %v", w.podNames())
	}
}

func TestMemoryCanBeWrittenDown(t *testing.T) {
	w := jobWorld(t, "Never", "")
	w.settle()
	w.end("j-1", 1)
	w.settle()
	b, err := json.Marshal(w.view.Memory)
	if err != nil {
		t.Fatal(err)
	}
	var back controller.Memory
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	w.view.Memory = back
	w.wait(9 * time.Second)
	w.wantPods("j-1")
	w.wait(time.Second)
	w.wantPods("j-1", "j-2")
}

// TestJobInvariants: never more active pods than parallelism, never more successes wanted than completions, and an end.
func TestJobInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parallelism, completions := rapid.IntRange(1, 4).Draw(t, "parallelism"), rapid.IntRange(1, 6).Draw(t, "completions")
		mode := rapid.SampledFrom([]string{"NonIndexed", "Indexed"}).Draw(t, "mode")
		limit := rapid.IntRange(0, 4).Draw(t, "limit")
		w := jobWorld(t, "Never", fmt.Sprintf("parallelism: %d\n  completions: %d\n  completionMode: %s\n  backoffLimit: %d",
			parallelism, completions, mode, limit))
		w.onPlan = func(p controller.Plan) {
			active := 0
			for _, pod := range w.view.Pods {
				if pod.DeletionTimestamp == nil && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
					active++
				}
			}
			for _, a := range p.Actions {
				switch a.(type) {
				case controller.CreatePod:
					active++
				case controller.DeletePod:
					active--
				}
			}
			if active > parallelism {
				t.Fatalf("%d active pods, parallelism is %d:\n%s", active, parallelism, p)
			}
		}
		for range 200 {
			w.settle()
			if w.outcome() != "" {
				break
			}
			w.happen(t)
			w.wait(time.Duration(rapid.IntRange(0, 300).Draw(t, "seconds")) * time.Second)
		}
		for _, p := range w.view.Pods {
			if w.outcome() == "" && p.DeletionTimestamp == nil && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
				w.end(p.Name, 0)
			}
			w.settle()
		}
		s := w.view.Jobs[0].Status
		if int(s.Succeeded) > completions+parallelism {
			t.Fatalf("%d succeeded of %d", s.Succeeded, completions)
		}
		if w.outcome() == "Complete CompletionsReached" && int(s.Succeeded) < completions {
			t.Fatalf("complete with %d of %d", s.Succeeded, completions)
		}
		if w.outcome() == "Failed BackoffLimitExceeded" && int(s.Failed) <= limit {
			t.Fatalf("failed with %d of %d failures", s.Failed, limit)
		}
	})
}
