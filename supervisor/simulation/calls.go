package simulation

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/docker/api/types/network"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// value is do for a call with an answer.
func value[T any](ctx context.Context, l *link, c call, work func() (T, error)) (T, error) {
	var out T
	err := l.do(ctx, c, func() (err error) { out, err = work(); return err })
	return out, err
}

// nameOf is a container's name, which the trace shows instead of its ID.
func (l *link) nameOf(id string) string {
	if s, ok := l.Engine.Spec(id); ok {
		return s.Name
	}
	return id[:min(12, len(id))]
}

// Ping implements engine.Engine.
func (l *link) Ping(ctx context.Context) error {
	return l.do(ctx, call{method: "Ping"}, func() error { return l.Engine.Ping(ctx) })
}

// Info implements engine.Engine.
func (l *link) Info(ctx context.Context) (engine.Info, error) {
	return value(ctx, l, call{method: "Info"}, func() (engine.Info, error) { return l.Engine.Info(ctx) })
}

// CreateContainer implements engine.Engine.
func (l *link) CreateContainer(ctx context.Context, spec engine.ContainerSpec) (string, error) {
	return value(ctx, l, call{method: "CreateContainer", object: spec.Name, changes: true}, func() (string, error) {
		return l.Engine.CreateContainer(context.WithoutCancel(ctx), spec)
	})
}

// StartContainer implements engine.Engine.
func (l *link) StartContainer(ctx context.Context, id string) error {
	return l.do(ctx, call{method: "StartContainer", object: l.nameOf(id), changes: true}, func() error {
		return l.Engine.StartContainer(context.WithoutCancel(ctx), id)
	})
}

// StopContainer implements engine.Engine.
func (l *link) StopContainer(ctx context.Context, id, signal string, grace time.Duration) error {
	return l.do(ctx, call{method: "StopContainer", object: l.nameOf(id), changes: true}, func() error {
		return l.Engine.StopContainer(ctx, id, signal, grace)
	})
}

// KillContainer implements engine.Engine.
func (l *link) KillContainer(ctx context.Context, id, signal string) error {
	return l.do(ctx, call{method: "KillContainer", object: l.nameOf(id), changes: true, details: signal}, func() error {
		return l.Engine.KillContainer(context.WithoutCancel(ctx), id, signal)
	})
}

// PauseContainer implements engine.Engine.
func (l *link) PauseContainer(ctx context.Context, id string) error {
	return l.do(ctx, call{method: "PauseContainer", object: l.nameOf(id), changes: true}, func() error { return l.Engine.PauseContainer(ctx, id) })
}

// UnpauseContainer implements engine.Engine.
func (l *link) UnpauseContainer(ctx context.Context, id string) error {
	return l.do(ctx, call{method: "UnpauseContainer", object: l.nameOf(id), changes: true}, func() error { return l.Engine.UnpauseContainer(ctx, id) })
}

// RemoveContainer implements engine.Engine.
func (l *link) RemoveContainer(ctx context.Context, id string) error {
	return l.do(ctx, call{method: "RemoveContainer", object: l.nameOf(id), changes: true}, func() error {
		return l.Engine.RemoveContainer(context.WithoutCancel(ctx), id)
	})
}

// RemoveContainerOnly implements engine.Engine.
func (l *link) RemoveContainerOnly(ctx context.Context, id string) error {
	return l.do(ctx, call{method: "RemoveContainerOnly", object: l.nameOf(id), changes: true}, func() error {
		return l.Engine.RemoveContainerOnly(context.WithoutCancel(ctx), id)
	})
}

// RenameContainer implements engine.Engine.
func (l *link) RenameContainer(ctx context.Context, id, name string) error {
	return l.do(ctx, call{method: "RenameContainer", object: l.nameOf(id), changes: true}, func() error {
		return l.Engine.RenameContainer(context.WithoutCancel(ctx), id, name)
	})
}

// InspectContainer implements engine.Engine.
func (l *link) InspectContainer(ctx context.Context, id string) (engine.Container, error) {
	return value(ctx, l, call{method: "InspectContainer", object: l.nameOf(id)}, func() (engine.Container, error) {
		return l.Engine.InspectContainer(ctx, id)
	})
}

// ListContainers implements engine.Engine.
func (l *link) ListContainers(ctx context.Context, labels map[string]string) ([]engine.Container, error) {
	return value(ctx, l, call{method: "ListContainers", details: fmt.Sprint(labels)}, func() ([]engine.Container, error) {
		return l.Engine.ListContainers(ctx, labels)
	})
}

// Logs implements engine.Engine.
func (l *link) Logs(ctx context.Context, id string, opts engine.LogOptions) (io.ReadCloser, error) {
	return value(ctx, l, call{method: "Logs", object: l.nameOf(id)}, func() (io.ReadCloser, error) { return l.Engine.Logs(ctx, id, opts) })
}

// Exec implements engine.Engine.
func (l *link) Exec(ctx context.Context, id string, spec engine.ExecSpec) (engine.ExecResult, error) {
	return value(ctx, l, call{method: "Exec", object: l.nameOf(id), details: strings.Join(spec.Cmd, " ")}, func() (engine.ExecResult, error) {
		return l.Engine.Exec(ctx, id, spec)
	})
}

// CopyTo implements engine.Engine.
func (l *link) CopyTo(ctx context.Context, id, dir string, tar io.Reader) error {
	return l.do(ctx, call{method: "CopyTo", object: l.nameOf(id), details: dir, changes: true}, func() error { return l.Engine.CopyTo(ctx, id, dir, tar) })
}

func (l *link) CopyOver(ctx context.Context, id, dir string, tar io.Reader) error {
	return l.do(ctx, call{method: "CopyOver", object: l.nameOf(id), details: dir, changes: true}, func() error { return l.Engine.CopyOver(ctx, id, dir, tar) })
}

// CopyFrom implements engine.Engine.
func (l *link) CopyFrom(ctx context.Context, id, path string) (io.ReadCloser, error) {
	return value(ctx, l, call{method: "CopyFrom", object: l.nameOf(id), details: path}, func() (io.ReadCloser, error) {
		return l.Engine.CopyFrom(ctx, id, path)
	})
}

// InspectImage implements engine.Engine.
func (l *link) InspectImage(ctx context.Context, ref string) (engine.Image, error) {
	return value(ctx, l, call{method: "InspectImage", object: ref}, func() (engine.Image, error) { return l.Engine.InspectImage(ctx, ref) })
}

// ImportImage implements engine.Engine.
func (l *link) ImportImage(ctx context.Context, ref string, changes []string, tar io.Reader) (string, error) {
	return value(ctx, l, call{method: "ImportImage", object: "the binary"}, func() (string, error) {
		return l.Engine.ImportImage(ctx, ref, changes, tar)
	})
}

// CreateNetwork implements engine.Engine.
func (l *link) CreateNetwork(ctx context.Context, spec engine.NetworkSpec) (string, error) {
	return value(ctx, l, call{method: "CreateNetwork", object: spec.Name, changes: true}, func() (string, error) {
		return l.Engine.CreateNetwork(context.WithoutCancel(ctx), spec)
	})
}

// RemoveNetwork implements engine.Engine.
func (l *link) RemoveNetwork(ctx context.Context, id string) error {
	return l.do(ctx, call{method: "RemoveNetwork", changes: true}, func() error { return l.Engine.RemoveNetwork(context.WithoutCancel(ctx), id) })
}

// ListNetworks implements engine.Engine.
func (l *link) ListNetworks(ctx context.Context, labels map[string]string) ([]engine.Network, error) {
	return value(ctx, l, call{method: "ListNetworks", details: fmt.Sprint(labels)}, func() ([]engine.Network, error) {
		return l.Engine.ListNetworks(ctx, labels)
	})
}

// ConnectNetwork implements engine.Engine.
func (l *link) ConnectNetwork(ctx context.Context, net, container string, settings network.EndpointSettings) error {
	return l.do(ctx, call{method: "ConnectNetwork", object: l.nameOf(container), changes: true}, func() error {
		return l.Engine.ConnectNetwork(context.WithoutCancel(ctx), net, container, settings)
	})
}

// DisconnectNetwork implements engine.Engine.
func (l *link) DisconnectNetwork(ctx context.Context, network, container string) error {
	return l.do(ctx, call{method: "DisconnectNetwork", object: l.nameOf(container), changes: true}, func() error {
		return l.Engine.DisconnectNetwork(context.WithoutCancel(ctx), network, container)
	})
}

// InspectNetwork implements engine.Engine.
func (l *link) InspectNetwork(ctx context.Context, name string) (engine.Network, error) {
	return value(ctx, l, call{method: "InspectNetwork", object: name}, func() (engine.Network, error) {
		return l.Engine.InspectNetwork(ctx, name)
	})
}

// InspectVolume implements engine.Engine.
func (l *link) InspectVolume(ctx context.Context, name string) (engine.Volume, error) {
	return value(ctx, l, call{method: "InspectVolume", object: name}, func() (engine.Volume, error) {
		return l.Engine.InspectVolume(ctx, name)
	})
}

// CreateVolume implements engine.Engine.
func (l *link) CreateVolume(ctx context.Context, spec engine.VolumeSpec) error {
	return l.do(ctx, call{method: "CreateVolume", object: spec.Name, changes: true}, func() error {
		return l.Engine.CreateVolume(context.WithoutCancel(ctx), spec)
	})
}

// RemoveVolume implements engine.Engine.
func (l *link) RemoveVolume(ctx context.Context, name string) error {
	return l.do(ctx, call{method: "RemoveVolume", object: name, changes: true}, func() error { return l.Engine.RemoveVolume(ctx, name) })
}

// ListVolumes implements engine.Engine.
func (l *link) ListVolumes(ctx context.Context, labels map[string]string) ([]engine.Volume, error) {
	return value(ctx, l, call{method: "ListVolumes", details: fmt.Sprint(labels)}, func() ([]engine.Volume, error) {
		return l.Engine.ListVolumes(ctx, labels)
	})
}

// Events implements engine.Engine. An event arrives some time after what it tells of, in order.
func (l *link) Events(ctx context.Context, labels map[string]string) (<-chan engine.Event, func() error, error) {
	var in <-chan engine.Event
	var why func() error
	err := l.do(ctx, call{method: "Events"}, func() (err error) { in, why, err = l.Engine.Events(ctx, labels); return err })
	if err != nil {
		return nil, nil, err
	}
	out := make(chan engine.Event)
	go func() {
		defer close(out)
		for e := range in {
			time.Sleep(time.Duration(1 + l.w.draw("event", e.ID, e.Type).Int64N(int64(10*time.Millisecond))))
			select {
			case out <- e:
			case <-ctx.Done():
				return
			case <-l.dead:
				return
			}
		}
	}()
	return out, why, nil
}
