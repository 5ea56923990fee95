package pod

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/kube"
)

// ensureImage makes sure that a container's image is there (R62, R63). Its errors are *WaitErrors. Images that are made
// here are never pulled, whatever the policy: no registry has them.
func (w *Worker) ensureImage(ctx context.Context, c *corev1.Container) (Image, error) {
	ref, err := taggedImage(c.Image)
	if err != nil {
		msg := fmt.Sprintf("Failed to apply default image tag %q: %v", c.Image, err)
		w.event(c.Name, corev1.EventTypeWarning, "InspectFailed", msg)
		return Image{}, &WaitError{Reason: ReasonInvalidImageName, Message: msg}
	}
	img, present, err := w.deps.Runtime.FindImage(ctx, ref)
	if err != nil {
		msg := fmt.Sprintf("Failed to inspect image %q: %v", c.Image, err)
		w.event(c.Name, corev1.EventTypeWarning, "InspectFailed", msg)
		return Image{}, &WaitError{Reason: ReasonImageInspectError, Message: msg}
	}
	advice := w.deps.Runtime.MissingImage(c.Image)
	policy := c.ImagePullPolicy
	if policy == "" {
		policy = kube.PullPolicy(c.Image)
	}
	switch {
	case present && (policy != corev1.PullAlways || advice != ""):
		name := cmp.Or(w.pod.Annotations[services.ImageAnnotation+c.Name], c.Image) // the ID of an image that was built says nothing to people
		w.event(c.Name, corev1.EventTypeNormal, "Pulled", fmt.Sprintf("Container image %q already present on machine and can be accessed by the pod", name))
		return img, nil
	case policy == corev1.PullNever || advice != "":
		msg := advice
		if msg == "" {
			msg = fmt.Sprintf("Container image %q is not present with pull policy of Never", c.Image)
		}
		w.event(c.Name, corev1.EventTypeWarning, ReasonErrImageNeverPull, msg)
		return Image{}, &WaitError{Reason: ReasonErrImageNeverPull, Message: msg}
	}
	return w.pull(ctx, c, ref, present)
}

// taggedImage is an image's name with the tag latest if it has neither tag nor digest (R63).
func taggedImage(image string) (string, error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", err
	}
	if reference.IsNameOnly(named) {
		return image + ":latest", nil
	}
	return image, nil
}

// pull pulls an image, whose tagged name is ref, with the back-off of R62. present says that the machine has it already, and that
// only its policy asks for a pull: an error says so.
func (w *Worker) pull(ctx context.Context, c *corev1.Container, ref string, present bool) (Image, error) {
	now := time.Now()
	if e, ok := w.pulls.Entry(c.Image); ok && now.Before(e.Updated.Add(e.Wait)) {
		w.alarm.by(e.Updated.Add(e.Wait))
		msg := fmt.Sprintf("Back-off pulling image %q", c.Image)
		w.event(c.Name, corev1.EventTypeNormal, "BackOff", msg)
		if last := w.pullErrs[c.Image]; last != "" {
			msg += ": " + ReasonErrImagePull + ": " + last
		}
		return Image{}, &WaitError{Reason: ReasonImagePullBackOff, Message: msg}
	}
	w.event(c.Name, corev1.EventTypeNormal, "Pulling", fmt.Sprintf("Pulling image %q", c.Image))
	if err := w.deps.Runtime.PullImage(ctx, ref); err != nil {
		if ctx.Err() != nil {
			return Image{}, err
		}
		if present {
			err = fmt.Errorf("%w; the image is on this machine, but its pull policy is Always: set pull_policy: missing (in a manifest "+
				"imagePullPolicy: IfNotPresent) to use it as it is", err)
		}
		w.event(c.Name, corev1.EventTypeWarning, "Failed", fmt.Sprintf("Failed to pull image %q: %v", c.Image, err))
		w.pullErrs[c.Image] = err.Error()
		w.pulls.AttemptAgain(c.Image, time.Now())
		if e, ok := w.pulls.Entry(c.Image); ok {
			w.alarm.by(e.Updated.Add(e.Wait))
		}
		return Image{}, &WaitError{Reason: ReasonErrImagePull, Message: err.Error()}
	}
	w.pulls.Forget(c.Image)
	delete(w.pullErrs, c.Image)
	w.event(c.Name, corev1.EventTypeNormal, "Pulled", fmt.Sprintf("Successfully pulled image %q in %v", c.Image, time.Since(now).Round(time.Millisecond)))
	img, present, err := w.deps.Runtime.FindImage(ctx, ref)
	if err == nil && !present {
		err = fmt.Errorf("image %q does not exist after it was pulled", c.Image)
	}
	if err != nil {
		return Image{}, &WaitError{Reason: ReasonImageInspectError, Message: err.Error()}
	}
	return img, nil
}
