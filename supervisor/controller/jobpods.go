package controller

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// observe counts the Job's pods. A pod that is being deleted by others counts as failed unless it succeeds (R193).
func (j *jobLook) observe() {
	var news []finishedPod
	present, uncounted := map[string]bool{}, map[string]bool{}
	for _, p := range j.podsOf(j.owner) {
		present[podKey(p)] = true
		switch {
		case active(p):
			j.live = append(j.live, p)
			uncounted[podKey(p)] = true
			continue
		case !ended(p):
			j.terminating = append(j.terminating, p)
		}
		key := podKey(p)
		if _, counted := j.memory.Finished[key]; counted || j.memory.Dropped[key] {
			continue
		}
		failed := p.Status.Phase != corev1.PodSucceeded
		j.memory.Finished[key] = failed
		news = append(news, finishedPod{finishTime(p), failed})
	}
	news = append(news, j.memory.vanished(present, j.now)...)
	j.memory.Live = uncounted
	j.memory.learn(news)
	j.succeeded, j.failed = j.memory.counted()
	j.countIndexes()
}

// countIndexes finds the indexes that succeeded; only they count as successes of an Indexed Job.
func (j *jobLook) countIndexes() {
	if !j.indexed() {
		return
	}
	j.doneIndexes = parseIndexes(j.status.CompletedIndexes)
	for _, p := range j.podsOf(j.owner) {
		failed, counted := j.memory.Finished[podKey(p)]
		if i := completionIndex(p); counted && !failed && i >= 0 && int32(i) < deref(j.job.Spec.Completions, 1) {
			j.doneIndexes[i] = true
		}
	}
	j.succeeded = int32(len(j.doneIndexes))
}

// create makes n pods; of an Indexed Job for the lowest indexes that have neither succeeded nor a pod.
func (j *jobLook) create(n int, why string) {
	if !j.indexed() {
		for range n {
			j.createPod(j.pod(), why)
		}
		return
	}
	busy := map[int]bool{}
	for _, p := range j.live {
		busy[completionIndex(p)] = true
	}
	for i := 0; i < int(deref(j.job.Spec.Completions, 1)) && n > 0; i++ {
		if !busy[i] && !j.doneIndexes[i] {
			j.createPod(j.indexedPod(i), why)
			n--
		}
	}
}

func (j *jobLook) createPod(p *corev1.Pod, why string) {
	j.name(p)
	j.created++
	j.add(CreatePod{p, Why(why)})
	j.event(j.owner, corev1.EventTypeNormal, "SuccessfulCreate", "Created pod: %s", p.Name)
}

func (j *jobLook) pod() *corev1.Pod {
	p := podFromTemplate(j.owner, &j.job.Spec.Template, j.now)
	label(p, batchv1.JobNameLabel, j.job.Name)
	label(p, "job-name", j.job.Name)
	if j.job.UID != "" {
		label(p, batchv1.ControllerUidLabel, string(j.job.UID))
		label(p, "controller-uid", string(j.job.UID))
	}
	return p
}

// indexedPod is the pod of one index, with JOB_COMPLETION_INDEX and the hostname <job>-<index> (R192).
func (j *jobLook) indexedPod(i int) *corev1.Pod {
	p := j.pod()
	index := strconv.Itoa(i)
	p.GenerateName = fmt.Sprintf("%s-%d-", j.job.Name, i)
	p.Annotations = withLabel(p.Annotations, batchv1.JobCompletionIndexAnnotation, index)
	label(p, batchv1.JobCompletionIndexAnnotation, index)
	p.Spec.Hostname = j.job.Name + "-" + index
	for _, cs := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for k := range cs {
			addIndexVariable(&cs[k])
		}
	}
	return p
}

func addIndexVariable(c *corev1.Container) {
	const name = "JOB_COMPLETION_INDEX"
	if slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == name }) {
		return
	}
	c.Env = append(c.Env, corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{
		APIVersion: "v1",
		FieldPath:  fmt.Sprintf("metadata.labels['%s']", batchv1.JobCompletionIndexAnnotation),
	}}})
}

// completionIndex is the index of a pod of an Indexed Job, -1 for none.
func completionIndex(p *corev1.Pod) int {
	n, err := strconv.Atoi(p.Annotations[batchv1.JobCompletionIndexAnnotation])
	if err != nil {
		return -1
	}
	return n
}

// formatIndexes writes indexes as Kubernetes does: "0-2,5".
func formatIndexes(done map[int]bool) string {
	var all []int
	for i := range done {
		all = append(all, i)
	}
	slices.Sort(all)
	var parts []string
	for i := 0; i < len(all); {
		k := i
		for k+1 < len(all) && all[k+1] == all[k]+1 {
			k++
		}
		switch {
		case k == i:
			parts = append(parts, strconv.Itoa(all[i]))
		case k == i+1:
			parts = append(parts, strconv.Itoa(all[i]), strconv.Itoa(all[k]))
		default:
			parts = append(parts, fmt.Sprintf("%d-%d", all[i], all[k]))
		}
		i = k + 1
	}
	return strings.Join(parts, ",")
}

func parseIndexes(s string) map[int]bool {
	out := map[int]bool{}
	for part := range strings.SplitSeq(s, ",") {
		from, to, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(from)
		if err != nil {
			continue
		}
		b := a
		if isRange {
			if b, err = strconv.Atoi(to); err != nil {
				continue
			}
		}
		for i := a; i <= b; i++ {
			out[i] = true
		}
	}
	return out
}

func (j *jobLook) writeStatus() {
	s := j.status
	s.Active, s.Succeeded, s.Failed = int32(len(j.live))+j.created, j.succeeded, j.failed
	var isReady, terminating int32
	for _, p := range j.live {
		if ready(p) {
			isReady++
		}
	}
	terminating = int32(len(j.terminating))
	s.Ready, s.Terminating = &isReady, &terminating
	if j.indexed() {
		s.CompletedIndexes = formatIndexes(j.doneIndexes)
	}
	if equality.Semantic.DeepEqual(*s, j.job.Status) {
		return
	}
	if j.JobBatch > 0 {
		j.again(j.now.Add(j.JobBatch))
	}
	changed := j.job.DeepCopy()
	changed.Status = *s
	j.add(UpdateStatus{
		Object: changed, Kind: "Job", Name: j.job.Name, Why: "its pods changed",
		Text: fmt.Sprintf("active=%d ready=%d succeeded=%d failed=%d", s.Active, isReady, s.Succeeded, s.Failed),
	})
	for i := range j.look.jobs {
		if j.look.jobs[i] == j.job {
			j.look.jobs[i] = changed
		}
	}
}
