package engine

import (
	"context"
	"io"

	"github.com/docker/docker/api/types/network"
)

// Guarded returns an engine whose methods that create, start, rename, connect or remove something fail with the error of allowed, if
// it returns one. Reads, stops and execs are not guarded.
func Guarded(e Engine, allowed func() error) Engine { return &guarded{Engine: e, allowed: allowed} }

type guarded struct {
	Engine
	allowed func() error
}

// CreateContainer implements Containers.
func (g *guarded) CreateContainer(ctx context.Context, spec ContainerSpec) (string, error) {
	if err := g.allowed(); err != nil {
		return "", err
	}
	return g.Engine.CreateContainer(ctx, spec)
}

// StartContainer implements Containers.
func (g *guarded) StartContainer(ctx context.Context, id string) error {
	if err := g.allowed(); err != nil {
		return err
	}
	return g.Engine.StartContainer(ctx, id)
}

// RemoveContainer implements Containers.
func (g *guarded) RemoveContainer(ctx context.Context, id string) error {
	if err := g.allowed(); err != nil {
		return err
	}
	return g.Engine.RemoveContainer(ctx, id)
}

// RemoveContainerOnly implements Containers.
func (g *guarded) RemoveContainerOnly(ctx context.Context, id string) error {
	if err := g.allowed(); err != nil {
		return err
	}
	return g.Engine.RemoveContainerOnly(ctx, id)
}

// RenameContainer implements Containers.
func (g *guarded) RenameContainer(ctx context.Context, id, name string) error {
	if err := g.allowed(); err != nil {
		return err
	}
	return g.Engine.RenameContainer(ctx, id, name)
}

// ImportImage implements Images.
func (g *guarded) ImportImage(ctx context.Context, ref string, changes []string, tar io.Reader) (string, error) {
	if err := g.allowed(); err != nil {
		return "", err
	}
	return g.Engine.ImportImage(ctx, ref, changes, tar)
}

// CreateNetwork implements Networks.
func (g *guarded) CreateNetwork(ctx context.Context, spec NetworkSpec) (string, error) {
	if err := g.allowed(); err != nil {
		return "", err
	}
	return g.Engine.CreateNetwork(ctx, spec)
}

// RemoveNetwork implements Networks.
func (g *guarded) RemoveNetwork(ctx context.Context, id string) error {
	if err := g.allowed(); err != nil {
		return err
	}
	return g.Engine.RemoveNetwork(ctx, id)
}

// ConnectNetwork implements Networks.
func (g *guarded) ConnectNetwork(ctx context.Context, net, container string, settings network.EndpointSettings) error {
	if err := g.allowed(); err != nil {
		return err
	}
	return g.Engine.ConnectNetwork(ctx, net, container, settings)
}

// CreateVolume implements Volumes.
func (g *guarded) CreateVolume(ctx context.Context, spec VolumeSpec) error {
	if err := g.allowed(); err != nil {
		return err
	}
	return g.Engine.CreateVolume(ctx, spec)
}

// RemoveVolume implements Volumes.
func (g *guarded) RemoveVolume(ctx context.Context, name string) error {
	if err := g.allowed(); err != nil {
		return err
	}
	return g.Engine.RemoveVolume(ctx, name)
}
