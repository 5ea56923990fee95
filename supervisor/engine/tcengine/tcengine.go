// Package tcengine implements engine.Engine for test runs: it creates containers, networks and volumes through testcontainers,
// so that they carry the labels of a test session and the reaper removes what a killed run leaves behind. All other calls are
// those of engine.Docker. It is the only package that imports testcontainers, and honours its configuration
// (.testcontainers.properties, TESTCONTAINERS_*, DOCKER_HOST).
package tcengine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/testcontainers/testcontainers-go"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/reaper"
)

// Labels that testcontainers gives its objects.
const (
	sessionLabel = "org.testcontainers.sessionId"
	ryukLabel    = "org.testcontainers.ryuk"
)

// Options choose an Engine.
type Options struct {
	// AllowRemote accepts an engine on another machine.
	AllowRemote bool
	// Session is the test session of the objects. A session has its own reaper, which does not wait for other sessions to end.
	// "" is testcontainers' default session, shared by all processes of the parent process: for programs that also use
	// testcontainers for other things.
	Session string
	// Ready waits until a pod is ready ("" is the whole stack). It is the wait strategy of every pod's container.
	Ready func(ctx context.Context, pod string) error
}

// Engine is a Docker engine whose objects belong to a test session.
type Engine struct {
	*engine.Docker
	provider *testcontainers.DockerProvider
	opts     Options

	mu         sync.Mutex
	containers map[string]testcontainers.Container
	networks   map[string]testcontainers.Network
}

var _ engine.Engine = (*Engine)(nil)

// New connects to the engine of testcontainers' configuration, and checks that it answers.
func New(ctx context.Context, opts Options) (*Engine, error) {
	provider, err := newProvider()
	if err != nil {
		return nil, err
	}
	api, ok := provider.Client().(*testcontainers.DockerClient)
	if !ok {
		return nil, fmt.Errorf("cannot connect to the Docker engine: testcontainers has a client of type %T", provider.Client())
	}
	docker, err := engine.NewDockerOver(api.Client, opts.AllowRemote)
	if err != nil {
		return nil, errors.Join(err, provider.Close())
	}
	_, err = docker.Info(ctx)
	if err == nil {
		err = nameHost(ctx, docker)
	}
	if err != nil {
		return nil, errors.Join(err, provider.Close())
	}
	return &Engine{
		Docker: docker, provider: provider, opts: opts,
		containers: map[string]testcontainers.Container{}, networks: map[string]testcontainers.Network{},
	}, nil
}

// newProvider creates testcontainers' provider. testcontainers panics if it finds no engine; that becomes an error.
func newProvider() (p *testcontainers.DockerProvider, err error) {
	defer func() {
		if why := recover(); why != nil {
			err = fmt.Errorf("cannot find the Docker engine: %v; set DOCKER_HOST to its address", why)
		}
	}()
	return testcontainers.NewDockerProvider(testcontainers.WithDefaultBridgeNetwork(testcontainers.Bridge), testcontainers.WithLogger(quiet{}))
}

// quiet discards testcontainers' log messages about containers: the supervisor has its own log.
type quiet struct{}

// Printf implements testcontainers' logging interface.
func (quiet) Printf(string, ...any) {}

// With returns the same engine with another Options.Ready, for another stack. Connections are shared.
func (e *Engine) With(ready func(ctx context.Context, pod string) error) *Engine {
	opts := e.opts
	opts.Ready = ready
	return &Engine{
		Docker: e.Docker, provider: e.provider, opts: opts,
		containers: map[string]testcontainers.Container{}, networks: map[string]testcontainers.Network{},
	}
}

// PrepareReaper starts the session's reaper. It must be called before anything is created. If the reaper's image is missing and
// cannot be pulled, one is made from the static binary. The connection to the reaper stays open until this process ends. It
// does nothing if the configuration disables the reaper.
func (e *Engine) PrepareReaper(ctx context.Context, binary string) error {
	conf := e.provider.Config().Config
	if conf.RyukDisabled {
		return nil
	}
	// Deprecated, but the only public place of the name.
	ref := testcontainers.ReaperDefaultImage //nolint:staticcheck // see above
	if _, err := reaper.EnsureImage(ctx, e.Docker, e.hubName(ref), binary); err != nil {
		return err
	}
	// testcontainers would start the reaper with the first object, but for its default session, and a process has only one
	// reaper. Its compose module starts one for a named session in the same way.
	at, err := e.reaperAddress(ctx)
	if err != nil {
		return err
	}
	r, err := testcontainers.NewReaper(ctx, e.session(), reaperProvider{e.provider, at}, "") //nolint:staticcheck // see above
	if err == nil {
		_, err = r.Connect()
	}
	if err != nil {
		return fmt.Errorf("cannot start the reaper of test runs: %w; set TESTCONTAINERS_RYUK_DISABLED=true to run without it", err)
	}
	return nil
}

// hubName is the name that testcontainers uses for a Docker Hub image: with the configured prefix.
func (e *Engine) hubName(ref string) string {
	if p := e.provider.Config().Config.HubImageNamePrefix; p != "" {
		return path.Join(p, ref)
	}
	return ref
}

// Keep removes the session's reaper, so that the stack keeps running after this process ends.
func (e *Engine) Keep(ctx context.Context) error {
	list, err := e.ListContainers(ctx, map[string]string{sessionLabel: e.session(), ryukLabel: "true"})
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range list {
		errs = append(errs, e.Docker.RemoveContainer(ctx, c.ID))
	}
	return errors.Join(errs...)
}

func (e *Engine) session() string {
	if e.opts.Session != "" {
		return e.opts.Session
	}
	return testcontainers.SessionID()
}

// labels adds the session's labels to ours.
func (e *Engine) labels(ours map[string]string) map[string]string {
	l := maps.Clone(ours)
	if l == nil {
		l = map[string]string{}
	}
	maps.Copy(l, testcontainers.GenericLabels())
	l[sessionLabel] = e.session()
	return l
}

// CreateContainer implements engine.Containers. A container with Exact has settings that testcontainers cannot ask for: the engine
// is asked directly, and the session's labels tell the reaper about it.
func (e *Engine) CreateContainer(ctx context.Context, spec engine.ContainerSpec) (string, error) {
	spec.Labels = e.labels(spec.Labels)
	if spec.Exact != nil {
		return e.Docker.CreateContainer(ctx, spec)
	}
	conf, host, net, err := engine.Translate(spec)
	if err != nil {
		return "", err
	}
	if err := e.nameForPrefix(ctx, spec.Image); err != nil {
		return "", err
	}
	c, err := e.provider.CreateContainer(ctx, e.request(spec, conf, host, net))
	if err != nil {
		err = fmt.Errorf("cannot create container %s from image %s: %w", spec.Name, spec.Image, err)
		if c != nil && c.GetContainerID() != "" {
			err = errors.Join(err, e.Docker.RemoveContainer(context.WithoutCancel(ctx), c.GetContainerID()))
		}
		return "", err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.containers[c.GetContainerID()] = c
	return c.GetContainerID(), nil
}

// request converts the spec to a testcontainers request. Its modifiers only capture the three parts of the create call:
// testcontainers changes them afterwards (it publishes every exposed port, on all addresses), and a hook that runs last
// restores ours.
func (e *Engine) request(spec engine.ContainerSpec, conf *container.Config, host *container.HostConfig,
	net *network.NetworkingConfig,
) testcontainers.ContainerRequest {
	var theirConf *container.Config
	var theirHost *container.HostConfig
	var theirNet map[string]*network.EndpointSettings
	req := testcontainers.ContainerRequest{
		Name: spec.Name, Image: spec.Image, Labels: maps.Clone(spec.Labels),
		ConfigModifier:           func(c *container.Config) { theirConf = c },
		HostConfigModifier:       func(h *container.HostConfig) { theirHost, h.NetworkMode = h, host.NetworkMode },
		EndpointSettingsModifier: func(n map[string]*network.EndpointSettings) { theirNet = n },
		LifecycleHooks: []testcontainers.ContainerLifecycleHooks{{
			PreCreates: []testcontainers.ContainerRequestHook{func(context.Context, testcontainers.ContainerRequest) error {
				*theirConf, *theirHost = *conf, *host
				clear(theirNet) // the network that it makes where the engine has no default bridge
				maps.Copy(theirNet, net.EndpointsConfig)
				return nil
			}},
		}},
	}
	if pod := spec.Labels[podLabel]; pod != "" && e.opts.Ready != nil {
		req.WaitingFor = Ready{Wait: e.opts.Ready}
	}
	return req
}

// nameForPrefix tags a local image with the Docker Hub prefix, if one is configured: testcontainers adds the prefix to every
// name without a registry, including locally built images.
func (e *Engine) nameForPrefix(ctx context.Context, ref string) error {
	name := e.hubName(ref)
	if name == ref {
		return nil
	}
	i, err := e.InspectImage(ctx, ref)
	if err != nil {
		return err
	}
	if slices.Contains(i.Tags, name) {
		return nil
	}
	return e.TagImage(ctx, i.ID, name)
}

// PullImage implements engine.Images. Docker Hub images are pulled with the configured prefix.
func (e *Engine) PullImage(ctx context.Context, ref string, opts engine.PullOptions) error {
	name := e.hubName(ref)
	if name == ref || hasRegistry(ref) {
		return e.Docker.PullImage(ctx, ref, opts)
	}
	if err := e.Docker.PullImage(ctx, name, opts); err != nil {
		return err
	}
	return e.TagImage(ctx, name, ref)
}

func hasRegistry(ref string) bool {
	first, _, more := strings.Cut(ref, "/")
	return more && (strings.ContainsAny(first, ".:") || first == "localhost")
}

// RemoveContainer implements engine.Containers. It also releases testcontainers' resources for the container.
func (e *Engine) RemoveContainer(ctx context.Context, id string) error {
	return e.removed(ctx, id, e.Docker.RemoveContainer(ctx, id))
}

// RemoveContainerOnly implements engine.Containers, like RemoveContainer.
func (e *Engine) RemoveContainerOnly(ctx context.Context, id string) error {
	return e.removed(ctx, id, e.Docker.RemoveContainerOnly(ctx, id))
}

func (e *Engine) removed(ctx context.Context, id string, err error) error {
	e.mu.Lock()
	c := e.containers[id]
	delete(e.containers, id)
	e.mu.Unlock()
	if c != nil && err == nil {
		_ = c.Terminate(ctx, testcontainers.StopTimeout(0)) // it is gone already: only the connection to the reaper is left
	}
	return err
}

// CreateNetwork implements engine.Networks.
func (e *Engine) CreateNetwork(ctx context.Context, spec engine.NetworkSpec) (string, error) {
	if !spec.Subnet.IsValid() || spec.Driver != "" || len(spec.IPAM.Pools) > 0 { // what testcontainers cannot ask for
		spec.Labels = e.labels(spec.Labels)
		return e.Docker.CreateNetwork(ctx, spec)
	}
	n, err := e.provider.CreateNetwork(ctx, testcontainers.NetworkRequest{
		Name: spec.Name, Driver: "bridge", Labels: e.labels(spec.Labels),
		IPAM: engine.TranslateNetwork(spec).IPAM,
	})
	if err != nil {
		return "", fmt.Errorf("cannot create network %s (%s): %w", spec.Name, spec.Subnet, err)
	}
	made, ok := n.(*testcontainers.DockerNetwork)
	if !ok {
		return "", fmt.Errorf("cannot create network %s: testcontainers gave a %T", spec.Name, n)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.networks[made.ID] = n
	return made.ID, nil
}

// RemoveNetwork implements engine.Networks.
func (e *Engine) RemoveNetwork(ctx context.Context, id string) error {
	err := e.Docker.RemoveNetwork(ctx, id)
	e.mu.Lock()
	n := e.networks[id]
	delete(e.networks, id)
	e.mu.Unlock()
	if n != nil && err == nil {
		_ = n.Remove(ctx) // it is gone already, as above
	}
	return err
}

// CreateVolume implements engine.Volumes. testcontainers cannot create volumes; the labels make the reaper remove it.
func (e *Engine) CreateVolume(ctx context.Context, spec engine.VolumeSpec) error {
	spec.Labels = e.labels(spec.Labels)
	return e.Docker.CreateVolume(ctx, spec)
}

// RawInspect returns the engine's inspection of a container as JSON.
func (e *Engine) RawInspect(ctx context.Context, id string) ([]byte, error) {
	_, raw, err := e.API().ContainerInspectWithRaw(ctx, id, false)
	if err != nil {
		return nil, fmt.Errorf("cannot inspect container %s: %w", id, err)
	}
	return raw, nil
}
