package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
)

func (d PodDescription) containers(f Facts, out *page, title string, specs []corev1.Container, statuses []corev1.ContainerStatus) {
	if len(specs) == 0 {
		return
	}
	out.head(0, title)
	for _, c := range specs {
		var status *corev1.ContainerStatus
		if i := slices.IndexFunc(statuses, func(s corev1.ContainerStatus) bool { return s.Name == c.Name }); i >= 0 {
			status = &statuses[i]
		}
		out.head(1, c.Name)
		if status != nil {
			out.row(2, "Container ID", status.ContainerID)
		}
		image := cmp.Or(d.Pod.Annotations["dev.lyandev.image/"+c.Name], c.Image)
		out.row(2, "Image", image)
		if status != nil && status.ImageID != "" {
			out.row(2, "Image ID", status.ImageID)
		} else if image != c.Image {
			out.row(2, "Image ID", c.Image)
		}
		template(out, c)
		if status != nil {
			d.status(f, out, *status)
			if is, said := state.Health(d.Pod); is != "" && is != services.HealthNone {
				out.row(2, "Health", is+reasonAnd("", said))
			}
		}
		resources(out, c)
		d.probeRows(f, out, c)
		environment(out, c)
		mounts(out, c)
	}
}

// template writes the fields that only the manifest has: ports, command and arguments.
func template(out *page, c corev1.Container) {
	var ports []string
	for _, p := range c.Ports {
		name := ""
		if p.Name != "" {
			name = " (" + p.Name + ")"
		}
		ports = append(ports, fmt.Sprintf("%d/%s%s", p.ContainerPort, cmp.Or(p.Protocol, corev1.ProtocolTCP), name))
	}
	out.row(2, "Ports", orNone(strings.Join(ports, ", ")))
	if len(c.Command) > 0 {
		out.row(2, "Command", strings.Join(c.Command, "\n"))
	}
	if len(c.Args) > 0 {
		out.row(2, "Args", strings.Join(c.Args, "\n"))
	}
}

func (d PodDescription) status(f Facts, out *page, s corev1.ContainerStatus) {
	containerState(f, out, "State", s.State)
	if s.LastTerminationState != (corev1.ContainerState{}) {
		containerState(f, out, "Last State", s.LastTerminationState)
	}
	out.row(2, "Ready", title(s.Ready))
	if s.Started != nil {
		out.row(2, "Started", title(*s.Started))
	}
	out.rowf(2, "Restart Count", "%d", s.RestartCount)
}

func title(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

func containerState(f Facts, out *page, key string, s corev1.ContainerState) {
	switch {
	case s.Running != nil:
		out.row(2, key, "Running")
		out.row(3, "Started", f.date(s.Running.StartedAt.Time))
	case s.Terminated != nil:
		t := s.Terminated
		out.row(2, key, "Terminated")
		if t.Reason != "" {
			out.row(3, "Reason", t.Reason)
		}
		if t.Message != "" {
			out.row(3, "Message", strings.TrimRight(t.Message, "\n"))
		}
		out.rowf(3, "Exit Code", "%d", t.ExitCode)
		if t.Signal != 0 {
			out.rowf(3, "Signal", "%d", t.Signal)
		}
		out.row(3, "Started", f.date(t.StartedAt.Time))
		out.row(3, "Finished", f.date(t.FinishedAt.Time))
	default:
		out.row(2, key, "Waiting")
		if s.Waiting != nil && s.Waiting.Reason != "" {
			out.row(3, "Reason", s.Waiting.Reason)
		}
		if s.Waiting != nil && s.Waiting.Message != "" {
			out.row(3, "Message", s.Waiting.Message)
		}
	}
}

func resources(out *page, c corev1.Container) {
	for _, l := range []struct {
		key  string
		list corev1.ResourceList
	}{{"Limits", c.Resources.Limits}, {"Requests", c.Resources.Requests}} {
		if len(l.list) == 0 {
			continue
		}
		out.head(2, l.key)
		var names []string
		for k := range l.list {
			names = append(names, string(k))
		}
		slices.Sort(names)
		for _, k := range names {
			q := l.list[corev1.ResourceName(k)]
			out.row(3, k, q.String())
		}
	}
}

func environment(out *page, c corev1.Container) {
	if len(c.EnvFrom) > 0 {
		out.head(2, "Environment Variables from")
		for _, e := range c.EnvFrom {
			switch {
			case e.ConfigMapRef != nil:
				out.rowf(3, e.ConfigMapRef.Name, "ConfigMap%s%s", prefixed(e.Prefix), optional(e.ConfigMapRef.Optional))
			case e.SecretRef != nil:
				out.rowf(3, e.SecretRef.Name, "Secret%s%s", prefixed(e.Prefix), optional(e.SecretRef.Optional))
			}
		}
	}
	if len(c.Env) == 0 {
		out.row(2, "Environment", "<none>")
		return
	}
	out.head(2, "Environment")
	for _, e := range c.Env {
		out.row(3, e.Name, envValue(e))
	}
}

func prefixed(prefix string) string {
	if prefix == "" {
		return ""
	}
	return " with prefix '" + prefix + "'"
}

func optional(o *bool) string {
	if o != nil && *o {
		return " (optional)"
	}
	return ""
}

// envValue returns a variable's value, or for a reference where the value comes from. References are not resolved, so no
// secret is shown.
func envValue(e corev1.EnvVar) string {
	from := e.ValueFrom
	switch {
	case from == nil:
		return e.Value
	case from.ConfigMapKeyRef != nil:
		return fmt.Sprintf("<set to the key '%s' of config map '%s'>%s", from.ConfigMapKeyRef.Key, from.ConfigMapKeyRef.Name,
			optional(from.ConfigMapKeyRef.Optional))
	case from.SecretKeyRef != nil:
		return fmt.Sprintf("<set to the key '%s' in secret '%s'>%s", from.SecretKeyRef.Key, from.SecretKeyRef.Name,
			optional(from.SecretKeyRef.Optional))
	case from.FieldRef != nil:
		return fmt.Sprintf("(%s:%s)", cmp.Or(from.FieldRef.APIVersion, "v1"), from.FieldRef.FieldPath)
	case from.ResourceFieldRef != nil:
		return fmt.Sprintf("(%s)", from.ResourceFieldRef.Resource)
	}
	return ""
}

func mounts(out *page, c corev1.Container) {
	if len(c.VolumeMounts) == 0 {
		out.row(2, "Mounts", "<none>")
		return
	}
	out.head(2, "Mounts")
	for _, m := range c.VolumeMounts {
		how := "rw"
		if m.ReadOnly {
			how = "ro"
		}
		if m.SubPath != "" {
			how += ",path=\"" + m.SubPath + "\""
		}
		out.rowf(3, "", "%s from %s (%s)", m.MountPath, m.Name, how)
	}
}

func volumes(out *page, p *corev1.Pod) {
	if len(p.Spec.Volumes) == 0 {
		out.row(0, "Volumes", "<none>")
		return
	}
	out.head(0, "Volumes")
	for _, v := range p.Spec.Volumes {
		out.row(1, v.Name, volumeText(v))
	}
}

func volumeText(v corev1.Volume) string {
	switch {
	case v.PersistentVolumeClaim != nil:
		return "PersistentVolumeClaim " + v.PersistentVolumeClaim.ClaimName
	case v.ConfigMap != nil:
		return "ConfigMap " + v.ConfigMap.Name + optional(v.ConfigMap.Optional)
	case v.Secret != nil:
		return "Secret " + v.Secret.SecretName + optional(v.Secret.Optional)
	case v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory:
		return "EmptyDir in memory (deleted with the pod)"
	case v.EmptyDir != nil:
		return "EmptyDir (deleted with the pod)"
	case v.HostPath != nil:
		return "HostPath " + v.HostPath.Path
	case v.Projected != nil:
		return "Projected"
	case v.DownwardAPI != nil:
		return "DownwardAPI"
	}
	return "other"
}
