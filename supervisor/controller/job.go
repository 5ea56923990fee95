package controller

import (
	"fmt"
	"math"
	"sort"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The wait of a Job after failures (R193): 10 s, doubled with each further failure, at most 10 min.
const (
	jobBackoff    = 10 * time.Second
	maxJobBackoff = 10 * time.Minute
)

// jobLook is one look at one Job.
type jobLook struct {
	*look
	job    *batchv1.Job
	owner  owner
	memory JobMemory
	status *batchv1.JobStatus
	// live are the pods that neither ended nor are being deleted; terminating those being deleted that have not ended.
	live, terminating []*corev1.Pod
	// created is how many pods this look makes.
	created           int32
	succeeded, failed int32
	// doneIndexes are the indexes that succeeded, of an Indexed Job.
	doneIndexes map[int]bool
}

// job decides R192-R194: pods up to parallelism until completions succeeded, waits after failures, and the end of the Job by
// success, too many failures or its deadline.
func (l *look) job(job *batchv1.Job) {
	key := keyOf(&job.ObjectMeta)
	if JobFinished(job) != "" {
		delete(l.plan.Memory.Jobs, key)
		l.expire(job)
		return
	}
	j := &jobLook{look: l, job: job, owner: ownerOfJob(job), memory: l.plan.Memory.Jobs[key], status: job.Status.DeepCopy()}
	j.memory.init()
	if l.JobBatch > 0 && !j.due() {
		l.plan.Memory.Jobs[key] = j.memory
		return
	}
	j.start()
	j.observe()
	if job.DeletionTimestamp == nil {
		j.decide()
	}
	j.writeStatus()
	l.plan.Memory.Jobs[key] = j.memory
}

// start notes the start and the suspension of the Job (R194).
func (j *jobLook) start() {
	suspended := deref(j.job.Spec.Suspend, false)
	c := jobCondition(j.status, batchv1.JobSuspended)
	switch {
	case suspended && (c == nil || c.Status != corev1.ConditionTrue):
		j.condition(batchv1.JobSuspended, corev1.ConditionTrue, "JobSuspended", "Job suspended")
		j.event(j.owner, corev1.EventTypeNormal, "Suspended", "Job suspended")
		j.status.StartTime = nil
	case !suspended && c != nil && c.Status == corev1.ConditionTrue:
		j.condition(batchv1.JobSuspended, corev1.ConditionFalse, "JobResumed", "Job resumed")
		j.event(j.owner, corev1.EventTypeNormal, "Resumed", "Job resumed")
	}
	if !suspended && j.status.StartTime == nil {
		now := metav1.NewTime(j.now)
		j.status.StartTime = &now
	}
}

func (j *jobLook) decide() {
	switch {
	case j.targeted(batchv1.JobFailureTarget) != nil:
		c := j.targeted(batchv1.JobFailureTarget)
		j.finish(batchv1.JobFailed, c.Reason, c.Message)
	case j.targeted(batchv1.JobSuccessCriteriaMet) != nil:
		c := j.targeted(batchv1.JobSuccessCriteriaMet)
		j.finish(batchv1.JobComplete, c.Reason, c.Message)
	case j.failed > j.backoffLimit() || j.tooManyRestarts():
		j.target(batchv1.JobFailureTarget, batchv1.JobFailed, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
	case j.pastDeadline():
		j.target(batchv1.JobFailureTarget, batchv1.JobFailed, "DeadlineExceeded", "Job was active longer than specified deadline")
	case j.satisfied():
		j.target(batchv1.JobSuccessCriteriaMet, batchv1.JobComplete, "CompletionsReached", "Reached expected number of succeeded pods")
	default:
		j.manage()
	}
}

func (j *jobLook) targeted(kind batchv1.JobConditionType) *batchv1.JobCondition {
	if c := jobCondition(j.status, kind); c != nil && c.Status == corev1.ConditionTrue {
		return c
	}
	return nil
}

func (j *jobLook) backoffLimit() int32 { return deref(j.job.Spec.BackoffLimit, 6) }
func (j *jobLook) parallelism() int32  { return deref(j.job.Spec.Parallelism, 1) }
func (j *jobLook) indexed() bool {
	return deref(j.job.Spec.CompletionMode, batchv1.NonIndexedCompletion) == batchv1.IndexedCompletion
}

// tooManyRestarts is the backoffLimit of pods that restart in place (R193).
func (j *jobLook) tooManyRestarts() bool {
	if j.job.Spec.Template.Spec.RestartPolicy != corev1.RestartPolicyOnFailure {
		return false
	}
	var n int32
	for _, p := range j.live {
		for _, c := range append(append([]corev1.ContainerStatus{}, p.Status.InitContainerStatuses...), p.Status.ContainerStatuses...) {
			n += c.RestartCount
		}
	}
	if limit := j.backoffLimit(); limit > 0 {
		return n >= limit
	}
	return n > 0
}

func (j *jobLook) pastDeadline() bool {
	if j.job.Spec.ActiveDeadlineSeconds == nil || j.status.StartTime == nil || deref(j.job.Spec.Suspend, false) {
		return false
	}
	deadline := j.status.StartTime.Add(time.Duration(*j.job.Spec.ActiveDeadlineSeconds) * time.Second)
	j.again(deadline)
	return !deadline.After(j.now)
}

// satisfied reports whether enough pods succeeded. Without completions one success is enough, once all others have ended.
func (j *jobLook) satisfied() bool {
	if j.job.Spec.Completions == nil {
		return j.succeeded > 0 && len(j.live) == 0 && len(j.terminating) == 0
	}
	return j.succeeded >= *j.job.Spec.Completions
}

// target sets the condition that decides the end, stops what runs, and ends the Job if nothing does.
func (j *jobLook) target(kind, end batchv1.JobConditionType, reason, message string) {
	j.condition(kind, corev1.ConditionTrue, reason, message)
	for _, p := range j.live {
		j.delete(p, message)
	}
	if end == batchv1.JobFailed {
		j.failed += int32(len(j.live))
		for _, p := range j.live {
			j.memory.Finished[podKey(p)] = true
		}
	}
	j.terminating, j.live = append(j.terminating, j.live...), nil
	j.finish(end, reason, message)
}

// finish gives the final condition once no pod is left running.
func (j *jobLook) finish(end batchv1.JobConditionType, reason, message string) {
	for _, p := range j.live {
		j.delete(p, message)
	}
	if len(j.live)+len(j.terminating) > 0 {
		return
	}
	j.condition(end, corev1.ConditionTrue, reason, message)
	if end == batchv1.JobFailed {
		j.event(j.owner, corev1.EventTypeWarning, reason, "%s", message)
		return
	}
	now := metav1.NewTime(j.now)
	j.status.CompletionTime = &now
	j.event(j.owner, corev1.EventTypeNormal, "Completed", "Job completed")
}

func (j *jobLook) delete(p *corev1.Pod, why string) {
	if p.DeletionTimestamp != nil {
		return
	}
	j.add(DeletePod{p, Why(why)})
	j.event(j.owner, corev1.EventTypeNormal, "SuccessfulDelete", "Deleted pod: %s", p.Name)
}

// manage makes or deletes pods so that parallelism of them are active. Pods that it deletes itself do not count as failed.
func (j *jobLook) manage() {
	want := j.wantActive()
	have := int32(len(j.live))
	switch {
	case have > want:
		why := fmt.Sprintf("%s wants %d active pods", j.owner.text(), want)
		if deref(j.job.Spec.Suspend, false) {
			why = j.owner.text() + " is suspended"
		}
		for _, p := range j.removable()[:have-want] {
			j.memory.Dropped[podKey(p)] = true
			j.delete(p, why)
			j.live, j.terminating = without(j.live, p), append(j.terminating, p)
		}
	case have < want:
		if wait := j.memory.wait(); wait.After(j.now) {
			j.again(laterOf(wait, j.now.Add(j.JobBatch)))
			return
		}
		j.create(int(want-have), fmt.Sprintf("%s has %d of %d active pods, %d succeeded", j.owner.text(), have, want, j.succeeded))
	}
}

func (j *jobLook) wantActive() int32 {
	switch {
	case deref(j.job.Spec.Suspend, false):
		return 0
	case j.job.Spec.Completions != nil:
		return max(min(*j.job.Spec.Completions-j.succeeded, j.parallelism()), 0)
	case j.succeeded > 0:
		return int32(len(j.live))
	}
	return j.parallelism()
}

// removable are the active pods, those that are missed least first; of an Indexed Job the highest indexes.
func (j *jobLook) removable() []*corev1.Pod {
	if !j.indexed() {
		return cheapestFirst(j.live, j.live, j.now)
	}
	out := append([]*corev1.Pod{}, j.live...)
	sort.SliceStable(out, func(a, b int) bool { return completionIndex(out[a]) > completionIndex(out[b]) })
	return out
}

func (j *jobLook) condition(kind batchv1.JobConditionType, status corev1.ConditionStatus, reason, message string) {
	now := metav1.NewTime(j.now)
	c := jobCondition(j.status, kind)
	if c == nil {
		j.status.Conditions = append(j.status.Conditions, batchv1.JobCondition{Type: kind})
		c = &j.status.Conditions[len(j.status.Conditions)-1]
	}
	c.Status, c.Reason, c.Message, c.LastTransitionTime, c.LastProbeTime = status, reason, message, now, now
}

func jobCondition(s *batchv1.JobStatus, kind batchv1.JobConditionType) *batchv1.JobCondition {
	for i := range s.Conditions {
		if s.Conditions[i].Type == kind {
			return &s.Conditions[i]
		}
	}
	return nil
}

// JobFinished is JobComplete or JobFailed once a Job has ended, "" before.
func JobFinished(job *batchv1.Job) batchv1.JobConditionType {
	for _, kind := range []batchv1.JobConditionType{batchv1.JobComplete, batchv1.JobFailed} {
		if c := jobCondition(&job.Status, kind); c != nil && c.Status == corev1.ConditionTrue {
			return kind
		}
	}
	return ""
}

// expire deletes a finished Job after its ttlSecondsAfterFinished.
func (l *look) expire(job *batchv1.Job) {
	if job.Spec.TTLSecondsAfterFinished == nil || job.DeletionTimestamp != nil {
		return
	}
	end := jobCondition(&job.Status, JobFinished(job)).LastTransitionTime
	at := end.Add(time.Duration(*job.Spec.TTLSecondsAfterFinished) * time.Second)
	if at.After(l.now) {
		l.again(at)
		return
	}
	l.add(DeleteJob{job, "its ttlSecondsAfterFinished is over"})
}

// failureWait is the wait after n failures in a row.
func failureWait(n int) time.Duration {
	if n == 0 {
		return 0
	}
	return time.Duration(min(float64(jobBackoff)*math.Pow(2, float64(n-1)), float64(maxJobBackoff)))
}
