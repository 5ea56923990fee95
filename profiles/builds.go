package profiles

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/lyandev/lyandev/services"
)

// EmbeddedContext is the prefix of a build context that is embedded in the binary: "embedded:images/mariadb".
const EmbeddedContext = "embedded:"

// image is the image reference of a service's pods. If the file gives none, it is the name that Compose would use, in lower case
// as Docker requires.
func (c *converter) image(s types.ServiceConfig) string {
	if s.Image != "" || s.Build == nil {
		return s.Image
	}
	return strings.ToLower(c.l.name + "-" + s.Name)
}

// built reports whether the service's image is built by this stack, for it or for another service.
func (c *converter) built(s types.ServiceConfig) bool {
	for _, other := range c.project.Services {
		if other.Build != nil && c.image(other) == c.image(s) {
			return true
		}
	}
	return false
}

// build adds a service's build. Services with the same image share one build; different builds for one image are an error.
func (c *converter) build(s types.ServiceConfig) {
	if s.Build == nil {
		return
	}
	at := keyPath{"services", s.Name, "build"}
	b := &services.Build{
		Source: c.l.loc.pos(at...).String(), Name: s.Name, Image: c.image(s), Context: c.context(s.Build.Context), Dockerfile: s.Build.Dockerfile,
		DockerfileInline: s.Build.DockerfileInline, Target: s.Build.Target, Args: buildArgs(s.Build.Args),
		Labels: s.Build.Labels, CacheFrom: s.Build.CacheFrom, CacheTo: s.Build.CacheTo, Network: s.Build.Network,
		NoCache: s.Build.NoCache, Pull: s.Build.Pull, Platform: s.Platform, NoCacheFilter: s.Build.NoCacheFilter, Tags: s.Build.Tags,
		ExtraHosts: slices.Sorted(slices.Values(s.Build.ExtraHosts.AsList("="))), ShmSize: int64(s.Build.ShmSize),
		Ulimits: buildUlimits(s.Build.Ulimits), Entitlements: s.Build.Entitlements,
		AdditionalContexts: map[string]string{}, Secrets: map[string]string{}, SecretValues: map[string]string{}, SSH: map[string]string{},
	}
	if s.Build.Privileged && !slices.Contains(b.Entitlements, insecure) {
		b.Entitlements = append(slices.Clone(b.Entitlements), insecure)
	}
	for k, v := range s.Build.AdditionalContexts {
		b.AdditionalContexts[k] = c.context(v)
	}
	for i, sec := range s.Build.Secrets {
		c.buildSecret(b, sec, at.with("secrets", index(i)))
	}
	for _, key := range s.Build.SSH {
		b.SSH[key.ID] = key.Path
	}
	if len(s.Build.Platforms) > 0 && b.Platform == "" {
		b.Platform = s.Build.Platforms[0]
		if len(s.Build.Platforms) > 1 {
			c.note(at.with("platforms"), "approximated: built for %s only", b.Platform)
		}
	}
	for _, other := range c.stack.Builds {
		if other.Image != b.Image {
			continue
		}
		same := *b
		same.Name, same.Source = other.Name, other.Source
		if !reflect.DeepEqual(&same, other) {
			c.bad(at, "give one of them a different image:", "%s builds the image %s differently", other.Name, b.Image)
		}
		return
	}
	c.stack.Builds = append(c.stack.Builds, b)
}

func (c *converter) buildSecret(b *services.Build, sec types.ServiceSecretConfig, at keyPath) {
	id := sec.Target
	if id == "" {
		id = sec.Source
	}
	decl := c.project.Secrets[sec.Source]
	switch {
	case decl.File != "":
		if !isFile(decl.File) {
			c.note(at, "the file %s does not exist: the build runs without the secret", decl.File)
			return
		}
		b.Secrets[id] = decl.File
	case decl.Environment != "":
		v, set := c.project.Environment[decl.Environment]
		if !set {
			c.note(at, "the environment has no %s: the build runs without the secret", decl.Environment)
			return
		}
		b.SecretValues[id] = v
	default:
		c.note(at, "ignored: build secrets come from a file or the environment")
	}
}

// insecure is BuildKit's entitlement for privileged steps. An engine that does not allow it refuses the build.
const insecure = "security.insecure"

// buildUlimits are limits as BuildKit's frontend takes them.
func buildUlimits(all map[string]*types.UlimitsConfig) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		soft, hard := all[name].Soft, all[name].Hard
		if all[name].Single != 0 {
			soft, hard = all[name].Single, all[name].Single
		}
		out = append(out, fmt.Sprintf("%s=%d:%d", name, soft, hard))
	}
	return out
}

// context returns a build context: a directory, a URL, or an embedded copy of one of lyandev's own images if the directory
// does not exist.
func (c *converter) context(dir string) string {
	if !filepath.IsAbs(dir) {
		return dir
	}
	if st, err := os.Stat(dir); err == nil && st.IsDir() {
		return dir
	}
	rel, err := filepath.Rel(c.l.o.WorkDir, dir)
	if err != nil {
		return dir
	}
	rel = filepath.ToSlash(rel)
	name, ok := strings.CutPrefix(rel, "assets/")
	if ok && (name == "demo" || strings.HasPrefix(name, "images/")) {
		return EmbeddedContext + name
	}
	return dir
}

// inEmbedded reports whether a path lies in a build context that is embedded.
func (c *converter) inEmbedded(path string) bool {
	for dir := path; filepath.Dir(dir) != dir; dir = filepath.Dir(dir) {
		if strings.HasPrefix(c.context(dir), EmbeddedContext) {
			return true
		}
	}
	return false
}

func buildArgs(args types.MappingWithEquals) map[string]string {
	if len(args) == 0 {
		return nil
	}
	out := make(map[string]string, len(args))
	for k, v := range args {
		if v != nil {
			out[k] = *v
		}
	}
	return out
}

// watch converts develop.watch of one service.
func (c *converter) watch(s types.ServiceConfig) []services.WatchRule {
	if s.Develop == nil {
		return nil
	}
	var out []services.WatchRule
	for i, t := range s.Develop.Watch {
		if c.inEmbedded(t.Path) {
			c.note(keyPath{"services", s.Name, "develop", "watch", index(i), "path"}, "ignored: the image is built from the embedded copy; there is nothing to watch")
			continue
		}
		r := services.WatchRule{
			Container: c.container[s.Name], Action: string(t.Action), Path: t.Path, Target: t.Target,
			Include: t.Include, Ignore: t.Ignore, InitialSync: t.InitialSync,
		}
		if len(t.Exec.Command) > 0 {
			r.Exec = new(hook(t.Exec))
		}
		if r.Action == "rebuild" {
			r.Build = c.buildOf(s)
		}
		out = append(out, r)
	}
	return out
}

// buildOf is the name of the build that produces a service's image.
func (c *converter) buildOf(s types.ServiceConfig) string {
	for _, b := range c.stack.Builds {
		if b.Image == c.image(s) {
			return b.Name
		}
	}
	return ""
}
