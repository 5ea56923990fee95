// Package tcengine is the engine of test runs: it creates containers, networks and volumes through testcontainers, so that
// they carry its session's labels and its reaper removes what a killed run leaves behind. Everything else is
// engine.Docker. It is the only importer of testcontainers, and honours its configuration (.testcontainers.properties,
// TESTCONTAINERS_*, DOCKER_HOST).
package tcengine

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	// Session is the session that the objects belong to: with it they have a reaper of their own, which does not wait for
	// others to end. "" is testcontainers' own session, one for all that the parent process started: right where a program
	// uses testcontainers for other things too.
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

// New connects to the engine that testcontainers finds, and checks that it answers.
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

// newProvider turns the panic by which testcontainers says that it finds no engine into an error.
func newProvider() (p *testcontainers.DockerProvider, err error) {
	defer func() {
		if why := recover(); why != nil {
			err = fmt.Errorf("cannot find the Docker engine: %v; say where it is with DOCKER_HOST", why)
		}
	}()
	return testcontainers.NewDockerProvider(testcontainers.WithDefaultBridgeNetwork(testcontainers.Bridge), testcontainers.WithLogger(quiet{}))
}

// quiet is testcontainers' logger: what it would say of every container is in the supervisor's own log.
type quiet struct{}

// Printf implements testcontainers' logging interface.
func (quiet) Printf(string, ...any) {}

// With is the same engine for another stack, with a readiness of its own. Connections are shared.
func (e *Engine) With(ready func(ctx context.Context, pod string) error) *Engine {
	opts := e.opts
	opts.Ready = ready
	return &Engine{
		Docker: e.Docker, provider: e.provider, opts: opts,
		containers: map[string]testcontainers.Container{}, networks: map[string]testcontainers.Network{},
	}
}

// PrepareReaper starts the session's reaper, to be called before anything is created. Where its image is not there and
// cannot be pulled, one is made from the static binary. It stays connected until this process ends, however that comes. It
// does nothing where the configuration disables the reaper.
func (e *Engine) PrepareReaper(ctx context.Context, binary string) error {
	conf := e.provider.Config().Config
	if conf.RyukDisabled {
		return nil
	}
	// The only public place of the name, and marked as going away; the rest of it is the user's prefix.
	ref := testcontainers.ReaperDefaultImage //nolint:staticcheck // see above
	if _, err := reaper.EnsureImage(ctx, e.Docker, e.hubName(ref), binary); err != nil {
		return err
	}
	// testcontainers would start it with the first object, but for its own session, and a process has one reaper. This is
	// how its compose module gets one for a session that it names.
	at, err := e.reaperAddress(ctx)
	if err != nil {
		return err
	}
	r, err := testcontainers.NewReaper(ctx, e.session(), reaperProvider{e.provider, at}, "") //nolint:staticcheck // see above
	if err == nil {
		_, err = r.Connect()
	}
	if err != nil {
		return fmt.Errorf("cannot start the reaper of test runs: %w; TESTCONTAINERS_RYUK_DISABLED=true does without", err)
	}
	return nil
}

// hubName is the name by which testcontainers asks for an image of Docker Hub.
func (e *Engine) hubName(ref string) string {
	if p := e.provider.Config().Config.HubImageNamePrefix; p != "" {
		return path.Join(p, ref)
	}
	return ref
}

// Keep takes the session's reaper away, so that what runs stays after the process's end.
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

// labels are ours with those of the session.
func (e *Engine) labels(ours map[string]string) map[string]string {
	l := maps.Clone(ours)
	if l == nil {
		l = map[string]string{}
	}
	maps.Copy(l, testcontainers.GenericLabels())
	l[sessionLabel] = e.session()
	return l
}

// CreateContainer implements engine.Containers.
func (e *Engine) CreateContainer(ctx context.Context, spec engine.ContainerSpec) (string, error) {
	spec.Labels = e.labels(spec.Labels)
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

// request is the spec in testcontainers' words. Its modifiers only tell where the three parts are that it will send: what
// it makes of them afterwards (it publishes every port that the image exposes, on all addresses) is replaced by ours in a
// hook that runs last.
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

// nameForPrefix gives a local image the name by which testcontainers looks for it where a prefix for Docker Hub is
// configured: it puts that before everything that names no registry, images that were built here included.
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

// PullImage implements engine.Images: images of Docker Hub come by way of the configured prefix.
func (e *Engine) PullImage(ctx context.Context, ref string, out io.Writer) error {
	name := e.hubName(ref)
	if name == ref || hasRegistry(ref) {
		return e.Docker.PullImage(ctx, ref, out)
	}
	if err := e.Docker.PullImage(ctx, name, out); err != nil {
		return err
	}
	return e.TagImage(ctx, name, ref)
}

func hasRegistry(ref string) bool {
	first, _, more := strings.Cut(ref, "/")
	return more && (strings.ContainsAny(first, ".:") || first == "localhost")
}

// RemoveContainer implements engine.Containers; what testcontainers holds for the container is let go.
func (e *Engine) RemoveContainer(ctx context.Context, id string) error {
	err := e.Docker.RemoveContainer(ctx, id)
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
	conf := network.IPAMConfig{Subnet: spec.Subnet.String()}
	if spec.IPRange.IsValid() {
		conf.IPRange = spec.IPRange.String()
	}
	if spec.Gateway.IsValid() {
		conf.Gateway = spec.Gateway.String()
	}
	n, err := e.provider.CreateNetwork(ctx, testcontainers.NetworkRequest{
		Name: spec.Name, Driver: "bridge", Labels: e.labels(spec.Labels),
		IPAM: &network.IPAM{Driver: "default", Config: []network.IPAMConfig{conf}},
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

// CreateVolume implements engine.Volumes. testcontainers makes no volumes by themselves; its labels are what counts.
func (e *Engine) CreateVolume(ctx context.Context, name string, labels map[string]string) error {
	return e.Docker.CreateVolume(ctx, name, e.labels(labels))
}

// RawInspect is everything that the engine says of a container, as JSON.
func (e *Engine) RawInspect(ctx context.Context, id string) ([]byte, error) {
	_, raw, err := e.API().ContainerInspectWithRaw(ctx, id, false)
	if err != nil {
		return nil, fmt.Errorf("cannot inspect container %s: %w", id, err)
	}
	return raw, nil
}
