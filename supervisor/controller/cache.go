package controller

import corev1 "k8s.io/api/core/v1"

// Cache keeps what was computed from pod templates, which is most of the work of a look at which nothing changed. Its zero value
// is ready; nil is a cache that keeps nothing. Plans are the same with and without one.
//
// Entries are found by the address of the template in the view's object. A caller that keeps a Cache between looks must
// therefore never change an object that was in a view: it puts a changed copy in its place. What a look did not use is forgotten
// at the next but one. A Cache serves one look at a time.
type Cache struct {
	same   memo[templatePair, bool]
	hashes memo[hashKey, string]
	data   memo[*corev1.PodTemplateSpec, string]
}

type templatePair struct{ a, b *corev1.PodTemplateSpec }

// hashKey is what a template's hash is made of; collisions is -1 for none.
type hashKey struct {
	template   *corev1.PodTemplateSpec
	collisions int64
}

// begin starts a look.
func (c *Cache) begin() {
	if c != nil {
		c.same.age()
		c.hashes.age()
		c.data.age()
	}
}

// sameTemplate is sameTemplate, remembered.
func (c *Cache) sameTemplate(a, b *corev1.PodTemplateSpec) bool {
	if c == nil {
		return sameTemplate(a, b)
	}
	return c.same.get(templatePair{a, b}, func() bool { return sameTemplate(a, b) })
}

// templateHash is TemplateHash, remembered.
func (c *Cache) templateHash(t *corev1.PodTemplateSpec, collisions *int32) string {
	if c == nil {
		return TemplateHash(t, collisions)
	}
	key := hashKey{t, -1}
	if collisions != nil {
		key.collisions = int64(*collisions)
	}
	return c.hashes.get(key, func() string { return TemplateHash(t, collisions) })
}

// templateData is templateData, remembered.
func (c *Cache) templateData(t *corev1.PodTemplateSpec) string {
	if c == nil {
		return templateData(t)
	}
	return c.data.get(t, func() string { return templateData(t) })
}

// memo remembers the results of a function for as long as looks ask for them.
type memo[K comparable, V any] struct{ used, former map[K]V }

// age forgets what was not asked for since the last call.
func (m *memo[K, V]) age() {
	m.used, m.former = m.former, m.used
	clear(m.used)
}

func (m *memo[K, V]) get(key K, compute func() V) V {
	v, known := m.used[key]
	if known {
		return v
	}
	if v, known = m.former[key]; !known {
		v = compute()
	}
	if m.used == nil {
		m.used = map[K]V{}
	}
	m.used[key] = v
	return v
}
