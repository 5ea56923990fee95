package explain

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/lyandev/lyandev/services"
)

const masterChanged = "redis-master-changed"

// Advise returns warnings about a stack's configuration, one sentence each, which hold even while the stack is healthy:
// services with host privileges that containers do not have by default, and services that ask Sentinel for the Redis master
// but do not set restartOn. Many Sentinel clients look the master up only once, at startup.
func Advise(stack *services.Stack) []string {
	out := adviseRights(stack)
	sentinels := sentinelServices(stack)
	for _, w := range stack.Workloads {
		if w.Operator == "redis" || w.RestartOn != nil { // an empty list is a deliberate "no restart"
			continue
		}
		for _, name := range sentinels {
			if env := namesHost(stack, w, name); env != "" {
				out = append(out, fmt.Sprintf("%s asks Sentinel (%s names %s): if it looks the master up only at startup, it keeps using the old master after a failover; "+
					"set `restartOn: [%s]` in its x-lyandev to restart it on failover", w.Name(), env, name, masterChanged))
				break
			}
		}
	}
	return out
}

// sentinelServices returns the names of the Services that select the redis operator's sentinel pods.
func sentinelServices(stack *services.Stack) []string {
	var out []string
	for _, v := range stack.Services {
		if len(v.Spec.Selector) == 0 {
			continue
		}
		selector := labels.SelectorFromSet(v.Spec.Selector)
		for _, w := range stack.Workloads {
			if w.Operator == "redis" && isSentinel(w) && selector.Matches(labels.Set(w.PodMeta().Labels)) {
				out = append(out, v.Name)
				break
			}
		}
	}
	return out
}

func isSentinel(w *services.Workload) bool {
	if role := w.Options["role"]; role != "" {
		return role == "sentinel"
	}
	for _, c := range w.PodSpec().Containers {
		if strings.Contains(strings.Join(append(slices.Clone(c.Command), c.Args...), " "), "sentinel") {
			return true
		}
		for _, e := range c.Env {
			if e.Name == "REDIS_MODE" && e.Value == "sentinel" {
				return true
			}
		}
	}
	return false
}

// namesHost returns the name of the first environment variable of w whose value contains host, "" if there is none.
func namesHost(stack *services.Stack, w *services.Workload, host string) string {
	word := regexp.MustCompile(`(^|[/@,;= ])` + regexp.QuoteMeta(host) + `($|[.:/,; ])`)
	for _, c := range w.PodSpec().Containers {
		for _, e := range c.Env {
			if word.MatchString(valueOf(stack, e)) {
				return e.Name
			}
		}
		for _, from := range c.EnvFrom {
			if from.ConfigMapRef == nil {
				continue
			}
			for _, m := range stack.ConfigMaps {
				for _, k := range sortedKeys(m.Data) {
					if m.Name == from.ConfigMapRef.Name && word.MatchString(m.Data[k]) {
						return from.Prefix + k
					}
				}
			}
		}
	}
	return ""
}

func valueOf(stack *services.Stack, e corev1.EnvVar) string {
	if e.ValueFrom == nil || e.ValueFrom.ConfigMapKeyRef == nil {
		return e.Value
	}
	for _, m := range stack.ConfigMaps {
		if m.Name == e.ValueFrom.ConfigMapKeyRef.Name {
			return m.Data[e.ValueFrom.ConfigMapKeyRef.Key]
		}
	}
	return ""
}
