package profiles

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/mount"

	"github.com/lyandev/lyandev/services"
)

// mounts converts volumes. Docker has two forms: Binds, which create a missing host directory, and Mounts, which can say more.
// Like Compose, it uses Binds where they say enough.
func (p *plain) mounts() {
	for i, v := range p.s.Volumes {
		at := p.at.with("volumes", index(i))
		v.Source = p.source(v)
		if v.Type == types.VolumeTypeBind {
			p.hostPath(v.Source, at)
		}
		if v.Type == types.VolumeTypeVolume {
			p.volumeDevice(p.s.Volumes[i].Source, at)
		}
		if asBind(v) {
			p.out.Host.Binds = append(p.out.Host.Binds, bindText(v))
			continue
		}
		p.out.Host.Mounts = append(p.out.Host.Mounts, p.mount(v, at))
	}
}

// source is what Docker is told to mount: the name of a volume, or an absolute path.
func (p *plain) source(v types.ServiceVolumeConfig) string {
	switch {
	case v.Type == types.VolumeTypeVolume && v.Source != "":
		vol := p.c.project.Volumes[v.Source]
		return p.c.dockerName(vol.Name, v.Source, bool(vol.External))
	case v.Type == types.VolumeTypeBind && !filepath.IsAbs(v.Source):
		return filepath.Join(p.c.l.o.WorkDir, v.Source)
	}
	return v.Source
}

func asBind(v types.ServiceVolumeConfig) bool {
	switch v.Type {
	case types.VolumeTypeBind:
		return v.Bind == nil || bool(v.Bind.CreateHostPath) && v.Bind.Propagation == "" && v.Bind.Recursive == ""
	case types.VolumeTypeVolume:
		return v.Source != "" && (v.Volume == nil || len(v.Volume.Labels) == 0 && v.Volume.Subpath == "" && !v.Volume.NoCopy)
	}
	return false
}

func bindText(v types.ServiceVolumeConfig) string {
	mode := "rw"
	if v.ReadOnly {
		mode = "ro"
	}
	if v.Bind != nil && v.Bind.SELinux != "" {
		mode += "," + v.Bind.SELinux
	}
	return v.Source + ":" + v.Target + ":" + mode
}

func (p *plain) mount(v types.ServiceVolumeConfig, at keyPath) mount.Mount {
	m := mount.Mount{
		Type: mount.Type(v.Type), Source: v.Source, Target: v.Target, ReadOnly: v.ReadOnly, Consistency: mount.Consistency(v.Consistency),
	}
	foreign := func(option string, set bool) {
		if set && v.Type != option {
			p.c.note(at.with(option), "ignored: the mount is of type %s", v.Type)
		}
	}
	foreign("bind", v.Bind != nil)
	foreign("volume", v.Volume != nil)
	foreign("tmpfs", v.Tmpfs != nil)
	foreign("image", v.Image != nil)
	switch {
	case v.Type == types.VolumeTypeBind && v.Bind != nil:
		m.BindOptions = bindOptions(v.Bind)
	case v.Type == types.VolumeTypeVolume && v.Volume != nil:
		m.VolumeOptions = &mount.VolumeOptions{NoCopy: v.Volume.NoCopy, Subpath: v.Volume.Subpath, Labels: v.Volume.Labels}
	case v.Type == types.VolumeTypeTmpfs && v.Tmpfs != nil:
		m.TmpfsOptions = &mount.TmpfsOptions{SizeBytes: int64(v.Tmpfs.Size), Mode: os.FileMode(v.Tmpfs.Mode)}
	case v.Type == types.VolumeTypeImage && v.Image != nil:
		m.ImageOptions = &mount.ImageOptions{Subpath: v.Image.SubPath}
	}
	return m
}

func bindOptions(b *types.ServiceVolumeBind) *mount.BindOptions {
	return &mount.BindOptions{
		Propagation: mount.Propagation(b.Propagation), CreateMountpoint: bool(b.CreateHostPath),
		NonRecursive: b.Recursive == "disabled", ReadOnlyNonRecursive: b.Recursive == "writable", ReadOnlyForceRecursive: b.Recursive == "readonly",
	}
}

// engineSockets are the sockets of container engines: whoever reaches one controls the host.
var engineSockets = []string{
	"/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock", "/var/run/podman/podman.sock",
}

// hostPath records a mounted path that is outside the project, or refuses it if the file does not allow such paths. Symbolic
// links are followed to decide that.
func (p *plain) hostPath(path string, at keyPath) {
	real, err := resolved(path)
	if err != nil {
		real = filepath.Clean(path)
	}
	root, err := resolved(p.c.l.o.WorkDir)
	if err != nil {
		root = p.c.l.o.WorkDir
	}
	within := func(dir, path string) bool {
		return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
	}
	if within(root, real) {
		return
	}
	if allowed := p.c.top.AllowHostPaths; allowed != nil && !*allowed {
		p.c.bad(at, "mount a path inside the project, or remove x-lyandev.allowHostPaths",
			"%s is outside the project directory, and x-lyandev.allowHostPaths is false", path)
		return
	}
	pos, _ := p.c.l.loc.find(at...)
	found := services.HostPath{Path: path, Service: p.s.Name, Source: pos.String(), Socket: slices.ContainsFunc(engineSockets, func(socket string) bool {
		return within(real, socket) || within(filepath.Clean(path), socket)
	})}
	if !slices.ContainsFunc(p.c.stack.HostPaths, func(h services.HostPath) bool { return h.Path == path && h.Service == p.s.Name }) {
		p.c.stack.HostPaths = append(p.c.stack.HostPaths, found)
	}
}

// volumeDevice records the host's directory behind a named volume that is a bind mount.
func (p *plain) volumeDevice(key string, at keyPath) {
	opts := p.c.project.Volumes[key].DriverOpts
	if device := opts["device"]; filepath.IsAbs(device) && slices.Contains(strings.Split(opts["o"], ","), "bind") {
		p.hostPath(device, at)
	}
}
