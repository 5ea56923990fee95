package profiles

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxObjectBytes is Kubernetes' size limit for the data of a ConfigMap or Secret.
const maxObjectBytes = 1 << 20

var notKey = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// dataKey is the key of a config's or secret's content in the ConfigMap or Secret.
func dataKey(s string) string { return notKey.ReplaceAllString(s, "-") }

func (c *converter) meta(name string, d dataExt) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceDefault, Labels: d.Labels, Annotations: d.Annotations}
}

// configMaps converts the Compose configs that a service uses, and x-lyandev.configMaps, in name order.
func (c *converter) configMaps() {
	for _, name := range slices.Sorted(maps.Keys(c.top.ConfigMaps)) {
		d := c.top.ConfigMaps[name]
		c.declaredAt["ConfigMap/"+name] = keyPath{extensionKey, "configMaps", name}
		c.stack.ConfigMaps = append(c.stack.ConfigMaps, &corev1.ConfigMap{ObjectMeta: c.meta(name, d), Data: d.Data})
	}
	used := map[string]bool{}
	for _, s := range c.project.Services {
		for _, f := range s.Configs {
			if c.needsContent(s.Name, types.FileObjectConfig(c.project.Configs[f.Source])) {
				used[f.Source] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		content, ok := c.content("configs", name, types.FileObjectConfig(c.project.Configs[name]))
		if !ok {
			continue
		}
		m := &corev1.ConfigMap{ObjectMeta: c.meta(c.names.configs[name], dataExt{})}
		if utf8.Valid(content) {
			m.Data = map[string]string{dataKey(name): string(content)}
		} else {
			m.BinaryData = map[string][]byte{dataKey(name): content}
		}
		c.declaredAt["ConfigMap/"+m.Name] = keyPath{"configs", name}
		c.unique("configs", name, m.Name, slices.ContainsFunc(c.stack.ConfigMaps, func(o *corev1.ConfigMap) bool { return o.Name == m.Name }))
		c.stack.ConfigMaps = append(c.stack.ConfigMaps, m)
	}
}

// secrets converts the Compose secrets that a service mounts (not build secrets), and x-lyandev.secrets.
func (c *converter) secrets() {
	for _, name := range slices.Sorted(maps.Keys(c.top.Secrets)) {
		d := c.top.Secrets[name]
		c.declaredAt["Secret/"+name] = keyPath{extensionKey, "secrets", name}
		typ := corev1.SecretType(d.Type)
		if typ == "" {
			typ = corev1.SecretTypeOpaque
		}
		s := &corev1.Secret{ObjectMeta: c.meta(name, d), Type: typ, Data: map[string][]byte{}}
		for k, v := range d.Data {
			s.Data[k] = []byte(v)
		}
		for k, v := range d.StringData {
			s.Data[k] = []byte(v)
		}
		c.stack.Secrets = append(c.stack.Secrets, s)
	}
	used := map[string]bool{}
	for _, s := range c.project.Services {
		for _, f := range s.Secrets {
			if c.needsContent(s.Name, types.FileObjectConfig(c.project.Secrets[f.Source])) {
				used[f.Source] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		content, ok := c.content("secrets", name, types.FileObjectConfig(c.project.Secrets[name]))
		if !ok {
			continue
		}
		s := &corev1.Secret{
			ObjectMeta: c.meta(c.names.secrets[name], dataExt{}), Type: corev1.SecretTypeOpaque,
			Data: map[string][]byte{dataKey(name): content},
		}
		c.declaredAt["Secret/"+s.Name] = keyPath{"secrets", name}
		c.unique("secrets", name, s.Name, slices.ContainsFunc(c.stack.Secrets, func(o *corev1.Secret) bool { return o.Name == s.Name }))
		c.stack.Secrets = append(c.stack.Secrets, s)
	}
}

// unique reports an object of x-lyandev that has the name of a config's or secret's object.
func (c *converter) unique(section, name, object string, taken bool) {
	if taken {
		c.bad(keyPath{section, name}, "rename one", "x-lyandev declares an object named %q too", object)
	}
}

// content returns the content of a config or secret.
func (c *converter) content(section, name string, f types.FileObjectConfig) ([]byte, bool) {
	at := keyPath{section, name}
	var content []byte
	switch {
	case bool(f.External):
		c.bad(at, "give it file, content or environment", "external configs and secrets are not supported")
		return nil, false
	case f.File != "":
		raw, err := readLimited(f.File)
		if err != nil {
			c.bad(at.with("file"), "", "%v", err)
			return nil, false
		}
		content = raw
	case f.Content != "":
		content = []byte(f.Content)
	case f.Environment != "":
		v, ok := c.project.Environment[f.Environment]
		if !ok {
			c.bad(at.with("environment"), "set it in the environment or in .env", "variable %s is not set", f.Environment)
			return nil, false
		}
		content = []byte(v)
	}
	return content, true
}

func readLimited(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	if !st.Mode().IsRegular() || st.Size() > maxObjectBytes {
		return nil, fmt.Errorf("cannot use %s: it must be a file of at most %d bytes", path, maxObjectBytes)
	}
	return os.ReadFile(path)
}

// topIngresses are x-lyandev.ingresses, in name order.
func (c *converter) topIngresses() {
	for _, name := range slices.Sorted(maps.Keys(c.top.Ingresses)) {
		meta, spec := splitMeta(c.top.Ingresses[name])
		ing := &networkingv1.Ingress{ObjectMeta: meta}
		ing.Name = name
		if err := decode(spec, &ing.Spec); err != nil {
			c.bad(keyPath{extensionKey, "ingresses", name}, "", "%v", err)
		}
		c.stack.Ingresses = append(c.stack.Ingresses, ing)
	}
}

// splitMeta removes name, labels and annotations from a fragment and returns them.
func splitMeta(m map[string]any) (metav1.ObjectMeta, map[string]any) {
	meta := metav1.ObjectMeta{Namespace: metav1.NamespaceDefault}
	spec := map[string]any{}
	for k, v := range m {
		switch k {
		case "name":
			meta.Name = sprint(v)
		case "labels":
			meta.Labels = stringsMap(v)
		case "annotations":
			meta.Annotations = stringsMap(v)
		default:
			spec[k] = v
		}
	}
	return meta, spec
}

func stringsMap(v any) map[string]string {
	m, _ := v.(map[string]any)
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, e := range m {
		out[k] = sprint(e)
	}
	return out
}
