package controller_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services/kube"
	"github.com/lyandev/lyandev/supervisor/controller"
)

const cronYAML = `
apiVersion: batch/v1
kind: CronJob
metadata: {name: cj, namespace: default}
spec:
  schedule: "%s"
  %s
  jobTemplate:
    metadata: {labels: {a: b}}
    spec:
      backoffLimit: 0
      template:
        spec: {restartPolicy: Never, containers: [{name: c, image: "img:1"}]}
`

func cronWorld(t failer, schedule, fields string) *world {
	w := newWorld(t)
	w.now = epoch.Add(30 * time.Second)
	c := object[*batchv1.CronJob](t, fmt.Sprintf(cronYAML, schedule, fields))
	c.CreationTimestamp = metav1.NewTime(w.now)
	w.view.CronJobs = []*batchv1.CronJob{c}
	return w
}

func (w *world) editCron(do func(*batchv1.CronJobSpec)) {
	c := w.view.CronJobs[0].DeepCopy()
	do(&c.Spec)
	w.store(c)
}

// jobNames are the scheduled minutes of the Jobs, after 10:00.
func (w *world) jobMinutes() []int64 {
	out := []int64{}
	for _, j := range w.view.Jobs {
		var minute int64
		if _, err := fmt.Sscanf(j.Name, "cj-%d", &minute); err != nil {
			w.t.Fatalf("job %s: %v", j.Name, err)
		}
		out = append(out, minute-epoch.Unix()/60)
	}
	return out
}

func (w *world) wantJobs(t *testing.T, minutes ...int64) {
	t.Helper()
	if got := w.jobMinutes(); fmt.Sprint(got) != fmt.Sprint(minutes) {
		t.Fatalf("jobs are of minutes %v, want %v", got, minutes)
	}
}

// endJob ends the pods of all Jobs that run.
func (w *world) endJobs(code int32) {
	for _, p := range w.view.Pods {
		if p.Status.Phase == "" && p.DeletionTimestamp == nil {
			w.end(p.Name, code)
		}
	}
	w.settle()
}

func TestCronNamesJobsByTheMinuteR195(t *testing.T) {
	w := cronWorld(t, "*/5 * * * *", "")
	w.wait(5 * time.Minute)
	w.wantJobs(t, 5)
	j := w.view.Jobs[0]
	if j.Labels["a"] != "b" || j.OwnerReferences[0].Kind != "CronJob" || j.Annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"] != "2026-01-05T10:05:00Z" {
		t.Errorf("metadata is %+v", j.ObjectMeta)
	}
	if last := w.view.CronJobs[0].Status.LastScheduleTime; !last.Equal(&metav1.Time{Time: epoch.Add(5 * time.Minute)}) {
		t.Errorf("last schedule time is %v", last)
	}
}

func TestCronTimeZoneR195(t *testing.T) {
	w := cronWorld(t, "1 11 * * *", "timeZone: Europe/Berlin")
	w.wait(time.Minute)
	w.wantJobs(t, 1)
	w = cronWorld(t, "1 11 * * *", "")
	w.view.Location = time.FixedZone("x", 3600)
	w.wait(time.Minute)
	w.wantJobs(t, 1)
}

func TestAChangedScheduleR195(t *testing.T) {
	w := cronWorld(t, "0 0 1 1 *", "")
	w.wait(time.Minute)
	w.editCron(func(s *batchv1.CronJobSpec) { s.Schedule = "*/2 * * * *" })
	w.wait(time.Second)
	w.wantJobs(t)
	w.wait(time.Minute)
	w.wantJobs(t, 2)
}

func TestConcurrencyR196(t *testing.T) {
	t.Run("Allow", func(t *testing.T) {
		w := cronWorld(t, "* * * * *", "")
		w.wait(2 * time.Minute)
		w.wantJobs(t, 1, 2)
	})
	t.Run("Forbid makes up the most recent one", func(t *testing.T) {
		w := cronWorld(t, "* * * * *", "concurrencyPolicy: Forbid")
		w.wait(3*time.Minute + 10*time.Second)
		w.wantJobs(t, 1)
		w.endJobs(0)
		w.wantJobs(t, 1, 3)
	})
	t.Run("Forbid within the deadline only", func(t *testing.T) {
		w := cronWorld(t, "* * * * *", "concurrencyPolicy: Forbid\n  startingDeadlineSeconds: 20")
		w.wait(3 * time.Minute)
		w.wantJobs(t, 1)
		w.endJobs(0)
		w.wantJobs(t, 1)
		w.wait(30 * time.Second)
		w.wantJobs(t, 1, 4)
	})
	t.Run("Replace", func(t *testing.T) {
		w := cronWorld(t, "* * * * *", "concurrencyPolicy: Replace")
		w.wait(time.Minute)
		w.wantJobs(t, 1)
		w.wait(time.Minute)
		w.wantJobs(t, 2)
		w.wantPods("cj-29460121-1(deleted)", "cj-29460122-1")
	})
}

func TestForbidSaysItOnce(t *testing.T) {
	w := cronWorld(t, "* * * * *", "concurrencyPolicy: Forbid")
	w.wait(90 * time.Second)
	w.wait(time.Second)
	n := 0
	for _, l := range w.log {
		if l == "event CronJob/cj Normal JobAlreadyActive: Not starting job because prior execution is running and concurrency policy is Forbid" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("said %d times", n)
	}
}

func TestManyMissedTimesR197(t *testing.T) {
	w := cronWorld(t, "* * * * *", "")
	c := w.view.CronJobs[0].DeepCopy()
	last := metav1.NewTime(epoch.Add(-3 * time.Hour))
	c.Status.LastScheduleTime = &last
	w.store(c)
	w.settle()
	w.wantJobs(t, 0)
	if !w.did("TooManyMissedTimes") {
		t.Error("no warning")
	}
}

func TestDueAtR197(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	deadline := func(n int64) *int64 { return &n }
	berlin := "Europe/Berlin"
	tests := []struct {
		name, schedule string
		zone           *string
		created, now   string
		deadline       *int64
		want           string
		missed         controller.Missed
	}{
		{"none yet", "*/5 * * * *", nil, "2026-01-01T10:01:00Z", "2026-01-01T10:04:59Z", nil, "", controller.MissedNone},
		{"on the dot", "*/5 * * * *", nil, "2026-01-01T10:01:00Z", "2026-01-01T10:05:00Z", nil, "2026-01-01T10:05:00Z", controller.MissedNone},
		{"creation is exclusive", "*/5 * * * *", nil, "2026-01-01T10:05:00Z", "2026-01-01T10:05:00Z", nil, "", controller.MissedNone},
		{"the most recent", "*/5 * * * *", nil, "2026-01-01T10:01:00Z", "2026-01-01T10:17:00Z", nil, "2026-01-01T10:15:00Z", controller.MissedFew},
		{"the deadline is exclusive", "*/5 * * * *", nil, "2026-01-01T10:01:00Z", "2026-01-01T10:17:00Z", deadline(120), "", controller.MissedNone},
		{"within the deadline", "*/5 * * * *", nil, "2026-01-01T10:01:00Z", "2026-01-01T10:17:00Z", deadline(121), "2026-01-01T10:15:00Z", controller.MissedNone},
		{"years of minutes", "* * * * *", nil, "2020-01-01T00:00:30Z", "2026-01-01T10:17:20Z", nil, "2026-01-01T10:17:00Z", controller.MissedMany},
		{"uneven distances", "30 6-16/4 * * 1-5", nil, "2026-01-01T00:00:00Z", "2026-01-05T13:00:00Z", nil, "2026-01-05T10:30:00Z", controller.MissedFew},
		{"a quiet day after uneven distances", "0 9 * * 1-5", nil, "2025-02-08T03:41:00Z", "2026-03-15T03:41:00Z", nil, "", controller.MissedMany},
		{"both days restricted mean either", "0 0 13 * 5", nil, "2026-01-01T00:00:00Z", "2026-01-13T01:00:00Z", nil, "2026-01-13T00:00:00Z", controller.MissedFew},
		{"every", "@every 90s", nil, "2026-01-01T10:00:00Z", "2026-01-01T10:05:00Z", nil, "2026-01-01T10:04:30Z", controller.MissedFew},
		{"hourly", "@hourly", nil, "2026-01-01T10:01:00Z", "2026-01-01T12:30:00Z", nil, "2026-01-01T12:00:00Z", controller.MissedFew},
		{"a zone in summer", "0 12 * * *", &berlin, "2026-07-01T09:00:00Z", "2026-07-01T10:30:00Z", nil, "2026-07-01T10:00:00Z", controller.MissedNone},
		{"never", "0 0 30 2 *", nil, "2026-01-01T10:01:00Z", "2026-01-01T12:30:00Z", nil, "", controller.MissedNone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := kube.ParseSchedule(tt.schedule, tt.zone, nil)
			if err != nil {
				t.Fatal(err)
			}
			due := controller.DueAt(s, at(tt.created), nil, tt.deadline, at(tt.now))
			got := ""
			if !due.At.IsZero() {
				got = due.At.UTC().Format(time.RFC3339)
			}
			if got != tt.want || due.Missed != tt.missed || due.Start() != (tt.want != "") {
				t.Errorf("%+v, want %q, %s", due, tt.want, tt.missed)
			}
		})
	}
}

func TestSuspendedCronR198(t *testing.T) {
	yes, no := true, false
	for _, tt := range []struct {
		fields string
		want   []int64
	}{{"", []int64{1, 4}}, {"startingDeadlineSeconds: 10", []int64{1}}} {
		w := cronWorld(t, "* * * * *", tt.fields)
		w.wait(time.Minute)
		w.endJobs(0)
		w.editCron(func(s *batchv1.CronJobSpec) { s.Suspend = &yes })
		w.wait(3 * time.Minute)
		w.wantJobs(t, 1)
		w.editCron(func(s *batchv1.CronJobSpec) { s.Suspend = &no })
		w.settle()
		w.wantJobs(t, tt.want...)
	}
}

func TestHistoryLimitsR198(t *testing.T) {
	w := cronWorld(t, "* * * * *", "")
	for i := range 6 {
		w.wait(time.Minute)
		w.endJobs(int32(i % 2))
	}
	w.wantJobs(t, 1, 3, 5, 6)
	w.allReady()
	if len(w.view.Pods) != 4 {
		t.Errorf("pods of deleted jobs are left: %v", w.podNames())
	}
}

func TestEveryKeepsItsStepsR195(t *testing.T) {
	w := cronWorld(t, "@every 90s", "")
	for range 20 {
		w.wait(31 * time.Second) // looks that nothing asked for must not move the steps
	}
	var starts []int64
	for _, j := range w.view.Jobs {
		starts = append(starts, int64(j.CreationTimestamp.Sub(epoch).Seconds()))
	}
	if want := []int64{120, 210, 300, 390, 480, 570}; !slices.Equal(starts, want) {
		t.Errorf("started after %v seconds, want %v", starts, want)
	}
}

func TestAScheduleWithoutTimesIsSaidR195(t *testing.T) {
	w := cronWorld(t, "59 23 31 2 *", "")
	w.wait(time.Hour)
	if !w.did("InvalidSchedule: invalid schedule: 59 23 31 2 * : time difference between two schedules is less than 1 second") {
		t.Error("not said")
	}
}

func TestAnUnusableScheduleIsSaidOnce(t *testing.T) {
	w := cronWorld(t, "* * * * *", "")
	w.editCron(func(s *batchv1.CronJobSpec) { s.Schedule = "never" })
	w.settle()
	w.wait(time.Hour)
	if !w.did("UnparseableSchedule") {
		t.Error("not said")
	}
}

// TestManualJob: a Job started by hand is the CronJob's, also if that is suspended, and Forbid counts it as a run.
func TestManualJob(t *testing.T) {
	w := cronWorld(t, "*/5 * * * *", "concurrencyPolicy: Forbid")
	j := controller.ManualJob(w.view.CronJobs[0], epoch)
	if j.Annotations["cronjob.kubernetes.io/instantiate"] != "manual" || j.Labels["a"] != "b" || j.Name != fmt.Sprintf("%s-manual-%d", w.view.CronJobs[0].Name, epoch.Unix()) {
		t.Errorf("metadata is %+v", j.ObjectMeta)
	}
	w.view.Jobs = append(w.view.Jobs, j)
	w.settle()
	w.wait(6 * time.Minute)
	if len(w.view.Jobs) != 1 || len(w.view.Pods) == 0 {
		t.Errorf("there are %d Jobs and %d pods", len(w.view.Jobs), len(w.view.Pods))
	}
}
