package pod

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services/kube"
	"github.com/lyandev/lyandev/supervisor/backoff"
)

func (w *Worker) envInput(c *corev1.Container) EnvInput {
	ip := w.pod.Status.PodIP
	if s := w.observed.Sandbox; s != nil && s.IP != "" {
		ip = s.IP
	}
	return EnvInput{Pod: w.pod, Container: c, Objects: w.deps.Objects, Node: w.deps.Node, PodIP: ip}
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
		if m.SubPathExpr == "" {
			continue
		}
		path, err := kube.ExpandSubPath(m.SubPathExpr, get)
		if err != nil {
			return nil, configError("%v", err)
		}
		m.SubPath, m.SubPathExpr = path, ""
	}
	return c, nil
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
