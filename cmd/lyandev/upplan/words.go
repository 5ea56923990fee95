package upplan

import (
	"slices"
	"strings"

	"github.com/lyandev/lyandev/services"
)

// recreated is the reason of a workload that is made anew because the command line asks for it.
const recreated = "--force-recreate"

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
	"ExposedPorts": "ports", "Healthcheck": "healthcheck", "livenessProbe": "liveness probe", "readinessProbe": "readiness probe",
	"startupProbe": "startup probe", "RestartPolicy": "restart", "restartPolicy": "restart", "Memory": "resources", "NanoCpus": "resources",
	"LogConfig": "logging", "Labels": "labels", "files": "configs and secrets", "preStart": "hooks", "postStart": "hooks", "preStop": "hooks",
	"lifecycle": "hooks", "stopGrace": "stop_grace_period", "terminationGracePeriodSeconds": "stop_grace_period", "dependsOn": "depends_on",
	"WorkingDir": "working_dir", "workingDir": "working_dir", "User": "user", "Hostname": "hostname",
}

// topic is the subject of a reason in the words of a Compose file; of an environment variable also its name.
func topic(reason string) (text, variable string) {
	path, what, _ := strings.Cut(reason, " ")
	if strings.HasPrefix(reason, "content of ") || strings.HasPrefix(reason, newBuild) || path == "replicas" {
		return strings.TrimSuffix(reason, " changed"), ""
	}
	switch {
	case path == "annotations."+services.RecreatedAnnotation:
		return recreated, ""
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
