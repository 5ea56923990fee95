package provider

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
)

// complete puts what a provider said into a dependent's environment: NAME=VALUE as SERVICE_NAME, raw variables as they are.
func complete(x *services.Workload, service string, a answer) error {
	set := maps.Clone(a.raw)
	for k, v := range a.prefixed {
		set[strings.ToUpper(service)+"_"+k] = v
	}
	return setEnvironment(x, func(env map[string]string) { maps.Copy(env, set) })
}

// setEnvironment changes the literal variables of a workload's containers.
func setEnvironment(x *services.Workload, change func(env map[string]string)) error {
	for i := range x.PodSpec().Containers {
		c := &x.PodSpec().Containers[i]
		env := map[string]string{}
		for _, e := range c.Env {
			if e.ValueFrom == nil {
				env[e.Name] = e.Value
			}
		}
		change(env)
		c.Env = merged(c.Env, env)
	}
	text, plain := x.PodMeta().Annotations[compose.Annotation]
	if !plain {
		return nil
	}
	c, err := compose.Decode(text, compose.Project)
	if err != nil {
		return fmt.Errorf("%s: cannot set the environment of service %s: %w", x.Source, x.DisplayName(), err)
	}
	env := map[string]string{}
	var unset []string
	for _, e := range c.Config.Env {
		if name, value, has := strings.Cut(e, "="); has {
			env[name] = value
		} else {
			unset = append(unset, e)
		}
	}
	change(env)
	c.Config.Env = nil
	for name, value := range env {
		c.Config.Env = append(c.Config.Env, name+"="+value)
	}
	for _, name := range unset {
		if _, now := env[name]; !now {
			c.Config.Env = append(c.Config.Env, name)
		}
	}
	slices.Sort(c.Config.Env)
	if text, err = c.Encode(); err != nil {
		return err
	}
	x.PodMeta().Annotations[compose.Annotation] = text
	return nil
}

// merged is an environment with the values of a map: those it has in their places, the others after them, sorted.
func merged(list []corev1.EnvVar, env map[string]string) []corev1.EnvVar {
	out := slices.Clone(list)
	left := maps.Clone(env)
	for i := range out {
		if v, ok := left[out[i].Name]; ok {
			out[i] = corev1.EnvVar{Name: out[i].Name, Value: v}
			delete(left, out[i].Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		out = append(out, corev1.EnvVar{Name: name, Value: left[name]})
	}
	return out
}
