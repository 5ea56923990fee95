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

// Advise says what people should know of a stack though nothing is wrong now, a sentence each: which services have rights on
// this machine that containers do not have otherwise, and which ask Sentinel for the master and do not say with restartOn
// what that means for them. Many clients ask only once.
func Advise(stack *services.Stack) []string {
	out := adviseRights(stack)
	sentinels := sentinelServices(stack)
	for _, w := range stack.Workloads {
		if w.Operator == "redis" || w.RestartOn != nil { // an empty list says that it has been thought of
			continue
		}
		for _, name := range sentinels {
			if env := namesHost(stack, w, name); env != "" {
				out = append(out, fmt.Sprintf("%s asks Sentinel (%s names %s): if it does so only at its start it keeps a master that failed over; "+
					"`restartOn: [%s]` in its x-lyandev restarts it then", w.Name(), env, name, masterChanged))
				break
			}
		}
	}
	return out
}

// sentinelServices are the Services that lead to pods which the redis operator has for sentinels.
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

// namesHost is the variable of a workload whose value has the host in it, "" if none has.
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
