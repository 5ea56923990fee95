package profiles

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// volumes converts Compose's mounts: named volumes to claims, anonymous volumes and tmpfs to emptyDir, bind mounts to hostPath,
// configs and secrets to single files.
func (p *pod) volumes(c *corev1.Container, s types.ServiceConfig, ext serviceExt) {
	at := keyPath{"services", s.Name}
	for i, v := range s.Volumes {
		p.mount(c, s, ext, v, at.with("volumes", index(i)))
	}
	for i, t := range s.Tmpfs {
		target, opts, _ := strings.Cut(t, ":")
		p.memory(c, s.Name, target, tmpfsSize(opts), at.with("tmpfs", index(i)))
	}
	if s.ShmSize > 0 {
		p.memory(c, s.Name, "/dev/shm", int64(s.ShmSize), at.with("shm_size"))
	}
	p.files(c, s)
}

func (p *pod) mount(c *corev1.Container, s types.ServiceConfig, ext serviceExt, v types.ServiceVolumeConfig, at keyPath) {
	m := corev1.VolumeMount{MountPath: v.Target, ReadOnly: v.ReadOnly}
	switch v.Type {
	case types.VolumeTypeVolume:
		if v.Volume != nil {
			m.SubPath = v.Volume.Subpath
		}
		if v.Source == "" {
			m.Name = p.volume(p.c.workloadName(s.Name)+pathName(v.Target), corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}})
		} else {
			m.Name = p.claim(v.Source, ext, at)
		}
	case types.VolumeTypeBind:
		src, err := p.hostPath(v, at)
		if err != nil {
			p.c.bad(at, "mount a directory of the project, or copy the required files into it", "%v", err)
			return
		}
		m.Name = p.volume(p.c.workloadName(s.Name)+pathName(v.Target), corev1.VolumeSource{HostPath: src})
	case types.VolumeTypeTmpfs:
		size := int64(0)
		if v.Tmpfs != nil {
			size = int64(v.Tmpfs.Size)
		}
		p.memory(c, s.Name, v.Target, size, at)
		return
	case types.VolumeTypeImage:
		m.Name = p.volume(p.c.workloadName(s.Name)+pathName(v.Target), corev1.VolumeSource{Image: &corev1.ImageVolumeSource{Reference: v.Source}})
	default:
		p.c.note(at, "ignored: volumes of type %s are not supported", v.Type)
		return
	}
	c.VolumeMounts = append(c.VolumeMounts, m)
}

// volume adds a volume unless the pod already has it, and returns its name.
func (p *pod) volume(name string, src corev1.VolumeSource) string {
	name = strings.Trim(name[:min(len(name), 63)], "-")
	if !slices.ContainsFunc(p.spec.Volumes, func(v corev1.Volume) bool { return v.Name == name }) {
		p.spec.Volumes = append(p.spec.Volumes, corev1.Volume{Name: name, VolumeSource: src})
	}
	return name
}

// claim converts a named volume: to a volume claim template in a StatefulSet, so that every pod has its own, else to one shared
// claim.
func (p *pod) claim(source string, ext serviceExt, at keyPath) string {
	name := p.c.names.volumes[source]
	owned := p.kind == "StatefulSet" && (ext.VolumeClaims == nil || slices.Contains(*ext.VolumeClaims, source))
	if !owned {
		return p.volume(name, corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name}})
	}
	if vol := p.c.project.Volumes[source]; bool(vol.External) || vol.Driver != "" && vol.Driver != "local" || len(vol.DriverOpts) > 0 {
		p.c.note(keyPath{"volumes", source}, "approximated: each pod of %s has a volume of its own; external, driver and name are ignored", p.name)
	}
	for _, other := range slices.Sorted(maps.Keys(p.c.plain)) {
		if p.c.plain[other] && mountsVolume(p.c.project.Services[other], source) {
			p.c.note(at, "approximated: each pod of %s has a volume of its own, which %s does not see; leave %s out of x-lyandev.volumeClaims to share it",
				p.name, other, source)
		}
	}
	if !slices.ContainsFunc(p.claims, func(c corev1.PersistentVolumeClaim) bool { return c.Name == name }) {
		p.claims = append(p.claims, corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: corev1.PersistentVolumeClaimSpec{
				AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				Resources: corev1.VolumeResourceRequirements{
					Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
				},
			},
		})
	}
	return name
}

// memory mounts an in-memory directory. size is in bytes; 0 means no limit.
func (p *pod) memory(c *corev1.Container, service, target string, size int64, at keyPath) {
	dir := &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}
	if size > 0 {
		dir.SizeLimit = resource.NewQuantity(size, resource.BinarySI)
	} else if size < 0 {
		p.c.note(at, "ignored: the size cannot be parsed")
	}
	name := p.volume(p.c.workloadName(service)+pathName(target), corev1.VolumeSource{EmptyDir: dir})
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: target})
}

// tmpfsSize parses size= of Compose's short syntax, in bytes; -1 if it cannot be parsed.
func tmpfsSize(opts string) int64 {
	for _, o := range strings.Split(opts, ",") {
		if v, ok := strings.CutPrefix(o, "size="); ok {
			n, err := units.RAMInBytes(v)
			if err != nil {
				return -1
			}
			return n
		}
	}
	return 0
}

// forbiddenMounts are host paths that give control over the host. They and their parent directories cannot be mounted.
var forbiddenMounts = []string{"/", "/etc", "/proc", "/sys", "/dev", "/boot", "/root", "/usr", "/bin", "/sbin", "/lib", "/var/run/docker.sock", "/run/docker.sock"}

// hostPath checks a bind mount. A relative path must stay inside the project after symbolic links are resolved. An absolute
// path may be anywhere except in forbiddenMounts.
func (p *pod) hostPath(v types.ServiceVolumeConfig, at keyPath) (*corev1.HostPathVolumeSource, error) {
	real, err := resolved(v.Source)
	if err != nil {
		return nil, fmt.Errorf("cannot resolve %s: %w", v.Source, err)
	}
	for _, f := range forbiddenMounts {
		for _, candidate := range []string{path.Clean(v.Source), real} {
			within := f != "/" && strings.HasPrefix(candidate, f+"/") && f != "/usr" && f != "/root"
			if candidate == f || within || f != "/" && strings.HasPrefix(f, candidate+"/") && candidate != "/var" {
				return nil, fmt.Errorf("mounting %s of the host into a container is not allowed", candidate)
			}
		}
	}
	root, err := resolved(p.c.l.o.WorkDir)
	if err != nil {
		return nil, fmt.Errorf("cannot resolve %s: %w", p.c.l.o.WorkDir, err)
	}
	inside := real == root || strings.HasPrefix(real, root+string(filepath.Separator))
	if !inside && !p.c.writtenAbsolute(at) {
		return nil, fmt.Errorf("%s resolves to %s, outside the project directory", v.Source, real)
	}
	// A directory that may be created has the same type whether it exists or not: it exists at the next load, and that must
	// not change the pod template.
	kind, create := corev1.HostPathUnset, v.Bind != nil && bool(v.Bind.CreateHostPath)
	info, err := os.Stat(real)
	switch {
	case err != nil && !create:
		return nil, fmt.Errorf("%s does not exist", v.Source)
	case create && (err != nil || info.IsDir()):
		kind = corev1.HostPathDirectoryOrCreate
	}
	return &corev1.HostPathVolumeSource{Path: real, Type: &kind}, nil
}

// writtenAbsolute reports whether the path is absolute (or starts with ~) in the file itself, before resolving.
func (c *converter) writtenAbsolute(at keyPath) bool {
	for i := len(c.l.loc.sources) - 1; i >= 0; i-- {
		it := c.l.loc.sources[i].root.get(at...)
		if it == nil {
			continue
		}
		src := it.str()
		if s := it.get("source"); s != nil {
			src = s.str()
		}
		return strings.HasPrefix(src, "/") || strings.HasPrefix(src, "~")
	}
	return false
}

// resolved resolves symbolic links as far as the path exists.
func resolved(p string) (string, error) {
	p = filepath.Clean(p)
	if real, err := filepath.EvalSymlinks(p); err == nil {
		return real, nil
	} else if !os.IsNotExist(err) {
		return "", err
	}
	if filepath.Dir(p) == p {
		return p, nil
	}
	parent, err := resolved(filepath.Dir(p))
	if err != nil {
		return "", err
	}
	return filepath.Join(parent, filepath.Base(p)), nil
}

// pathName converts a path in a container to a part of a volume name.
func pathName(target string) string {
	var b strings.Builder
	b.WriteByte('-')
	for _, r := range strings.ToLower(strings.Trim(target, "/")) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else {
			b.WriteByte('-')
		}
	}
	return b.String()
}

// files mounts configs and secrets, each as one file.
func (p *pod) files(c *corev1.Container, s types.ServiceConfig) {
	for i, f := range s.Configs {
		target := f.Target
		if target == "" {
			target = "/" + f.Source
		}
		obj := p.c.names.configs[f.Source]
		p.file(c, types.FileReferenceConfig(f), target, "config-"+obj, keyPath{"services", s.Name, "configs", index(i)}, func(items []corev1.KeyToPath) corev1.VolumeSource {
			return corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: obj}, Items: items}}
		})
	}
	for i, f := range s.Secrets {
		target := f.Target
		if target == "" {
			target = f.Source
		}
		if !strings.HasPrefix(target, "/") {
			target = "/run/secrets/" + target
		}
		obj := p.c.names.secrets[f.Source]
		p.file(c, types.FileReferenceConfig(f), target, "secret-"+obj, keyPath{"services", s.Name, "secrets", index(i)}, func(items []corev1.KeyToPath) corev1.VolumeSource {
			return corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: obj, Items: items}}
		})
	}
}

func (p *pod) file(c *corev1.Container, f types.FileReferenceConfig, target, volume string, at keyPath, source func([]corev1.KeyToPath) corev1.VolumeSource) {
	key := dataKey(f.Source)
	item := corev1.KeyToPath{Key: key, Path: key}
	if f.Mode != nil {
		mode := int32(*f.Mode) & 0o777
		item.Mode = &mode
		volume += "-" + strconv.FormatInt(int64(mode), 8)
	}
	if (f.UID != "" && f.UID != "0") || (f.GID != "" && f.GID != "0") {
		p.c.note(at, "ignored: uid and gid of a mounted file (set mode or pod.securityContext.fsGroup)")
	}
	name := p.volume(volume, source([]corev1.KeyToPath{item}))
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: target, SubPath: key, ReadOnly: true})
}
