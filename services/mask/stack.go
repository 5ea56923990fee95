package mask

import (
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
)

// Stack returns a copy of a stack for printing: values of Secrets and values with a secret name are masked, all other strings
// are masked as by String.
func Stack(s *services.Stack) *services.Stack {
	if s == nil {
		return nil
	}
	out := s.DeepCopy()
	w := walker{New(s)}
	w.value(reflect.ValueOf(out))
	return out
}

// walker masks in place.
type walker struct{ m *Masker }

func (w walker) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			w.value(v.Elem())
		}
	case reflect.Interface:
		// Kubernetes API objects are pointers; other values in an interface cannot be changed in place.
		if !v.IsNil() && v.Elem().Kind() == reflect.Pointer {
			w.value(v.Elem())
		}
	case reflect.Struct:
		w.structure(v)
	case reflect.Slice:
		w.slice(v)
	case reflect.Map:
		w.mapping(v)
	case reflect.String:
		if v.CanSet() {
			v.SetString(w.m.String(v.String()))
		}
	}
}

func (w walker) structure(v reflect.Value) {
	if v.CanAddr() {
		switch o := v.Addr().Interface().(type) {
		case *corev1.EnvVar:
			if SecretName(o.Name) && o.Value != "" {
				o.Value = Mask
			} else {
				o.Value = w.m.String(o.Value)
			}
			return
		case *corev1.Secret:
			for k := range o.Data {
				o.Data[k] = []byte(Mask)
			}
			for k := range o.StringData {
				o.StringData[k] = Mask
			}
			return
		}
	}
	for i := range v.NumField() {
		if f := v.Field(i); f.CanSet() {
			w.value(f)
		}
	}
}

// slice masks each element. An argument that follows a flag with a secret name is masked too.
func (w walker) slice(v reflect.Value) {
	for i := range v.Len() {
		e := v.Index(i)
		if e.Kind() == reflect.String && i > 0 {
			flag := v.Index(i - 1).String()
			if strings.HasPrefix(flag, "-") && !strings.Contains(flag, "=") && SecretName(strings.TrimLeft(flag, "-")) {
				e.SetString(Mask)
				continue
			}
		}
		w.value(e)
	}
}

// container masks what Docker is asked for a container of a plain service: the text stays valid JSON.
func (w walker) container(annotation string) string {
	c, err := compose.Decode(annotation, compose.Project)
	if err != nil {
		return Mask
	}
	w.value(reflect.ValueOf(c))
	lists := [][]string{c.Config.Env}
	for _, h := range slices.Concat(c.PostStart, c.PreStop) {
		lists = append(lists, h.Env)
	}
	for _, h := range c.PreStart {
		lists = append(lists, h.Env)
	}
	for _, env := range lists {
		for i, e := range env {
			if name, value, _ := strings.Cut(e, "="); value != "" && SecretName(name) {
				env[i] = name + "=" + Mask
			}
		}
	}
	masked, err := c.Encode()
	if err != nil {
		return Mask
	}
	return masked
}

// mapping masks the values of a map of strings, by key and by value. Maps of other types are left unchanged.
func (w walker) mapping(v reflect.Value) {
	if v.Type().Elem().Kind() != reflect.String {
		return
	}
	for _, k := range v.MapKeys() {
		text := v.MapIndex(k).String()
		if k.String() == compose.Annotation {
			v.SetMapIndex(k, reflect.ValueOf(w.container(text)))
			continue
		}
		masked := w.m.String(text)
		if SecretName(k.String()) && text != "" {
			masked = Mask
		}
		if masked != text {
			v.SetMapIndex(k, reflect.ValueOf(masked).Convert(v.Type().Elem()))
		}
	}
}
