package profiles

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/mount"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
)

// needsContent reports whether a service needs the content of a config or secret in the stack. A plain service mounts files
// itself.
func (c *converter) needsContent(service string, f types.FileObjectConfig) bool {
	return !c.plain[service] || f.File == "" || bool(f.External)
}

// files mounts configs and secrets that are files, and records the others, which are written into the container.
func (p *plain) files() {
	var sums []string
	add := func(ref types.FileReferenceConfig, decl types.FileObjectConfig, section string, i int) {
		sum := sha256.New()
		p.file(sum, ref, decl, section, i)
		sums = append(sums, section+"/"+ref.Source+"="+hex.EncodeToString(sum.Sum(nil)))
	}
	for i, ref := range p.s.Secrets {
		add(types.FileReferenceConfig(ref), types.FileObjectConfig(p.c.project.Secrets[ref.Source]), "secrets", i)
	}
	for i, ref := range p.s.Configs {
		add(types.FileReferenceConfig(ref), types.FileObjectConfig(p.c.project.Configs[ref.Source]), "configs", i)
	}
	p.out.FilesHash = strings.Join(sums, ",")
}

// file adds one config or secret. section is "secrets" or "configs", i is the place in the service's list.
func (p *plain) file(sum hash.Hash, ref types.FileReferenceConfig, decl types.FileObjectConfig, section string, i int) {
	at := p.at.with(section, index(i))
	for field, value := range map[string]string{"driver": decl.Driver, "template_driver": decl.TemplateDriver} {
		if value != "" {
			p.c.bad(keyPath{section, ref.Source, field}, "remove it", "%s needs a swarm; Docker Compose refuses it too", field)
		}
	}
	target := fileTarget(ref, section)
	switch {
	case bool(decl.External): // configMaps and secrets have refused it
	case decl.File != "":
		p.mountFile(sum, ref, decl.File, target, section, at)
	default:
		p.writeFile(sum, ref, decl, target, section, at)
	}
}

func fileTarget(ref types.FileReferenceConfig, section string) string {
	target := ref.Target
	if target == "" {
		target = ref.Source
	}
	if strings.HasPrefix(target, "/") {
		return target
	}
	if section == "secrets" {
		return "/run/secrets/" + target
	}
	return "/" + target
}

func (p *plain) mountFile(sum hash.Hash, ref types.FileReferenceConfig, path, target, section string, at keyPath) {
	if ref.UID != "" || ref.GID != "" || ref.Mode != nil {
		p.c.note(at, "ignored: uid, gid and mode of a config or secret that is a file; the file's own apply")
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.c.l.o.WorkDir, path)
	}
	if err := hashPath(sum, path); err != nil {
		p.c.bad(keyPath{section, ref.Source, "file"}, "", "%v", err)
		return
	}
	if p.taken(target) {
		return
	}
	p.hostPath(path, keyPath{section, ref.Source, "file"})
	m := mount.Mount{Type: mount.TypeBind, Source: path, Target: target, ReadOnly: true}
	if section == "secrets" {
		m.BindOptions = &mount.BindOptions{}
	}
	p.out.Host.Mounts = append(p.out.Host.Mounts, m)
	p.fileMounts = append(p.fileMounts, path)
}

// reload are the watch rules of x-lyandev.reload: the files of configs and secrets, with the action for a container.
func (p *plain) reload(action, container string) []services.WatchRule {
	var out []services.WatchRule
	for _, path := range p.fileMounts {
		if action != "" {
			out = append(out, services.WatchRule{Container: container, Action: action, Path: path})
		}
	}
	return out
}

// taken reports whether something is mounted at a path of the container. As in Compose, volumes win over secrets and secrets
// over configs.
func (p *plain) taken(target string) bool {
	for _, v := range p.s.Volumes {
		if v.Target == target {
			return true
		}
	}
	for _, m := range p.out.Host.Mounts {
		if m.Target == target {
			return true
		}
	}
	return false
}

func (p *plain) writeFile(sum hash.Hash, ref types.FileReferenceConfig, decl types.FileObjectConfig, target, section string, at keyPath) {
	content, ok := p.c.content(section, ref.Source, decl)
	if !ok || len(content) == 0 {
		return // content has reported the error; Compose writes no empty files
	}
	if p.s.ReadOnly {
		p.c.bad(at, "take it from a file (file:), which is mounted", "it cannot be written into a container with read_only: true; Docker Compose refuses it too")
		return
	}
	object := p.c.names.configs[ref.Source]
	if section == "secrets" {
		object = p.c.names.secrets[ref.Source]
	}
	f := compose.File{Target: target, Object: object, Key: dataKey(ref.Source), Secret: section == "secrets"}
	f.UID, f.GID = p.fileID(ref.UID, at.with("uid")), p.fileID(ref.GID, at.with("gid"))
	if ref.Mode != nil {
		f.Mode = int64(*ref.Mode)
	}
	hashBytes(sum, content)
	p.out.Files = append(p.out.Files, f)
}

func (p *plain) fileID(s string, at keyPath) int {
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		p.c.bad(at, "write for example 1000", "%q is not a number", s)
	}
	return n
}

func hashBytes(sum hash.Hash, content []byte) {
	own := sha256.Sum256(content)
	sum.Write(own[:])
}

// hashPath adds the content of a file, or of all files of a directory, to a hash.
func hashPath(sum hash.Hash, path string) error {
	if !isDirectory(path) {
		return hashFile(sum, path)
	}
	return filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		fmt.Fprintf(sum, "%q ", strings.TrimPrefix(name, path))
		return hashFile(sum, name)
	})
}

func hashFile(sum hash.Hash, path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	if !st.Mode().IsRegular() {
		return nil // a device or a socket is mounted, and has no content to compare
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	defer func() { _ = f.Close() }()
	own := sha256.New()
	if _, err := io.Copy(own, f); err != nil {
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	sum.Write(own.Sum(nil))
	return nil
}
