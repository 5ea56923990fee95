package kube

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func validateJob(j *batchv1.Job) field.ErrorList {
	errs := append(validateMeta(&j.ObjectMeta, validation.IsDNS1123Subdomain), validateJobSpec(&j.Spec, field.NewPath("spec"))...)
	if m := j.Spec.CompletionMode; m == nil || *m != batchv1.IndexedCompletion || j.Spec.Completions == nil || *j.Spec.Completions < 1 {
		return errs
	}
	if host := fmt.Sprintf("%s-%d", j.Name, *j.Spec.Completions-1); len(validation.IsDNS1123Label(host)) > 0 {
		errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), j.Name, "will not able to create pod with invalid DNS label: "+host))
	}
	return errs
}

func validateJobSpec(s *batchv1.JobSpec, path *field.Path) field.ErrorList {
	errs := optionalNonNegative(s.Parallelism, path.Child("parallelism"))
	errs = append(errs, optionalNonNegative(s.Completions, path.Child("completions"))...)
	errs = append(errs, optionalNonNegative(s.ActiveDeadlineSeconds, path.Child("activeDeadlineSeconds"))...)
	errs = append(errs, optionalNonNegative(s.BackoffLimit, path.Child("backoffLimit"))...)
	errs = append(errs, optionalNonNegative(s.TTLSecondsAfterFinished, path.Child("ttlSecondsAfterFinished"))...)
	errs = append(errs, validateFailedIndexes(s, path)...)
	if s.CompletionMode != nil {
		errs = append(errs, validateCompletionMode(s, path)...)
	}
	errs = append(errs, validateReplacement(s, path.Child("podReplacementPolicy"))...)
	errs = append(errs, validateTemplate(&s.Template, path.Child("template"))...)
	return append(errs, validateJobRestart(s.Template.Spec.RestartPolicy, path.Child("template", "spec", "restartPolicy"))...)
}

// validateFailedIndexes checks the two failure limits of an Indexed Job; nothing else about them is supported.
func validateFailedIndexes(s *batchv1.JobSpec, path *field.Path) field.ErrorList {
	errs := optionalNonNegative(s.BackoffLimitPerIndex, path.Child("backoffLimitPerIndex"))
	errs = append(errs, optionalNonNegative(s.MaxFailedIndexes, path.Child("maxFailedIndexes"))...)
	if s.MaxFailedIndexes != nil && s.BackoffLimitPerIndex == nil {
		errs = append(errs, field.Required(path.Child("backoffLimitPerIndex"), "when maxFailedIndexes is specified"))
	}
	return errs
}

// maxIndexes is the maximum parallelism of an Indexed Job, and its maximum number of failed indexes.
const maxIndexes = 100_000

func validateCompletionMode(s *batchv1.JobSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	invalid := func(v *int32, bad bool, name, message string) {
		if v != nil && bad {
			errs = append(errs, field.Invalid(path.Child(name), *v, message))
		}
	}
	failed := s.MaxFailedIndexes
	switch *s.CompletionMode {
	case batchv1.IndexedCompletion:
		if s.Completions == nil {
			errs = append(errs, field.Required(path.Child("completions"), fmt.Sprintf("when completion mode is %s", batchv1.IndexedCompletion)))
		}
		invalid(s.Parallelism, s.Parallelism != nil && *s.Parallelism > maxIndexes, "parallelism",
			fmt.Sprintf("must be less than or equal to %d when completion mode is %s", maxIndexes, batchv1.IndexedCompletion))
		invalid(failed, failed != nil && s.Completions != nil && *failed > *s.Completions, "maxFailedIndexes", "must be less than or equal to completions")
		invalid(failed, failed != nil && *failed > maxIndexes, "maxFailedIndexes", fmt.Sprintf("must be less than or equal to %d", maxIndexes))
	case batchv1.NonIndexedCompletion:
		invalid(s.BackoffLimitPerIndex, true, "backoffLimitPerIndex", "requires indexed completion mode")
		invalid(failed, true, "maxFailedIndexes", "requires indexed completion mode")
	default:
		modes := []batchv1.CompletionMode{batchv1.NonIndexedCompletion, batchv1.IndexedCompletion}
		errs = append(errs, supported(*s.CompletionMode, modes, path.Child("completionMode"))...)
	}
	return errs
}

func validateReplacement(s *batchv1.JobSpec, path *field.Path) field.ErrorList {
	switch {
	case s.PodReplacementPolicy == nil:
		return nil
	case s.PodFailurePolicy != nil:
		return supported(*s.PodReplacementPolicy, []batchv1.PodReplacementPolicy{batchv1.Failed}, path)
	}
	return supported(*s.PodReplacementPolicy, []batchv1.PodReplacementPolicy{batchv1.Failed, batchv1.TerminatingOrFailed}, path)
}

// validateJobRestart checks the restart policy (R42): OnFailure or Never; it must be set, because the default is Always.
func validateJobRestart(p corev1.RestartPolicy, path *field.Path) field.ErrorList {
	switch p {
	case corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever:
		return nil
	case corev1.RestartPolicyAlways, "":
		return field.ErrorList{field.Required(path, fmt.Sprintf("valid values: %q, %q", corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever))}
	}
	return field.ErrorList{field.NotSupported(path, p, []corev1.RestartPolicy{corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever})}
}

// maxCronJobName is the maximum length of a CronJob's name; it leaves room for the number in the names of its Jobs.
const maxCronJobName = 52

func validateCronJob(c *batchv1.CronJob) field.ErrorList {
	errs := validateMeta(&c.ObjectMeta, validation.IsDNS1123Subdomain)
	path := field.NewPath("spec")
	if c.Spec.Schedule == "" {
		errs = append(errs, field.Required(path.Child("schedule"), ""))
	} else {
		errs = append(errs, validateSchedule(c.Spec.Schedule, path.Child("schedule"))...)
	}
	errs = append(errs, optionalNonNegative(c.Spec.StartingDeadlineSeconds, path.Child("startingDeadlineSeconds"))...)
	if c.Spec.TimeZone != nil {
		errs = append(errs, validateTimeZone(*c.Spec.TimeZone, path.Child("timeZone"))...)
	}
	policies := []batchv1.ConcurrencyPolicy{batchv1.AllowConcurrent, batchv1.ForbidConcurrent, batchv1.ReplaceConcurrent}
	errs = append(errs, supported(c.Spec.ConcurrencyPolicy, policies, path.Child("concurrencyPolicy"))...)
	errs = append(errs, validateJobSpec(&c.Spec.JobTemplate.Spec, path.Child("jobTemplate", "spec"))...)
	if c.Spec.JobTemplate.Spec.Selector != nil {
		errs = append(errs, field.Invalid(path.Child("jobTemplate", "spec", "selector"), c.Spec.JobTemplate.Spec.Selector, "`selector` will be auto-generated"))
	}
	if m := c.Spec.JobTemplate.Spec.ManualSelector; m != nil && *m {
		errs = append(errs, field.NotSupported(path.Child("jobTemplate", "spec", "manualSelector"), m, []string{"nil", "false"}))
	}
	errs = append(errs, optionalNonNegative(c.Spec.SuccessfulJobsHistoryLimit, path.Child("successfulJobsHistoryLimit"))...)
	errs = append(errs, optionalNonNegative(c.Spec.FailedJobsHistoryLimit, path.Child("failedJobsHistoryLimit"))...)
	if len(c.Name) > maxCronJobName {
		errs = append(errs, field.Invalid(field.NewPath("metadata").Child("name"), c.Name, fmt.Sprintf("must be no more than %d characters", maxCronJobName)))
	}
	return errs
}

// validateSchedule checks a schedule (R195): five fields or a descriptor, without a time zone.
func validateSchedule(schedule string, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if _, err := parseStandard(schedule); err != nil {
		errs = append(errs, field.Invalid(path, schedule, err.Error()))
	}
	if strings.Contains(schedule, "TZ") {
		errs = append(errs, field.Invalid(path, schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"))
	}
	return errs
}

var zonePart = regexp.MustCompile(`^[A-Za-z._0-9+-]{1,14}$`)

// badZonePart reports whether a part of a zone name is not a valid file name of the zone database.
func badZonePart(part string) bool {
	return part == "." || part == ".." || strings.HasPrefix(part, "-") || !zonePart.MatchString(part)
}

func validateTimeZone(zone string, path *field.Path) field.ErrorList {
	switch {
	case zone == "":
		return field.ErrorList{field.Invalid(path, zone, "timeZone must be nil or non-empty string")}
	case slices.ContainsFunc(strings.Split(zone, "/"), badZonePart):
		return field.ErrorList{field.Invalid(path, zone, "unknown time zone "+zone)}
	}
	var errs field.ErrorList
	if strings.EqualFold(zone, "Local") {
		errs = append(errs, field.Invalid(path, zone, "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"))
	}
	if _, err := time.LoadLocation(zone); err != nil {
		errs = append(errs, field.Invalid(path, zone, err.Error()))
	}
	return errs
}
