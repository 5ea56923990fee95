package pod

import (
	"fmt"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
)

// VolumeFiles are the contents of the pod's configMap, secret, downwardAPI and projected volumes, by volume name (R142,
// R143). Volumes of other kinds, and those that no container mounts, have no entry. It is pure. A missing object or key
// that is not optional is an error.
func VolumeFiles(in EnvInput) (map[string]Files, error) {
	out, mounted := map[string]Files{}, mountedVolumes(&in.Pod.Spec)
	for i := range in.Pod.Spec.Volumes {
		v := &in.Pod.Spec.Volumes[i]
		if !mounted[v.Name] {
			continue
		}
		files, mine, err := volumeFiles(in, &v.VolumeSource)
		if err != nil {
			return nil, fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", v.Name, err)
		}
		if mine {
			out[v.Name] = files
		}
	}
	return out, nil
}

// mountedVolumes names the volumes that some container mounts. The kubelet looks at no others.
func mountedVolumes(spec *corev1.PodSpec) map[string]bool {
	out := map[string]bool{}
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			for _, m := range list[i].VolumeMounts {
				out[m.Name] = true
			}
		}
	}
	return out
}

const defaultFileMode = 0o644

func modeOf(m *int32, otherwise int32) int32 {
	if m != nil {
		return *m
	}
	return otherwise
}

func volumeFiles(in EnvInput, v *corev1.VolumeSource) (files Files, mine bool, err error) {
	files = Files{}
	switch {
	case v.ConfigMap != nil:
		s := v.ConfigMap
		err = files.configMap(in, s.Name, s.Items, optional(s.Optional), modeOf(s.DefaultMode, defaultFileMode))
	case v.Secret != nil:
		s := v.Secret
		err = files.secret(in, s.SecretName, s.Items, optional(s.Optional), modeOf(s.DefaultMode, defaultFileMode))
	case v.DownwardAPI != nil:
		err = files.downward(in, v.DownwardAPI.Items, modeOf(v.DownwardAPI.DefaultMode, defaultFileMode))
	case v.Projected != nil:
		err = files.projected(in, v.Projected)
	default:
		return nil, false, nil
	}
	return files, true, err
}

func (f Files) configMap(in EnvInput, name string, items []corev1.KeyToPath, opt bool, mode int32) error {
	cm, ok := in.Objects.ConfigMap(name)
	if !ok {
		if opt {
			return nil
		}
		return fmt.Errorf("configmaps %q not found", name)
	}
	data := map[string][]byte{}
	for k, v := range cm.BinaryData {
		data[k] = v
	}
	for k, v := range cm.Data {
		data[k] = []byte(v)
	}
	return f.keys(data, items, opt, mode, "configmap references non-existent config key")
}

func (f Files) secret(in EnvInput, name string, items []corev1.KeyToPath, opt bool, mode int32) error {
	s, ok := in.Objects.Secret(name)
	if !ok {
		if opt {
			return nil
		}
		return fmt.Errorf("secrets %q not found", name)
	}
	data := map[string][]byte{}
	for k, v := range secretText(s) {
		data[k] = []byte(v)
	}
	return f.keys(data, items, opt, mode, "references non-existent secret key")
}

// keys lays the keys of an object, all of them or the listed ones; missing is how the error for one that is not there begins.
func (f Files) keys(data map[string][]byte, items []corev1.KeyToPath, opt bool, mode int32, missing string) error {
	if len(items) == 0 {
		for k, v := range data {
			f[k] = File{Data: v, Mode: mode}
		}
		return nil
	}
	for _, item := range items {
		v, ok := data[item.Key]
		if !ok {
			if opt {
				continue
			}
			return fmt.Errorf("%s: %s", missing, item.Key)
		}
		if err := f.put(item.Path, File{Data: v, Mode: modeOf(item.Mode, mode)}); err != nil {
			return err
		}
	}
	return nil
}

// put lays one file; its path must stay below the mount point.
func (f Files) put(p string, file File) error {
	clean := path.Clean(p)
	if path.IsAbs(clean) || clean == "." || clean == ".." || strings.HasPrefix(clean, "../") {
		return fmt.Errorf("invalid path: %s must be relative and inside the volume", p)
	}
	f[clean] = file
	return nil
}

func (f Files) downward(in EnvInput, items []corev1.DownwardAPIVolumeFile, mode int32) error {
	for _, item := range items {
		var text string
		var err error
		switch {
		case item.FieldRef != nil:
			text, err = FieldValue(in, item.FieldRef.FieldPath)
		case item.ResourceFieldRef != nil:
			text, err = resourceValue(in, item.ResourceFieldRef)
		}
		if err != nil {
			return err
		}
		if err := f.put(item.Path, File{Data: []byte(text), Mode: modeOf(item.Mode, mode)}); err != nil {
			return err
		}
	}
	return nil
}

// projected lays the files of all sources; its error names every source that is missing, as the kubelet's does.
func (f Files) projected(in EnvInput, p *corev1.ProjectedVolumeSource) error {
	mode := modeOf(p.DefaultMode, defaultFileMode)
	var all []error
	for i := range p.Sources {
		var err error
		switch s := &p.Sources[i]; {
		case s.ConfigMap != nil:
			err = f.configMap(in, s.ConfigMap.Name, s.ConfigMap.Items, optional(s.ConfigMap.Optional), mode)
		case s.Secret != nil:
			err = f.secret(in, s.Secret.Name, s.Secret.Items, optional(s.Secret.Optional), mode)
		case s.DownwardAPI != nil:
			err = f.downward(in, s.DownwardAPI.Items, mode)
		}
		if err != nil {
			all = append(all, err)
		}
	}
	return utilerrors.NewAggregate(all)
}
