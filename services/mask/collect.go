package mask

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// collect returns the distinct secret values of a stack.
func collect(s *services.Stack) []string {
	if s == nil {
		return nil
	}
	var out []string
	add := func(v string) {
		v = strings.TrimSpace(v)
		if v != "" && v != Mask && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	named := func(name, value string) {
		if SecretName(name) {
			add(value)
		}
		for _, p := range urlPasswords(value) {
			add(p)
		}
	}
	for _, v := range secretValues(s) {
		add(v)
	}
	for _, m := range s.ConfigMaps {
		for k, v := range m.Data {
			named(k, v)
		}
	}
	for _, w := range s.Workloads {
		for _, c := range containers(w) {
			for _, e := range c.Env {
				named(e.Name, resolve(s, e))
			}
		}
		for k, v := range w.Options {
			named(k, v)
		}
		if w.Test != nil {
			for k, v := range w.Test.Env {
				named(k, v)
			}
		}
	}
	for _, b := range s.Builds {
		for k, v := range b.Args {
			named(k, v)
		}
	}
	return out
}

// secretValues are the values of the stack's Secrets and of its builds' secrets.
func secretValues(s *services.Stack) []string {
	var out []string
	for _, sec := range s.Secrets {
		for _, v := range sec.Data {
			out = append(out, string(v))
		}
		out = slices.AppendSeq(out, maps.Values(sec.StringData))
	}
	for _, b := range s.Builds {
		out = slices.AppendSeq(out, maps.Values(b.SecretValues))
	}
	return out
}

func containers(w *services.Workload) []corev1.Container {
	spec := w.PodSpec()
	return slices.Concat(spec.InitContainers, spec.Containers)
}

// resolve returns a variable's value, also from a ConfigMap. Values of Secrets are collected separately.
func resolve(s *services.Stack, e corev1.EnvVar) string {
	if e.ValueFrom == nil || e.ValueFrom.ConfigMapKeyRef == nil {
		return e.Value
	}
	for _, m := range s.ConfigMaps {
		if m.Name == e.ValueFrom.ConfigMapKeyRef.Name {
			return m.Data[e.ValueFrom.ConfigMapKeyRef.Key]
		}
	}
	return ""
}

var userinfo = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s:/@"']*:([^\s/@"']+)@`)

// urlPasswords returns the passwords of the URLs in a text, as written and unescaped.
func urlPasswords(text string) []string {
	var out []string
	for _, m := range userinfo.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
		if plain, err := url.PathUnescape(m[1]); err == nil && plain != m[1] {
			out = append(out, plain)
		}
	}
	return out
}

// ordinary returns the words that the stack uses for other things: names of objects, users, databases.
func ordinary(s *services.Stack) map[string]bool {
	out := map[string]bool{"": true, "password": true}
	if s == nil {
		return out
	}
	add := func(words ...string) {
		for _, w := range words {
			out[strings.ToLower(w)] = true
		}
	}
	add(s.Name, s.Profile)
	for _, w := range s.Workloads {
		add(w.Name(), w.Operator)
		for _, c := range containers(w) {
			add(c.Name, c.Image)
			for _, e := range c.Env {
				if v := resolve(s, e); !SecretName(e.Name) && !strings.ContainsAny(v, ":/@ ") {
					add(v)
				}
			}
		}
	}
	for _, v := range s.Services {
		add(v.Name)
	}
	for _, m := range s.ConfigMaps {
		add(m.Name)
		for k, v := range m.Data {
			if !SecretName(k) && !strings.ContainsAny(v, ":/@ ") {
				add(v)
			}
		}
	}
	for _, v := range s.Secrets {
		add(v.Name)
	}
	for _, b := range s.Builds {
		add(b.Name, b.Image)
	}
	return out
}
