package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/services"
)

// whatChanged is a line for each workload that a stack adds, removes or makes anew when it takes the place of another, and for each
// other object that differs, with the reasons in the words of a Compose file. Of values only images and numbers of replicas are told.
// again are the names of workloads that were started again though nothing of them changed. No line at all means that nothing changed.
func whatChanged(before, after *services.Stack, again []string) []string {
	changes := profiles.Diff(before, after)
	var out []string
	told := map[string]bool{}
	text := "" // of all lines about workloads
	for _, c := range changes {
		var line string
		switch {
		case c.Kind == "HostPort" || c.Kind == "Build": // below; and a build that matters makes another image
		case slices.Contains([]string{"Service", "ConfigMap", "Secret", "Ingress"}, c.Kind):
			line = objectLine(c, told, text)
		default:
			line = workloadLine(c, displayIn(c.Name, after, before))
			told[c.Name] = true
			text += line + "\n"
		}
		if line != "" {
			out = append(out, line)
		}
	}
	name := func(service string) string { return displayIn(service, after, before) }
	for _, name := range again {
		if !told[name] {
			out = append(out, displayIn(name, after)+": started again: it had been stopped or had failed")
		}
	}
	return append(out, portLines(before.HostPorts, after.HostPorts, name)...)
}

// displayIn is the name that the file has for a workload of the first of the stacks that has it.
func displayIn(name string, stacks ...*services.Stack) string {
	for _, s := range stacks {
		if x := s.Workload(name); x != nil {
			return x.DisplayName()
		}
	}
	return name
}

func workloadLine(c profiles.Change, name string) string {
	why := strings.Join(topics(c.Reasons), ", ")
	switch c.Action {
	case profiles.Start:
		return name + ": added"
	case profiles.Stop:
		return name + ": removed: " + strings.Join(c.Reasons, "; ")
	case profiles.Scale:
		return name + ": scaled: " + why
	case profiles.Update:
		return name + ": changed without a restart: " + why
	}
	switch c.Kind {
	case "ComposeService", "Pod":
		return name + ": made anew: " + why
	case "Job":
		return name + ": runs again: " + why
	case "CronJob":
		return name + ": changed for its next runs: " + why
	}
	return name + ": rolled out: " + why
}

// objectLine is the line of an object that is no workload: "" if a workload's line says it already.
func objectLine(c profiles.Change, told map[string]bool, text string) string {
	kind := map[string]string{"ConfigMap": "config", "Secret": "secret"}[c.Kind]
	switch {
	case kind != "" && (c.Action != profiles.Update || strings.Contains(text, "content of "+kind+" "+c.Name)):
		return "" // one that is new or gone is so because of who uses it
	case kind != "":
		return kind + " " + c.Name + ": its content changed"
	case told[c.Name]:
		return ""
	case c.Action == profiles.Start:
		return c.Kind + " " + c.Name + ": added"
	case c.Action == profiles.Stop:
		return c.Kind + " " + c.Name + ": removed"
	}
	return c.Kind + " " + c.Name + ": changed: " + strings.Join(topics(c.Reasons), ", ")
}

// portLines say which host ports were added, removed or moved. name is what people call a Service.
func portLines(before, after []services.HostPort, name func(service string) string) []string {
	target := func(h services.HostPort) services.HostPort {
		return services.HostPort{Namespace: h.Namespace, Service: h.Service, Port: h.Port, Protocol: h.Protocol}
	}
	missing := func(list, other []services.HostPort) (out []services.HostPort) {
		for _, h := range list {
			if !slices.ContainsFunc(other, func(o services.HostPort) bool { return target(o) == target(h) && o.Address() == h.Address() }) {
				out = append(out, h)
			}
		}
		return out
	}
	gone, added := missing(before, after), missing(after, before)
	var out []string
	for _, h := range added {
		i := slices.IndexFunc(gone, func(o services.HostPort) bool { return target(o) == target(h) })
		if i < 0 {
			out = append(out, fmt.Sprintf("%s: host port %s added", name(h.Service), h.Address()))
			continue
		}
		out = append(out, fmt.Sprintf("%s: host port moved from %s to %s", name(h.Service), gone[i].Address(), h.Address()))
		gone = slices.Delete(gone, i, i+1)
	}
	for _, h := range gone {
		out = append(out, fmt.Sprintf("%s: host port %s removed", name(h.Service), h.Address()))
	}
	return out
}

// topics puts the reasons of a change, which are paths in Kubernetes' and Docker's types, in the words of a Compose file, each word
// once.
func topics(reasons []string) []string {
	var out, env []string
	for _, r := range reasons {
		t, key := topic(r)
		switch {
		case key != "" && !slices.Contains(env, key):
			env = append(env, key)
		case key == "" && !slices.Contains(out, t):
			out = append(out, t)
		}
	}
	if len(env) > 0 {
		out = append(slices.DeleteFunc(out, func(t string) bool { return t == "environment" }), "environment "+strings.Join(env, ", "))
	}
	return out
}

// words are the words of a Compose file for fields of Kubernetes and Docker.
var words = map[string]string{
	"env": "environment", "envFrom": "environment", "Env": "environment", "args": "command", "command": "command", "Cmd": "command",
	"Entrypoint": "entrypoint", "volumeMounts": "mounts", "volumes": "mounts", "Binds": "mounts", "Mounts": "mounts", "Tmpfs": "mounts",
	"Volumes": "mounts", "VolumesFrom": "mounts", "volumesFrom": "mounts", "volumeClaimTemplates": "mounts", "PortBindings": "ports",
	"ExposedPorts": "ports", "Healthcheck": "healthcheck", "livenessProbe": "healthcheck", "readinessProbe": "healthcheck",
	"startupProbe": "healthcheck", "RestartPolicy": "restart", "restartPolicy": "restart", "Memory": "resources", "NanoCpus": "resources",
	"LogConfig": "logging", "Labels": "labels", "files": "configs and secrets", "preStart": "hooks", "postStart": "hooks", "preStop": "hooks",
	"lifecycle": "hooks", "stopGrace": "stop_grace_period", "terminationGracePeriodSeconds": "stop_grace_period", "dependsOn": "depends_on",
	"WorkingDir": "working_dir", "workingDir": "working_dir", "User": "user", "Hostname": "hostname",
}

// topic is the subject of a reason in the words of a Compose file; of an environment variable also its name.
func topic(reason string) (text, variable string) {
	path, what, _ := strings.Cut(reason, " ")
	if strings.HasPrefix(reason, "content of ") || path == "replicas" {
		return strings.TrimSuffix(reason, " changed"), ""
	}
	switch {
	case path == "annotations."+services.RecreatedAnnotation:
		return "--force-recreate", ""
	case strings.HasPrefix(path, "annotations."+services.ImageAnnotation):
		return "image", ""
	}
	parts := strings.Split(path, ".")
	switch parts[0] {
	case "containers", "initContainers":
		if len(parts) < 3 {
			return "container " + parts[len(parts)-1] + " " + what, ""
		}
		parts = parts[2:]
	case "host", "config":
		parts = parts[min(1, len(parts)-1):]
	case "object":
		parts = parts[min(2, len(parts)-1):] // object.spec.FIELD
	}
	switch {
	case parts[0] == "image" && strings.Contains(what, "->"):
		return "image " + what, ""
	case parts[0] == "env" && len(parts) > 1:
		name := strings.Join(parts[1:], ".")
		for _, field := range []string{".value", ".valueFrom"} {
			name, _, _ = strings.Cut(name, field)
		}
		return "environment", name
	}
	if word, ok := words[parts[0]]; ok {
		return word, ""
	}
	return parts[0], ""
}
