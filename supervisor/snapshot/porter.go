package snapshot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
)

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

// porter is a container that has volumes mounted, with a process in it that copies between them. One is made for a whole
// job: starting either takes longer than most copies.
type porter struct {
	eng engine.Engine
	id  string

	in    *io.PipeWriter
	out   *json.Decoder
	bad   bytes.Buffer
	ended chan struct{}
}

// at is where a volume is mounted.
func at(side string, i int) string { return fmt.Sprintf("/%s/%d", side, i) }

// hire starts a porter with mounts. It works until it is dismissed, also when ctx ends.
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
	p := &porter{eng: c.Engine, id: id, ended: make(chan struct{})}
	if err := c.Engine.StartContainer(ctx, id); err != nil {
		close(p.ended)
		return nil, errors.Join(fmt.Errorf("cannot start the container that copies: %w", err), p.dismiss(ctx))
	}
	in, write := io.Pipe()
	read, out := io.Pipe()
	p.in, p.out = write, json.NewDecoder(read)
	go func() {
		defer close(p.ended)
		r, err := p.eng.Exec(context.WithoutCancel(ctx), id, engine.ExecSpec{Cmd: []string{"/lyandev", Command}, Stdin: in, Stdout: out, Stderr: &p.bad})
		if err == nil {
			err = fmt.Errorf("%s ended with %d: %s", Command, r.ExitCode, strings.TrimSpace(p.bad.String()))
		}
		_ = in.CloseWithError(err)
		_ = out.CloseWithError(err)
	}()
	return p, nil
}

// dismiss removes the porter, also when ctx has ended, and waits until it has gone.
func (p *porter) dismiss(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	if p.in != nil {
		_ = p.in.Close()
	}
	if err := p.eng.RemoveContainer(ctx, p.id); err != nil {
		return err
	}
	select {
	case <-p.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("cannot end the process that copies: %w", ctx.Err())
	}
}

// do asks for one piece of work and waits for it; one at a time. When ctx has ended before the answer the porter is of no use
// any more.
func (p *porter) do(ctx context.Context, q Request) (Copied, error) {
	answered := make(chan error, 1)
	var r Reply
	go func() {
		b, err := json.Marshal(q)
		if err == nil {
			_, err = p.in.Write(append(b, '\n'))
		}
		if err == nil {
			err = p.out.Decode(&r)
		}
		answered <- err
	}()
	select {
	case err := <-answered:
		switch {
		case err != nil:
			return Copied{}, fmt.Errorf("cannot copy: %w", err)
		case r.Error != "":
			return Copied{}, errors.New(r.Error)
		}
		return r.Copied, nil
	case <-ctx.Done():
		return Copied{}, fmt.Errorf("cannot copy: %w", context.Cause(ctx))
	}
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

// locks are held by the one job of this process that copies for a project; jobs of other processes are kept out by the
// instance's lock.
var locks sync.Map // of project to chan struct{}

func (c Config) acquire(ctx context.Context) (release func(), err error) {
	have, _ := locks.LoadOrStore(c.Project, make(chan struct{}, 1))
	lock := have.(chan struct{})
	select {
	case lock <- struct{}{}:
		return func() { <-lock }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("cannot begin to copy: another snapshot of %s is being made or restored: %w", c.Project, context.Cause(ctx))
	}
}
