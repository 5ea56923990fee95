package controller

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services/kube"
)

// cronLook is one look at one CronJob.
type cronLook struct {
	*look
	cron   *batchv1.CronJob
	owner  owner
	status *batchv1.CronJobStatus
	// mine are its Jobs; active those that have not finished.
	mine, active []*batchv1.Job
}

// cronJob decides R195-R198: it makes at most one Job a look, that of the most recent start time.
func (l *look) cronJob(cron *batchv1.CronJob) {
	c := &cronLook{look: l, cron: cron, owner: ownerOfCronJob(cron), status: cron.Status.DeepCopy()}
	c.mine = l.ownedJobs.of(c.owner)
	c.trackActive()
	c.trimHistory()
	if cron.DeletionTimestamp == nil {
		c.start()
	}
	c.writeStatus()
}

// trackActive keeps status.active to the Jobs that run.
func (c *cronLook) trackActive() {
	before := c.status.Active
	c.status.Active = nil
	for _, j := range c.mine {
		kind := JobFinished(j)
		if kind == "" {
			c.active = append(c.active, j)
			c.status.Active = append(c.status.Active, jobReference(j))
			continue
		}
		if !slices.ContainsFunc(before, func(r corev1.ObjectReference) bool { return r.Name == j.Name }) {
			continue
		}
		c.event(c.owner, corev1.EventTypeNormal, "SawCompletedJob", "Saw completed job: %s, condition: %v", j.Name, kind)
		if kind == batchv1.JobComplete {
			c.status.LastSuccessfulTime = j.Status.CompletionTime
		}
	}
}

// trimHistory deletes the oldest finished Jobs beyond the limits of 3 successful and 1 failed (R198).
func (c *cronLook) trimHistory() {
	byEnd := map[batchv1.JobConditionType][]*batchv1.Job{}
	for _, j := range c.mine {
		byEnd[JobFinished(j)] = append(byEnd[JobFinished(j)], j)
	}
	c.trim(byEnd[batchv1.JobComplete], deref(c.cron.Spec.SuccessfulJobsHistoryLimit, 3), "successful")
	c.trim(byEnd[batchv1.JobFailed], deref(c.cron.Spec.FailedJobsHistoryLimit, 1), "failed")
}

func (c *cronLook) trim(jobs []*batchv1.Job, keep int32, what string) {
	sort.SliceStable(jobs, func(i, k int) bool { return started(jobs[i]).Before(started(jobs[k])) })
	for i := 0; i < len(jobs)-int(keep); i++ {
		c.delete(jobs[i], fmt.Sprintf("%s keeps %d %s jobs", c.owner.text(), keep, what))
	}
}

func started(j *batchv1.Job) time.Time {
	if j.Status.StartTime != nil {
		return j.Status.StartTime.Time
	}
	return j.CreationTimestamp.Time
}

// delete takes a Job away; its pods follow at the next look, when it is gone.
func (c *cronLook) delete(j *batchv1.Job, why string) {
	c.add(DeleteJob{j, Why(why)})
	c.event(c.owner, corev1.EventTypeNormal, "SuccessfulDelete", "Deleted job %s", j.Name)
	c.look.jobs = without(c.look.jobs, j)
	c.active = without(c.active, j)
	c.status.Active = slices.DeleteFunc(c.status.Active, func(r corev1.ObjectReference) bool { return r.Name == j.Name })
}

// start makes the Job that is due, if the concurrency policy lets it (R196).
func (c *cronLook) start() {
	if deref(c.cron.Spec.Suspend, false) {
		return
	}
	schedule, err := kube.ParseSchedule(c.cron.Spec.Schedule, c.cron.Spec.TimeZone, c.Location)
	if err != nil {
		c.invalid(err)
		return
	}
	held := c.rescheduled(schedule)
	defer c.wake(schedule)
	if held {
		return
	}
	due := DueAt(schedule, c.cron.CreationTimestamp.Time, timeOf(c.status.LastScheduleTime), c.cron.Spec.StartingDeadlineSeconds, c.now)
	if due.Err != nil {
		c.once(corev1.EventTypeWarning, "InvalidSchedule", due.Err.Error(), fmt.Sprintf("invalid schedule: %s : %s", c.cron.Spec.Schedule, due.Err))
		return
	}
	name := fmt.Sprintf("%s-%d", c.cron.Name, due.At.Unix()/60)
	if !due.Start() || c.done(name, due.At) {
		return
	}
	switch c.cron.Spec.ConcurrencyPolicy {
	case batchv1.ForbidConcurrent:
		if len(c.active) > 0 {
			c.held(due.At)
			return
		}
	case batchv1.ReplaceConcurrent:
		for _, j := range slices.Clone(c.active) {
			c.delete(j, fmt.Sprintf("%s replaces it", name))
		}
	}
	if due.Missed == MissedMany {
		c.event(c.owner, corev1.EventTypeWarning, "TooManyMissedTimes",
			"too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew")
	}
	c.create(name, due.At)
}

// rescheduled reports whether the schedule was changed and its first look is still to come (R195): at the next time of the new
// schedule or of the old one, or when something happens to its Jobs, whichever is sooner. What the new schedule missed before is
// made up for then, and not earlier.
func (c *cronLook) rescheduled(s kube.Schedule) bool {
	key := keyOf(&c.cron.ObjectMeta)
	m, known := c.plan.Memory.Schedules[key]
	if text := c.cron.Spec.Schedule + " " + deref(c.cron.Spec.TimeZone, ""); m.Text != text {
		m.Text, m.Seen = text, c.fingerprint()
		if known {
			m.NotBefore = NextLook(s, c.cron.CreationTimestamp.Time, timeOf(c.status.LastScheduleTime), c.now)
			if m.Next.After(c.now) && m.Next.Before(m.NotBefore) {
				m.NotBefore = m.Next
			}
		}
		c.plan.Memory.Schedules[key] = m
	}
	if !m.NotBefore.After(c.now) || m.Seen != c.fingerprint() {
		return false
	}
	c.again(m.NotBefore)
	return true
}

// fingerprint is all but the schedule that makes Kubernetes look at a CronJob: its spec, and its Jobs with their status.
func (c *cronLook) fingerprint() string {
	spec := c.cron.Spec
	spec.Schedule, spec.TimeZone = "", nil
	parts := []any{spec}
	for _, j := range c.mine {
		parts = append(parts, j.Name, j.Status)
	}
	b, err := json.Marshal(parts)
	if err != nil {
		panic(fmt.Sprintf("cannot marshal a CronJob's spec: %v", err)) // plain data: only a programming error can do this
	}
	return dataHash(string(b), 0)
}

// wake asks for the look at the next time of the schedule.
func (c *cronLook) wake(s kube.Schedule) {
	key := keyOf(&c.cron.ObjectMeta)
	m := c.plan.Memory.Schedules[key]
	if m.Next = NextLook(s, c.cron.CreationTimestamp.Time, timeOf(c.status.LastScheduleTime), c.now); !m.Next.IsZero() {
		c.again(m.Next)
	}
	c.plan.Memory.Schedules[key] = m
}

// done reports whether the Job of a start time exists. One that has ended counts for it, which happens where several times lie
// within a minute.
func (c *cronLook) done(name string, at time.Time) bool {
	if last := c.status.LastScheduleTime; last != nil && last.Time.Equal(at) {
		return true
	}
	i := slices.IndexFunc(c.mine, func(j *batchv1.Job) bool { return j.Name == name })
	if i < 0 {
		return false
	}
	if JobFinished(c.mine[i]) != "" {
		last := metav1.NewTime(at)
		c.status.LastScheduleTime = &last
	}
	return true
}

// held says once a start time that a running Job keeps it from starting.
func (c *cronLook) held(at time.Time) {
	c.once(corev1.EventTypeNormal, "JobAlreadyActive", at.UTC().Format(time.RFC3339),
		"Not starting job because prior execution is running and concurrency policy is Forbid")
}

// invalid says once a schedule that it cannot be used; kube.Validate refuses such objects.
func (c *cronLook) invalid(err error) {
	c.once(corev1.EventTypeWarning, "UnparseableSchedule", err.Error(), fmt.Sprintf("unparseable schedule: %q : %s", c.cron.Spec.Schedule, err))
}

// once gives an event unless the last one given this way for the CronJob was about the same.
func (c *cronLook) once(kind, reason, about, message string) {
	key := keyOf(&c.cron.ObjectMeta)
	if c.plan.Memory.Told[key] != reason+" "+about {
		c.plan.Memory.Told[key] = reason + " " + about
		c.event(c.owner, kind, reason, "%s", message)
	}
}

func (c *cronLook) create(name string, at time.Time) {
	t := c.cron.Spec.JobTemplate.DeepCopy()
	job := &batchv1.Job{
		TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: c.cron.Namespace, Labels: t.Labels, OwnerReferences: c.owner.reference(),
			Annotations:       withLabel(t.Annotations, batchv1.CronJobScheduledTimestampAnnotation, at.Format(time.RFC3339)),
			CreationTimestamp: metav1.NewTime(c.now),
		},
		Spec: t.Spec,
	}
	kube.Default(job)
	c.add(CreateJob{job, Why(fmt.Sprintf("%s is due since %s", c.owner.text(), at.UTC().Format(time.RFC3339)))})
	c.event(c.owner, corev1.EventTypeNormal, "SuccessfulCreate", "Created job %s", name)
	c.status.Active = append(c.status.Active, jobReference(job))
	last := metav1.NewTime(at)
	c.status.LastScheduleTime = &last
}

func jobReference(j *batchv1.Job) corev1.ObjectReference {
	return corev1.ObjectReference{Kind: "Job", APIVersion: "batch/v1", Namespace: j.Namespace, Name: j.Name, UID: j.UID}
}

func timeOf(t *metav1.Time) *time.Time {
	if t == nil {
		return nil
	}
	return &t.Time
}

func (c *cronLook) writeStatus() {
	if equality.Semantic.DeepEqual(*c.status, c.cron.Status) {
		return
	}
	changed := c.cron.DeepCopy()
	changed.Status = *c.status
	names := []string{}
	for _, r := range c.status.Active {
		names = append(names, r.Name)
	}
	text := fmt.Sprintf("active=%v", names)
	if t := c.status.LastScheduleTime; t != nil {
		text += " lastScheduleTime=" + t.UTC().Format(time.TimeOnly)
	}
	c.add(UpdateStatus{Object: changed, Kind: "CronJob", Name: c.cron.Name, Text: text, Why: "its jobs changed"})
}

// ManualJob is a Job of a CronJob that somebody starts outside of the schedule, as of `kubectl create job --from=cronjob/NAME`. The
// suspension and the concurrency policy do not hold it back; later runs count it among those that are active.
func ManualJob(cron *batchv1.CronJob, now time.Time) *batchv1.Job {
	t := cron.Spec.JobTemplate.DeepCopy()
	job := &batchv1.Job{
		TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("%s-manual-%d", cron.Name, now.Unix()), Namespace: cron.Namespace, Labels: t.Labels,
			OwnerReferences:   ownerOfCronJob(cron).reference(),
			Annotations:       withLabel(t.Annotations, "cronjob.kubernetes.io/instantiate", "manual"),
			CreationTimestamp: metav1.NewTime(now),
		},
		Spec: t.Spec,
	}
	kube.Default(job)
	return job
}
