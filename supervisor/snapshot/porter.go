package snapshot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// Command is the hidden command of lyandev that works on volumes inside the porter's container.
const Command = "copy-volume"

// KindPorter labels the containers that copy.
const KindPorter = "porter"

// Config is what copying needs.
type Config struct {
	Engine engine.Engine
	// Project is the instance's name, Dir its directory, Home the directory of its files.
	Project, Dir, Home string
	// Image makes sure of the image of this lyandev's own binary, whose command "sandbox" sleeps, and gives its reference.
	Image func(ctx context.Context) (string, error)
}

// porter is a container that has volumes mounted and copies between them. One is made for a whole job: starting a container
// takes longer than most copies.
type porter struct {
	eng engine.Engine
	id  string
}

// at is where a volume is mounted.
func at(side string, i int) string { return fmt.Sprintf("/%s/%d", side, i) }

// hire starts a porter with mounts.
func (c Config) hire(ctx context.Context, name string, mounts []engine.Mount) (*porter, error) {
	image, err := c.Image(ctx)
	if err != nil {
		return nil, err
	}
	l := labels(c.Project, c.Dir, KindPorter, name)
	l["com.docker.compose.project"], l["com.docker.compose.oneoff"] = c.Project, "True"
	id, err := c.Engine.CreateContainer(ctx, engine.ContainerSpec{
		Name: fmt.Sprintf("%s-porter-%d", c.Project, time.Now().UnixNano()), Image: image, Cmd: []string{"sandbox"}, User: "0:0",
		Labels: l, Network: "none", Mounts: mounts,
	})
	if err != nil {
		return nil, fmt.Errorf("cannot make the container that copies: %w", err)
	}
	p := &porter{eng: c.Engine, id: id}
	if err := c.Engine.StartContainer(ctx, id); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot start the container that copies: %w", err), p.dismiss(ctx))
	}
	return p, nil
}

// dismiss removes the porter, also when ctx has ended.
func (p *porter) dismiss(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	return p.eng.RemoveContainer(ctx, p.id)
}

// do runs one piece of work and reads what it says. limit 0 is none.
func (p *porter) do(ctx context.Context, limit time.Duration, args ...string) (Copied, error) {
	var out, bad bytes.Buffer
	r, err := p.eng.Exec(ctx, p.id, engine.ExecSpec{
		Cmd: append([]string{"/lyandev", Command}, args...), Timeout: limit, Stdout: &out, Stderr: &bad,
	})
	var done Copied
	switch {
	case err != nil:
		return done, fmt.Errorf("cannot copy: %w", err)
	case r.ExitCode != 0:
		text := strings.TrimPrefix(strings.TrimSpace(bad.String()), "lyandev: ")
		if text == "" {
			text = fmt.Sprintf("%s ended with %d", Command, r.ExitCode)
		}
		return done, errors.New(text)
	}
	if err := json.Unmarshal(out.Bytes(), &done); err != nil {
		return done, fmt.Errorf("cannot read what was copied: %w", err)
	}
	return done, nil
}

// fireLeftovers removes porters that an interrupted job left. Those that work belong to others of the same instance: only one job
// at a time is going on there, see Lock.
func (c Config) fireLeftovers(ctx context.Context) error {
	list, err := c.Engine.ListContainers(ctx, map[string]string{services.ProjectLabel: c.Project, KindLabel: KindPorter})
	if err != nil {
		return err
	}
	for _, p := range list {
		if err := c.Engine.RemoveContainer(ctx, p.ID); err != nil {
			return err
		}
	}
	return nil
}

// volumes are the project's.
func (c Config) volumes(ctx context.Context) ([]engine.Volume, error) {
	return c.Engine.ListVolumes(ctx, map[string]string{services.ProjectLabel: c.Project})
}

// List are the project's snapshots, oldest first.
func (c Config) List(ctx context.Context) ([]Meta, error) {
	vols, err := c.volumes(ctx)
	if err != nil {
		return nil, err
	}
	return List(vols)
}

// Find finds a snapshot; ErrNoSnapshot names those that there are.
func (c Config) Find(ctx context.Context, name string) (*Meta, error) {
	vols, err := c.volumes(ctx)
	if err != nil {
		return nil, err
	}
	return find(vols, name)
}

// Remove deletes a snapshot. It stops existing first; what of it cannot be deleted then is deleted by the next Remove or Save
// of that name.
func (c Config) Remove(ctx context.Context, name string) error {
	vols, err := c.volumes(ctx)
	if err != nil {
		return err
	}
	if _, err := find(vols, name); err != nil {
		return fmt.Errorf("cannot remove the snapshot: %w", err)
	}
	return c.discard(ctx, vols, name)
}

// discard deletes all volumes of a name.
func (c Config) discard(ctx context.Context, vols []engine.Volume, name string) error {
	for _, v := range volumesOf(vols, name) {
		if err := c.Engine.RemoveVolume(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

// lock is held by the one job of this process that copies; jobs of other processes are kept out by the instance's lock.
var lock = make(chan struct{}, 1)

func acquire(ctx context.Context) (release func(), err error) {
	select {
	case lock <- struct{}{}:
		return func() { <-lock }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("cannot begin to copy: another snapshot is being made or restored: %w", context.Cause(ctx))
	}
}
