package profiles

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/tree"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// check validates every document and every profile, active or not, against Compose's schema, the schema of x-lyandev and
// the Kubernetes API types.
func (l *load) check() error {
	sets, err := loadSchemas()
	if err != nil {
		return err
	}
	c := checker{l: l, compose: sets[composeURL], ext: sets[extensionURL]}
	for i, d := range l.docs {
		c.document(d.root, nil, i > 0 || len(l.docs) > 1)
	}
	for _, d := range l.related {
		if d.included {
			c.document(d.root, nil, true)
		} else if m := d.root.get("services"); m.isMap() {
			view := newMapping(d.root.pos)
			view.set("services", d.root.keyPos["services"], only(m, d.extended))
			c.document(view, nil, true)
		}
	}
	for _, name := range l.order {
		for _, f := range l.profiles[name].fragments {
			c.document(f.root, f.prefix, true)
			c.strangers(f)
		}
		l.follow(l.profiles[name], nil, new([]*profile))
	}
	return nil
}

type checker struct {
	l            *load
	compose, ext *schemaSet
}

// document checks one tree. A partial tree is merged over another one, so required fields may be missing in it.
func (c checker) document(root *item, prefix keyPath, partial bool) {
	if !root.isMap() {
		if root != nil && (root.value != nil || root.isList) {
			c.l.p.at(root.pos, prefix, "", "must be a mapping")
		}
		return
	}
	view := root
	if len(prefix) > 0 {
		view = only(root, fragmentKeys)
	}
	c.report(validate(c.compose, "", view), root, prefix, partial)
	c.scalars(root.get("services"), tree.NewPath("services"), prefix.with("services"))
	if ext := root.get(extensionKey); ext != nil {
		c.top(ext, prefix.with(extensionKey), len(prefix) > 0)
	}
	services := root.get("services")
	if !services.isMap() {
		return
	}
	for _, name := range services.keys {
		c.watchTargets(services.fields[name], prefix.with("services", name))
		c.mounts(services.fields[name], prefix.with("services", name))
		c.extended(services.fields[name], prefix.with("services", name))
		path := prefix.with("services", name, extensionKey)
		if ext := services.get(name, extensionKey); ext != nil && !c.beside(services.fields[name], ext, path) {
			c.service(name, ext, path, partial)
		}
	}
}

// beside reports whether a service's x-lyandev is empty because its keys are not indented; they are reported.
func (c checker) beside(service, ext *item, path keyPath) bool {
	empty := !ext.isMap() && !ext.isList && ext.value == nil && slices.ContainsFunc(service.keys, func(k string) bool {
		return c.belongsToExtension(keyPath{"services", "", k})
	})
	if empty {
		c.l.p.spoil(damage{file: ext.pos.file, pos: ext.pos, path: path})
	}
	return empty
}

func only(it *item, keys []string) *item {
	out := newMapping(it.pos)
	for _, k := range it.keys {
		if slices.Contains(keys, k) {
			out.set(k, it.keyPos[k], it.fields[k])
		}
	}
	return out
}

func (c checker) report(found []violation, root *item, prefix keyPath, partial bool) {
	for _, v := range found {
		if _, ok := v.kind.(*kind.Required); ok && partial {
			continue
		}
		pos, depth, shown := root.find(v.path)
		path := prefix.with(append(shown, v.path[depth:]...)...)
		it := root.get(v.path...)
		if it != nil {
			if s, ok := it.value.(string); ok && strings.Contains(s, "${") {
				continue // a variable of an inactive profile
			}
		}
		if c.l.p.has(pos, path) {
			continue // the substitution of variables said it already
		}
		d := damage{pos: pos, path: path}
		if v.message == unknownKey {
			c.unknown(&d, &v, root)
		} else {
			v.message += replacement(it)
			if v.hint == "" {
				v.hint = formHint(modelPath(path))
			}
		}
		c.l.p.say(d, Error{Path: path.String(), Message: v.message, Hint: v.hint})
	}
}

// unknown completes the error of an unknown key: its place is the key, and the hint says where the key belongs.
func (c checker) unknown(d *damage, v *violation, root *item) {
	last := len(v.path) - 1
	if parent := root.get(v.path[:last]...); parent.isMap() {
		d.pos = parent.keyPos[v.path[last]]
	}
	key := v.path[last]
	switch {
	case last == 1 && v.path[0] == "services":
		v.message, v.hint = "this cannot be the name of a service", "use letters, digits, '.', '_' and '-'"
	case c.belongsToExtension(v.path):
		v.hint = key + " belongs under " + extensionKey + ": indent it"
	case last == 0 && isService(root.get(key)):
		v.hint = key + " belongs under services: indent it"
	default:
		d.rename = v.nearest
	}
}

// watchTargets reports the rules of develop.watch that copy files and do not say where to.
func (c checker) watchTargets(service *item, path keyPath) {
	rules := service.get("develop", "watch")
	if rules == nil {
		return
	}
	for i, rule := range rules.list {
		action := rule.get("action").str()
		if rule.isMap() && strings.HasPrefix(action, "sync") && rule.get("target") == nil {
			c.l.p.at(rule.pos, path.with("develop", "watch", index(i)), "write target: the path in the container that the files are copied to",
				"%s copies files and needs a target", action)
		}
	}
}

// isService reports whether a value looks like a service.
func isService(it *item) bool { return it.get("image") != nil || it.get("build") != nil }

// strangers reports services of a profile's fragment that the file does not have, and that are not complete themselves.
func (c checker) strangers(f fragment) {
	m := f.root.get("services")
	if !m.isMap() {
		return
	}
	for _, name := range slices.Clone(m.keys) {
		if names, known := c.declares(name); !known {
			path := f.prefix.with("services", name)
			c.l.p.say(damage{pos: m.keyPos[name], path: path, rename: Nearest(name, names)}, Error{
				Path: path.String(), Message: fmt.Sprintf("there is no service %q that the profile could change, and it has neither image nor build", name),
				Hint: didYouMean(name, names),
			})
		}
	}
}

// declares reports whether the files, or a profile, declare a service; if not, it returns the names that they do declare.
func (c checker) declares(name string) (names []string, known bool) {
	var roots []*item
	for _, d := range slices.Concat(c.l.docs, c.l.related) {
		roots = append(roots, d.root)
		if m := d.root.get("services"); m.isMap() {
			names = appendNew(names, m.keys...)
		}
	}
	if slices.Contains(names, name) {
		return nil, true
	}
	for _, pr := range c.l.profiles {
		for _, f := range pr.fragments {
			roots = append(roots, f.root)
		}
	}
	return names, slices.ContainsFunc(roots, func(root *item) bool {
		s := root.get("services", name)
		return isService(s) || s.get("extends") != nil || s.get("provider") != nil || s != nil && !s.isMap()
	})
}

// belongsToExtension reports whether an unknown key of a service is one of x-lyandev's: it is probably not indented enough.
func (c checker) belongsToExtension(path keyPath) bool {
	return len(path) == 3 && path[0] == "services" && slices.Contains(c.ext.properties("#/$defs/service"), path[2])
}

func (c checker) top(ext *item, path keyPath, inProfile bool) {
	c.report(validate(c.ext, "", ext), ext, path, false)
	if !ext.isMap() {
		return
	}
	if inProfile {
		for _, k := range []string{versionKey, "profiles", "defaultProfile"} {
			if it := ext.get(k); it != nil {
				c.l.p.at(ext.keyPos[k], path.with(k), "set it in the top-level x-lyandev", "a profile cannot have %s", k)
			}
		}
	}
	each := func(key string, t reflect.Type) {
		m := ext.get(key)
		if !m.isMap() {
			return
		}
		for _, name := range m.keys {
			typeCheck{p: &c.l.p, extra: []string{"labels", "annotations"}}.check(m.fields[name], m.keyPos[name], t, path.with(key, name))
		}
	}
	each("services", reflect.TypeFor[corev1.ServiceSpec]())
	each("ingresses", reflect.TypeFor[networkingv1.IngressSpec]())
}

// kubeFields are the parts of a service's x-lyandev that are Kubernetes types.
var kubeFields = []struct {
	path keyPath
	typ  reflect.Type
}{
	{keyPath{"env"}, reflect.TypeFor[[]corev1.EnvVar]()},
	{keyPath{"envFrom"}, reflect.TypeFor[[]corev1.EnvFromSource]()},
	{keyPath{"probes", "liveness"}, reflect.TypeFor[corev1.Probe]()},
	{keyPath{"probes", "readiness"}, reflect.TypeFor[corev1.Probe]()},
	{keyPath{"probes", "startup"}, reflect.TypeFor[corev1.Probe]()},
	{keyPath{"lifecycle"}, reflect.TypeFor[corev1.Lifecycle]()},
	{keyPath{"resources"}, reflect.TypeFor[corev1.ResourceRequirements]()},
	{keyPath{"securityContext"}, reflect.TypeFor[corev1.SecurityContext]()},
	{keyPath{"initContainers"}, reflect.TypeFor[[]corev1.Container]()},
	{keyPath{"sidecars"}, reflect.TypeFor[[]corev1.Container]()},
	{keyPath{"pod"}, reflect.TypeFor[corev1.PodSpec]()},
	{keyPath{"container"}, reflect.TypeFor[corev1.Container]()},
}

func (c checker) service(name string, ext *item, path keyPath, partial bool) {
	c.report(validate(c.ext, "#/$defs/service", ext), ext, path, partial)
	for _, f := range kubeFields {
		if it := ext.get(f.path...); it != nil {
			typeCheck{p: &c.l.p}.check(it, it.pos, f.typ, path.with(f.path...))
		}
	}
	if it := ext.get("spec"); it != nil {
		typeCheck{p: &c.l.p}.check(it, it.pos, specType(c.kindOf(name, ext)), path.with("spec"))
	}
	service := typeCheck{p: &c.l.p, extra: []string{"name", "labels", "annotations"}}
	switch it := ext.get("service"); {
	case it.isMap():
		service.check(it, it.pos, reflect.TypeFor[corev1.ServiceSpec](), path.with("service"))
	case it != nil && it.isList:
		for i, e := range it.list {
			service.check(e, e.pos, reflect.TypeFor[corev1.ServiceSpec](), path.with("service", index(i)))
		}
	}
}

// kindOf is the kind that a service's x-lyandev declares, in this or another document.
func (c checker) kindOf(name string, ext *item) string {
	if k := ext.get("kind"); k != nil {
		return k.str()
	}
	for _, s := range c.l.loc.sources {
		if k := s.root.get("services", name, extensionKey, "kind"); k != nil {
			return k.str()
		}
	}
	return "Deployment"
}

func specType(kind string) reflect.Type {
	switch kind {
	case "StatefulSet":
		return reflect.TypeFor[appsv1.StatefulSetSpec]()
	case "DaemonSet":
		return reflect.TypeFor[appsv1.DaemonSetSpec]()
	case "ReplicaSet":
		return reflect.TypeFor[appsv1.ReplicaSetSpec]()
	case "Pod":
		return reflect.TypeFor[corev1.PodSpec]()
	case "Job":
		return reflect.TypeFor[batchv1.JobSpec]()
	case "CronJob":
		return reflect.TypeFor[batchv1.CronJobSpec]()
	}
	return reflect.TypeFor[appsv1.DeploymentSpec]()
}
