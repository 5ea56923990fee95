package pod

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services/kube"
	"github.com/lyandev/lyandev/supervisor/backoff"
)

func (w *Worker) envInput(c *corev1.Container) EnvInput {
	return EnvInput{Pod: w.pod, Container: c, Objects: w.deps.Objects, Node: w.deps.Node, PodIP: w.address()}
}

// address is the pod's: that of its present sandbox, which the status shows only after the next look.
func (w *Worker) address() string {
	if s := w.observed.Sandbox; s != nil && s.IP != "" {
		return s.IP
	}
	return w.pod.Status.PodIP
}

// volumes are the contents of the pod's projected volumes now.
func (w *Worker) volumes() (map[string]Files, error) {
	return VolumeFiles(w.envInput(&w.pod.Spec.Containers[0]))
}

// request completes what is to be created. Its errors are *WaitErrors with reason CreateContainerConfigError (R140, R155).
func (w *Worker) request(s Start, img Image, entry *backoff.Entry) (CreateRequest, error) {
	in := w.envInput(s.Container)
	env, err := Env(in)
	if err != nil {
		return CreateRequest{}, err
	}
	if err := NonRoot(w.pod, s.Container, img); err != nil {
		return CreateRequest{}, err
	}
	c, err := ExpandContainer(s.Container, env)
	if err != nil {
		return CreateRequest{}, err
	}
	files, err := VolumeFiles(in)
	if err != nil {
		return CreateRequest{}, configError("%v", err)
	}
	return CreateRequest{
		Pod: w.pod, Container: c, Init: s.Init, Attempt: s.Attempt, Sandbox: w.observed.Sandbox.Attempt,
		Env: env, Volumes: files, BackOff: entry,
	}, nil
}

// ExpandContainer is the container with $(VAR) in command, args and subPathExpr replaced from the complete environment
// (R136, R137). subPathExpr becomes subPath.
func ExpandContainer(c *corev1.Container, env []EnvVar) (*corev1.Container, error) {
	c = c.DeepCopy()
	values := map[string]string{}
	for _, v := range env {
		values[v.Name] = v.Value
	}
	get := kube.MapLookup(values)
	c.Command, c.Args = kube.ExpandAll(c.Command, get), kube.ExpandAll(c.Args, get)
	for i := range c.VolumeMounts {
		m := &c.VolumeMounts[i]
		sub := m.SubPath
		if m.SubPathExpr != "" {
			var err error
			if sub, err = kube.ExpandSubPath(m.SubPathExpr, get); err != nil {
				return nil, configError("%v", err)
			}
		}
		if err := insideVolume(sub); err != nil {
			return nil, configError("%v", err)
		}
		m.SubPath, m.SubPathExpr = sub, ""
	}
	return c, nil
}

// insideVolume refuses a path that would lead out of its volume, in the kubelet's words. The validation of the manifest
// cannot see what an expanded one leads to.
func insideVolume(p string) error {
	if path.IsAbs(p) {
		return fmt.Errorf("error SubPath `%s` must not be an absolute path", p)
	}
	if slices.Contains(strings.Split(p, "/"), "..") {
		return fmt.Errorf("unable to provision SubPath `%s`: must not contain '..'", p)
	}
	return nil
}

// Security is a container's effective user and group settings: its own go before the pod's, field by field (R153).
type Security struct {
	RunAsUser, RunAsGroup *int64
	RunAsNonRoot          bool
}

// SecurityOf merges the container's security context over the pod's (R153).
func SecurityOf(pod *corev1.Pod, c *corev1.Container) Security {
	var s Security
	if p := pod.Spec.SecurityContext; p != nil {
		s = Security{p.RunAsUser, p.RunAsGroup, optional(p.RunAsNonRoot)}
	}
	if own := c.SecurityContext; own != nil {
		if own.RunAsUser != nil {
			s.RunAsUser = own.RunAsUser
		}
		if own.RunAsGroup != nil {
			s.RunAsGroup = own.RunAsGroup
		}
		if own.RunAsNonRoot != nil {
			s.RunAsNonRoot = *own.RunAsNonRoot
		}
	}
	return s
}

// NonRoot is the check of runAsNonRoot (R155).
func NonRoot(pod *corev1.Pod, c *corev1.Container, img Image) error {
	s := SecurityOf(pod, c)
	if !s.RunAsNonRoot {
		return nil
	}
	where := func(text string, args ...any) error {
		name := pod.Name + "_" + pod.Namespace + "(" + string(pod.UID) + ")"
		return configError(text+" (pod: %q, container: %s)", append(args, name, c.Name)...)
	}
	if s.RunAsUser != nil {
		if *s.RunAsUser == 0 {
			return where("container's runAsUser breaks non-root policy")
		}
		return nil
	}
	user, _, _ := strings.Cut(img.User, ":")
	uid, err := strconv.ParseInt(user, 10, 64)
	switch {
	case user == "" || err == nil && uid == 0:
		return where("container has runAsNonRoot and image will run as root")
	case err != nil:
		return where("container has runAsNonRoot and image has non-numeric user (%s), cannot verify user is non-root", user)
	}
	return nil
}
