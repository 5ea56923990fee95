// Package build builds images with BuildKit over the Docker connection, as buildx's docker driver does: only changed files of a
// context are transferred. A fingerprint of the inputs tells whether an image is current, without a call to BuildKit.
package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
	bkclient "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/frontend/dockerfile/builder"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// FingerprintLabel is a label on every image built here: the fingerprint of its inputs. The same image may come of other inputs later: see
// Builder.fingerprintOf.
const FingerprintLabel = "dev.lyandev.fingerprint"

// namedContexts is the API version of the first engines (23.0) whose Dockerfile frontend supports additional contexts. For
// older engines the frontend runs in this process: the BuildKit calls that it makes work on 20.10.
const namedContexts = "1.42"

// maxParallel bounds concurrent builds. BuildKit itself parallelises the steps of a build.
const maxParallel = 4

// Images is the part of engine.Images that a Builder needs.
type Images interface {
	InspectImage(ctx context.Context, ref string) (engine.Image, error)
}

// Builder builds images. It is safe for concurrent use.
type Builder struct {
	// API is the Docker client whose connections carry BuildKit's calls.
	API *client.Client
	// Images looks up existing images.
	Images Images
	// Project is a label of every image.
	Project string
	// CacheDir is where embedded contexts are written as files.
	CacheDir string
	Log      *slog.Logger
}

// Result is the result of one build.
type Result struct {
	Name, Image, ImageID string
	// Current is true if the inputs had not changed and nothing was built.
	Current bool
	// PreviousID is the image ID that the reference had before, "" for none.
	PreviousID string
	Took       time.Duration
}

// Error is a build that failed at one of its steps.
type Error struct {
	Name string
	// Step is the instruction that failed, Output the last 40 lines it printed.
	Step, Output string
	Err          error
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cannot build %s", e.Name)
	if e.Step != "" {
		fmt.Fprintf(&b, ": step %s failed", e.Step)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	if e.Output != "" {
		b.WriteString("\n" + indent(e.Output))
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// Options are the options of a build.
type Options struct {
	// Force builds even if the fingerprint has not changed.
	Force bool
	// NoCache ignores BuildKit's cache.
	NoCache bool
	// Refs maps build names to image references, for contexts of the form service:NAME. See RefsOf.
	Refs map[string]string
}

// RefsOf returns the image references of builds by name, for Options.Refs.
func RefsOf(builds []*services.Build) map[string]string {
	refs := make(map[string]string, len(builds))
	for _, b := range builds {
		refs[b.Name] = b.Image
	}
	return refs
}

// All builds several images concurrently. It blocks until all have ended, and returns the results of those that succeeded, in
// the given order, and the first error, which cancels the others. A build that uses another's image (additional_contexts
// service:NAME) waits for it.
func (b *Builder) All(ctx context.Context, builds []*services.Build, opts Options, sink Sink) ([]Result, error) {
	results := make([]Result, len(builds))
	done := map[string]chan struct{}{}
	for _, x := range builds {
		done[x.Name] = make(chan struct{})
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(maxParallel + len(builds)) // waiting builds do not count
	slots := make(chan struct{}, maxParallel)
	for i, x := range builds {
		g.Go(func() error {
			for _, dep := range dependsOn(x) {
				if ch, ok := done[dep]; ok {
					select {
					case <-ch:
					case <-ctx.Done():
						return context.Cause(ctx)
					}
				}
			}
			slots <- struct{}{}
			defer func() { <-slots }()
			r, err := b.Build(ctx, x, opts, sink)
			if err == nil {
				results[i] = r
				close(done[x.Name])
			}
			return err
		})
	}
	err := g.Wait()
	return results, err
}

func dependsOn(x *services.Build) []string {
	var out []string
	for _, v := range x.AdditionalContexts {
		if name, ok := strings.CutPrefix(v, "service:"); ok {
			out = append(out, name)
		}
	}
	return out
}

// Build builds one image, unless it is current. It blocks until the image is tagged or ctx ends; the engine stops a cancelled
// build at once. The error is an *Error if a step failed.
func (b *Builder) Build(ctx context.Context, x *services.Build, opts Options, sink Sink) (Result, error) {
	began := time.Now()
	if sink == nil {
		sink = func(Progress) {}
	}
	src, err := b.source(x, opts.Refs)
	if err != nil {
		if x.Source != "" {
			err = fmt.Errorf("%w (%s)", err, x.Source)
		}
		return Result{}, &Error{Name: x.Name, Err: err}
	}
	defer src.cleanup()
	if err := b.addImages(ctx, x, src, opts.Refs); err != nil {
		return Result{}, err
	}
	r := Result{Name: x.Name, Image: x.Image}
	if old, err := b.Images.InspectImage(ctx, x.Image); err == nil {
		r.PreviousID = old.ID
		if b.fingerprintOf(x.Image, old) == src.fingerprint && !opts.Force && !opts.NoCache {
			r.ImageID, r.Current, r.Took = old.ID, true, time.Since(began)
			sink(Progress{Build: x.Name, State: "current", Took: r.Took})
			return r, nil
		}
	} else if !engine.IsNotFound(err) {
		return Result{}, err
	}
	sink(Progress{Build: x.Name, State: "running"})
	b.Log.Debug("building", "build", x.Name, "image", x.Image, "context", src.context)
	if err := b.solve(ctx, x, src, opts, sink); err != nil {
		if left := b.untagFailed(ctx, x, src, r.PreviousID); left != nil {
			err = errors.Join(err, left)
		}
		sink(Progress{Build: x.Name, State: failedState(ctx), Line: err.Error(), Took: time.Since(began)})
		return Result{}, err
	}
	made, err := b.Images.InspectImage(ctx, x.Image)
	if err != nil {
		return Result{}, fmt.Errorf("cannot find the new image: %w", err)
	}
	r.ImageID = made.ID
	if b.keepPrevious(ctx, x, r.PreviousID, made.ID) {
		r.ImageID = r.PreviousID
	}
	b.saveInputs(x.Image, r.ImageID, src)
	r.Took = time.Since(began)
	sink(Progress{Build: x.Name, State: "done", Took: r.Took})
	return r, nil
}

// addImages adds the images of other builds of the stack that this build uses to the fingerprint.
func (b *Builder) addImages(ctx context.Context, x *services.Build, src *source, refs map[string]string) error {
	for _, dep := range slices.Sorted(slices.Values(dependsOn(x))) {
		img, err := b.Images.InspectImage(ctx, refs[dep])
		if err != nil {
			return &Error{Name: x.Name, Err: fmt.Errorf("cannot use the image of %s: %w", dep, err)}
		}
		src.addPart("the image of "+dep, dep+img.ID)
	}
	return nil
}

func failedState(ctx context.Context) string {
	if ctx.Err() != nil {
		return "cancelled"
	}
	return "failed"
}

// solve runs one build and follows its progress.
func (b *Builder) solve(ctx context.Context, x *services.Build, src *source, opts Options, sink Sink) error {
	c, err := b.connect(ctx)
	if err != nil {
		return &Error{Name: x.Name, Err: err}
	}
	defer c.Close()
	attachables, err := sessionFor(x)
	if err != nil {
		return &Error{Name: x.Name, Err: err}
	}
	contextFS, err := fsutil.NewFS(src.context)
	if err != nil {
		return &Error{Name: x.Name, Err: fmt.Errorf("cannot read the build context: %w", err)}
	}
	dockerfileFS, err := fsutil.NewFS(src.dockerfileDir)
	if err != nil {
		return &Error{Name: x.Name, Err: fmt.Errorf("cannot read the Dockerfile's directory: %w", err)}
	}
	hosts, err := extraHosts(ctx, c, x.ExtraHosts)
	if err != nil {
		return &Error{Name: x.Name, Err: err}
	}
	opt := bkclient.SolveOpt{
		Frontend:            "dockerfile.v0",
		FrontendAttrs:       b.attributes(x, src, opts, hosts),
		LocalMounts:         map[string]fsutil.FS{"context": contextFS, "dockerfile": dockerfileFS},
		SharedKey:           src.context, // lets BuildKit reuse an earlier transfer of the directory
		Session:             attachables,
		Exports:             []bkclient.ExportEntry{{Type: "moby", Attrs: map[string]string{"name": strings.Join(append([]string{x.Image}, x.Tags...), ",")}}},
		AllowedEntitlements: x.Entitlements,
	}
	for name, dir := range src.contexts {
		f, err := fsutil.NewFS(dir)
		if err != nil {
			return &Error{Name: x.Name, Err: fmt.Errorf("cannot read the additional context %s: %w", name, err)}
		}
		opt.LocalMounts[name] = f
	}
	for _, ref := range x.CacheFrom {
		opt.CacheImports = append(opt.CacheImports, cacheEntry(ref))
	}
	for _, ref := range x.CacheTo {
		opt.CacheExports = append(opt.CacheExports, cacheEntry(ref))
	}
	follow := newFollower(x.Name, sink)
	ch := make(chan *bkclient.SolveStatus)
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		for s := range ch {
			follow.take(s)
		}
	}()
	if len(x.AdditionalContexts) > 0 && versions.LessThan(b.API.ClientVersion(), namedContexts) {
		opt.Frontend = ""
		_, err = c.Build(ctx, opt, "lyandev", builder.Build, ch)
	} else {
		_, err = c.Solve(ctx, nil, opt, ch)
	}
	<-followed
	if err == nil {
		return nil
	}
	if ctx.Err() != nil || status.Code(err) == codes.Canceled {
		return fmt.Errorf("cannot build %s: %w", x.Name, errors.Join(context.Cause(ctx), err))
	}
	return follow.failure(err)
}

func (b *Builder) connect(ctx context.Context) (*bkclient.Client, error) {
	c, err := bkclient.New(ctx, "",
		bkclient.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return b.API.DialHijack(ctx, "/grpc", "h2c", nil)
		}),
		bkclient.WithSessionDialer(func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
			return b.API.DialHijack(ctx, "/session", proto, meta)
		}))
	if err != nil {
		return nil, fmt.Errorf("cannot reach BuildKit in the Docker engine: %w", err)
	}
	return c, nil
}

// gatewayLabel is the label of a BuildKit worker with the address by which containers reach the host. Engines since 23.0 have it.
const gatewayLabel = "org.mobyproject.buildkit.worker.moby.host-gateway-ip"

// extraHosts replaces host-gateway in entries NAME=ADDRESS.
func extraHosts(ctx context.Context, c *bkclient.Client, list []string) ([]string, error) {
	out := slices.Clone(list)
	for i, entry := range out {
		name, addr, _ := strings.Cut(entry, "=")
		if addr != "host-gateway" {
			continue
		}
		workers, err := c.ListWorkers(ctx)
		if err != nil {
			return nil, fmt.Errorf("cannot ask the engine for the address of host-gateway (build.extra_hosts): %w", err)
		}
		ip := ""
		for _, w := range workers {
			ip = cmp.Or(ip, w.Labels[gatewayLabel])
		}
		if ip == "" {
			return nil, fmt.Errorf("the engine does not say which address host-gateway is for builds; write the address for %s in build.extra_hosts", name)
		}
		out[i] = name + "=" + ip
	}
	return out, nil
}

// attributes are the frontend's options.
func (b *Builder) attributes(x *services.Build, src *source, opts Options, hosts []string) map[string]string {
	a := map[string]string{
		"filename":                     src.dockerfile,
		"label:" + FingerprintLabel:    src.fingerprint,
		"label:" + services.BuildLabel: x.Name,
	}
	if b.Project != "" {
		a["label:"+services.ProjectLabel] = b.Project
	}
	for k, v := range map[string]string{"target": x.Target, "platform": x.Platform, "force-network-mode": x.Network} {
		if v != "" {
			a[k] = v
		}
	}
	for k, v := range engine.ProxyEnv(b.API.DaemonHost()) {
		a["build-arg:"+k] = v
	}
	for k, v := range x.Args {
		a["build-arg:"+k] = v
	}
	for k, v := range x.Labels {
		a["label:"+k] = v
	}
	for k, list := range map[string][]string{"add-hosts": hosts, "ulimit": x.Ulimits, "no-cache": x.NoCacheFilter} {
		if len(list) > 0 {
			a[k] = strings.Join(list, ",")
		}
	}
	if x.ShmSize > 0 {
		a["shm-size"] = strconv.FormatInt(x.ShmSize, 10)
	}
	if x.NoCache || opts.NoCache {
		a["no-cache"] = ""
	}
	if x.Pull {
		a["image-resolve-mode"] = "pull"
	}
	for name, v := range x.AdditionalContexts {
		switch dep, isService := strings.CutPrefix(v, "service:"); {
		case isService:
			a["context:"+name] = "docker-image://" + src.images[dep]
		case src.contexts[name] != "":
			a["context:"+name] = "local:" + name
		default:
			a["context:"+name] = v
		}
	}
	return a
}

func cacheEntry(ref string) bkclient.CacheOptionsEntry {
	if !strings.Contains(ref, "=") {
		return bkclient.CacheOptionsEntry{Type: "registry", Attrs: map[string]string{"ref": ref}}
	}
	e := bkclient.CacheOptionsEntry{Attrs: map[string]string{}}
	for _, kv := range strings.Split(ref, ",") {
		k, v, _ := strings.Cut(kv, "=")
		if k == "type" {
			e.Type = v
		} else {
			e.Attrs[k] = v
		}
	}
	return e
}

func indent(s string) string {
	return "  | " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n  | ")
}

// exists reports whether a path exists.
func exists(path string) bool {
	_, err := os.Stat(filepath.Clean(path))
	return err == nil
}
