package engine

import (
	"context"

	"github.com/docker/docker/api/types/network"
)

// Uncut returns an engine whose methods that create, start, rename, connect or remove something fail at once if ctx has ended, and
// otherwise run to their own timeouts, whatever becomes of ctx. Docker finishes such a request even if its client does not wait, so
// a caller that returned before that would not know what there is to remove. Methods that transfer data, reads, stops and execs
// end with ctx.
func Uncut(e Engine) Engine { return &uncut{Engine: e} }

type uncut struct{ Engine }

// CreateContainer implements Containers.
func (u *uncut) CreateContainer(ctx context.Context, spec ContainerSpec) (string, error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	return u.Engine.CreateContainer(context.WithoutCancel(ctx), spec)
}

// StartContainer implements Containers.
func (u *uncut) StartContainer(ctx context.Context, id string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return u.Engine.StartContainer(context.WithoutCancel(ctx), id)
}

// RemoveContainer implements Containers.
func (u *uncut) RemoveContainer(ctx context.Context, id string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return u.Engine.RemoveContainer(context.WithoutCancel(ctx), id)
}

// RemoveContainerOnly implements Containers.
func (u *uncut) RemoveContainerOnly(ctx context.Context, id string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return u.Engine.RemoveContainerOnly(context.WithoutCancel(ctx), id)
}

// RenameContainer implements Containers.
func (u *uncut) RenameContainer(ctx context.Context, id, name string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return u.Engine.RenameContainer(context.WithoutCancel(ctx), id, name)
}

// CreateNetwork implements Networks.
func (u *uncut) CreateNetwork(ctx context.Context, spec NetworkSpec) (string, error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	return u.Engine.CreateNetwork(context.WithoutCancel(ctx), spec)
}

// RemoveNetwork implements Networks.
func (u *uncut) RemoveNetwork(ctx context.Context, id string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return u.Engine.RemoveNetwork(context.WithoutCancel(ctx), id)
}

// ConnectNetwork implements Networks.
func (u *uncut) ConnectNetwork(ctx context.Context, net, container string, settings network.EndpointSettings) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return u.Engine.ConnectNetwork(context.WithoutCancel(ctx), net, container, settings)
}

// CreateVolume implements Volumes.
func (u *uncut) CreateVolume(ctx context.Context, spec VolumeSpec) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return u.Engine.CreateVolume(context.WithoutCancel(ctx), spec)
}

// RemoveVolume implements Volumes.
func (u *uncut) RemoveVolume(ctx context.Context, name string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return u.Engine.RemoveVolume(context.WithoutCancel(ctx), name)
}
