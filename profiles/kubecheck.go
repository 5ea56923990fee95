package profiles

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/kube"
)

// kube sets Kubernetes' defaults on all objects and validates them by Kubernetes' rules. Errors are reported at the place in
// the file that the field came from.
func (c *converter) kube() {
	for _, w := range c.stack.Workloads {
		c.hold(w.Object, func(field string) keyPath { return c.origin(w, field) })
	}
	for _, s := range c.stack.Services {
		c.hold(s, func(field string) keyPath { return c.declaredAt["Service/"+s.Name].with(under(field)...) })
	}
	for _, m := range c.stack.ConfigMaps {
		c.hold(m, func(field string) keyPath { return c.declaredAt["ConfigMap/"+m.Name].with(data(field)...) })
	}
	for _, s := range c.stack.Secrets {
		c.hold(s, func(field string) keyPath { return c.declaredAt["Secret/"+s.Name].with(data(field)...) })
	}
	for _, i := range c.stack.Ingresses {
		c.hold(i, func(field string) keyPath { return keyPath{extensionKey, "ingresses", i.Name}.with(under(field)...) })
	}
}

func (c *converter) hold(o runtime.Object, origin func(string) keyPath) {
	kube.Default(o)
	said := map[string]bool{} // a label is on the object and on its template: report it once
	all := kube.Validate(o)
	for _, e := range all {
		if c.isExtraHost(e.Field, e.BadValue) {
			continue
		}
		path := origin(e.Field)
		at := c.l.loc.at(path...)
		key := at.path.String() + e.ErrorBody()
		if said[key] || e.Type == field.ErrorTypeRequired && c.l.p.beside(path) || at.depth < len(path) && c.defaulted(e, all, origin) {
			continue
		}
		said[key] = true
		c.l.p.say(damage{pos: at.pos, path: at.path}, Error{Path: at.shown(path).String(), Message: kubeMessage(e)})
	}
}

// kubeMessage says what is wrong with a value that Kubernetes' validation refuses. The path in the file is said beside it.
func kubeMessage(e *field.Error) string {
	switch e.Type {
	case field.ErrorTypeInvalid, field.ErrorTypeTypeInvalid:
		return fmt.Sprintf("%s, but is %s", e.Detail, strings.TrimPrefix(bodyValue(e), "Invalid value: "))
	case field.ErrorTypeNotSupported:
		return fmt.Sprintf("is %s; %s", strings.TrimPrefix(bodyValue(e), "Unsupported value: "), e.Detail)
	case field.ErrorTypeForbidden:
		return "is not allowed here: " + e.Detail
	case field.ErrorTypeRequired:
		return strings.TrimSuffix("is missing: "+e.Detail, ": ")
	}
	return e.ErrorBody()
}

// bodyValue is the text of an error up to its detail: the kind of the error, and the value as Kubernetes prints it.
func bodyValue(e *field.Error) string { return strings.TrimSuffix(e.ErrorBody(), ": "+e.Detail) }

// defaulted reports whether a wrong value that is not in the file is the default that another wrong value gives, as targetPort is port.
func (c *converter) defaulted(e *field.Error, all field.ErrorList, origin func(string) keyPath) bool {
	return slices.ContainsFunc(all, func(o *field.Error) bool {
		path := origin(o.Field)
		return o != e && o.ErrorBody() == e.ErrorBody() && c.l.loc.at(path...).depth == len(path)
	})
}

// isExtraHost reports whether a rejected value is a host alias that Compose's extra_hosts allow.
func (c *converter) isExtraHost(at string, value any) bool {
	text, ok := value.(string)
	return ok && c.extraHosts[text] && strings.Contains(at, ".hostAliases[")
}

// under is the path of a spec's field in a fragment that is the spec.
func under(field string) keyPath {
	path := splitField(field)
	if len(path) > 0 && (path[0] == "spec" || path[0] == "metadata") {
		return path[1:]
	}
	return path
}

// data is the path of a field of a ConfigMap or Secret in its fragment, whose name is its key.
func data(field string) keyPath {
	if path := splitField(field); len(path) > 0 && path[0] != "metadata" {
		return path
	}
	return nil
}

// origin maps a Kubernetes field path of a workload to the path in the file.
func (c *converter) origin(w *services.Workload, field string) keyPath {
	at := keyPath{"services", c.written(w.Name())}
	ext := at.with(extensionKey)
	path := splitField(field)
	for _, prefix := range [][]string{{"spec", "jobTemplate", "spec", "template"}, {"spec", "template"}} {
		if hasPrefix(path, prefix) {
			return c.podOrigin(w, at, path[len(prefix):])
		}
	}
	switch {
	case hasPrefix(path, []string{"metadata", "labels"}):
		return ext.with("labels")
	case w.Kind() == "Pod":
		return c.podOrigin(w, at, path)
	case len(path) > 1 && path[0] == "spec" && path[1] == "replicas":
		return at.with("deploy", "replicas")
	case len(path) > 1 && path[0] == "spec" && path[1] == "schedule":
		return ext.with("schedule")
	case len(path) > 1 && path[0] == "spec":
		return ext.with("spec").with(path[1:]...)
	}
	return at
}

func (c *converter) podOrigin(w *services.Workload, at keyPath, path keyPath) keyPath {
	ext := at.with(extensionKey)
	switch {
	case hasPrefix(path, []string{"labels"}), hasPrefix(path, []string{"metadata", "labels"}):
		return ext.with("labels")
	case len(path) < 2 || path[0] != "spec":
		return at
	case path[1] == "initContainers":
		return ext.with(path[1:]...)
	case path[1] != "containers" || len(path) < 3:
		return ext.with("pod").with(path[1:]...)
	}
	for i, cont := range w.PodSpec().Containers {
		if path[2] != index(i) {
			continue
		}
		for service, name := range c.container {
			if name == cont.Name && c.workloadName(c.owner[service]) == w.Name() {
				return c.composeOrigin(containerOrigin(keyPath{"services", service}, path[3:]))
			}
		}
		return ext.with("sidecars")
	}
	return at
}

// composeKeys are Compose's keys for what x-lyandev can say too.
var composeKeys = map[string]keyPath{"env": {"environment"}, "resources": {"deploy", "resources"}}

// composeOrigin puts Compose's key in the place of x-lyandev's if the file has no such key in x-lyandev.
func (c *converter) composeOrigin(path keyPath) keyPath {
	if len(path) < 4 || path[2] != extensionKey || composeKeys[path[3]] == nil || c.l.loc.at(path[:4]...).depth == 4 {
		return path
	}
	return path[:2:2].with(composeKeys[path[3]]...)
}

// containerOrigin returns the key of a Compose service that a container's field comes from.
func containerOrigin(at keyPath, path keyPath) keyPath {
	if len(path) == 0 {
		return at
	}
	ext := at.with(extensionKey)
	switch path[0] {
	case "livenessProbe", "readinessProbe", "startupProbe":
		return ext.with("probes", strings.TrimSuffix(path[0], "Probe")).with(path[1:]...)
	case "image":
		return at.with("image")
	case "command":
		return at.with("entrypoint")
	case "args":
		return at.with("command")
	case "volumeMounts":
		return at.with("volumes")
	case "workingDir":
		return at.with("working_dir")
	case "env":
		return ext.with("env")
	case "ports":
		return ext.with("container").with(path...)
	case "envFrom", "lifecycle", "resources", "securityContext":
		return ext.with(path...)
	}
	return ext.with("container").with(path...)
}

func hasPrefix(path keyPath, prefix []string) bool {
	if len(path) < len(prefix) {
		return false
	}
	for i, p := range prefix {
		if path[i] != p {
			return false
		}
	}
	return true
}

// splitField splits "spec.containers[0].ports" into its parts. Keys in brackets ("labels[a.b]") are not split.
func splitField(field string) keyPath {
	var out keyPath
	for len(field) > 0 {
		switch field[0] {
		case '.':
			field = field[1:]
		case '[':
			end := strings.IndexByte(field, ']')
			if end < 0 {
				return append(out, field)
			}
			key := field[:end+1]
			if strings.Trim(key[1:end], "0123456789") != "" {
				key = key[1:end]
			}
			out, field = append(out, key), field[end+1:]
		default:
			end := strings.IndexAny(field, ".[")
			if end < 0 {
				end = len(field)
			}
			out, field = append(out, field[:end]), field[end:]
		}
	}
	return out
}
