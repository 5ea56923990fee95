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

	"golang.org/x/sync/semaphore"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
)

// KindPorter labels the containers that copy.
const KindPorter = "porter"

// Config holds the dependencies of saving and restoring.
type Config struct {
	Engine engine.Engine
	// Project is the instance's name, Dir its directory, Home the directory of its files.
	Project, Dir, Home string
	// Image returns the reference of the image that holds this binary, and creates the image if it is missing.
	Image func(ctx context.Context) (string, error)
	// Volume returns the volume of the Compose file that a claim stands for; nil, and a nil function, is none.
	Volume func(claim string) *compose.Volume
	// SameHost reports whether the engine is known to keep its volumes on this host; nil means that it is not known.
	SameHost func() bool
	// InContainer has all copying done in a container, even where this process could open the volumes' directories.
	InContainer bool
}

// removeLimit is how long the end of a copier is waited for.
const removeLimit = 20 * time.Second

// declared is the volume of the Compose file that a claim stands for, nil if there is none.
func (c Config) declared(claim string) *compose.Volume {
	if c.Volume == nil {
		return nil
	}
	return c.Volume(claim)
}

// claimVolume is the name of a claim's Docker volume.
func (c Config) claimVolume(claim string) string {
	return dockerpod.ClaimVolume(c.declared(claim), c.Project, claim)
}

// hasVolume reports whether a claim's Docker volume exists, whoever made it.
func (c Config) hasVolume(ctx context.Context, claim string) (bool, error) {
	_, err := c.Engine.InspectVolume(ctx, c.claimVolume(claim))
	if engine.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// porter is a copier in a container that has the volumes mounted. One serves a whole save or restore, because starting it
// takes longer than most copies.
type porter struct {
	eng engine.Engine
	id  string

	in    *io.PipeWriter
	out   *json.Decoder
	bad   bytes.Buffer
	ended chan struct{}
}

// at is the mount point of a volume.
func at(side string, i int) string { return fmt.Sprintf("/%s/%d", side, i) }

// startPorter starts a porter with mounts. It runs until remove, even if ctx ends.
func (c Config) startPorter(ctx context.Context, name string, mounts []engine.Mount) (*porter, error) {
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
		return nil, fmt.Errorf("cannot create the copy container: %w", err)
	}
	p := &porter{eng: c.Engine, id: id, ended: make(chan struct{})}
	if err := c.Engine.StartContainer(ctx, id); err != nil {
		close(p.ended)
		return nil, errors.Join(fmt.Errorf("cannot start the copy container: %w", err), p.remove(ctx))
	}
	in, write := io.Pipe()
	read, out := io.Pipe()
	p.in, p.out = write, json.NewDecoder(read)
	go func() {
		defer close(p.ended)
		r, err := p.eng.Exec(context.WithoutCancel(ctx), id, engine.ExecSpec{Cmd: []string{"/lyandev", Command}, Stdin: in, Stdout: out, Stderr: &p.bad})
		if err == nil {
			err = fmt.Errorf("%s exited with code %d: %s", Command, r.ExitCode, strings.TrimSpace(p.bad.String()))
		}
		_ = in.CloseWithError(err)
		_ = out.CloseWithError(err)
	}()
	return p, nil
}

// remove implements copier: it removes the container and waits for the process to end.
func (p *porter) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeLimit)
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
		return fmt.Errorf("cannot end the copy process: %w", ctx.Err())
	}
}

// do implements copier: it sends the request to the process in the container.
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

// volumes returns the project's volumes.
func (c Config) volumes(ctx context.Context) ([]engine.Volume, error) {
	return c.Engine.ListVolumes(ctx, map[string]string{services.ProjectLabel: c.Project})
}

// List returns the project's snapshots, oldest first.
func (c Config) List(ctx context.Context) ([]Meta, error) {
	vols, err := c.volumes(ctx)
	if err != nil {
		return nil, err
	}
	return List(vols)
}

// Find returns a snapshot by name. The error is ErrNoSnapshot if there is none; its text lists the existing ones.
func (c Config) Find(ctx context.Context, name string) (*Meta, error) {
	vols, err := c.volumes(ctx)
	if err != nil {
		return nil, err
	}
	return find(vols, name)
}

// Remove deletes a snapshot, its marker volume first. Copies that cannot be deleted are deleted by the next Remove or Save of
// that name.
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

// Discard deletes the volumes of a snapshot, complete or not.
func (c Config) Discard(ctx context.Context, name string) error {
	vols, err := c.volumes(ctx)
	if err != nil {
		return err
	}
	return c.discard(ctx, vols, name)
}

// discard deletes all volumes of a snapshot.
func (c Config) discard(ctx context.Context, vols []engine.Volume, name string) error {
	for _, v := range volumesOf(vols, name) {
		if err := c.Engine.RemoveVolume(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

// locks allow one save or restore per project in this process. The instance's lock excludes other processes.
var locks sync.Map // of project to *semaphore.Weighted

func (c Config) acquire(ctx context.Context) (release func(), err error) {
	have, _ := locks.LoadOrStore(c.Project, semaphore.NewWeighted(1))
	lock := have.(*semaphore.Weighted)
	if lock.Acquire(ctx, 1) != nil {
		return nil, fmt.Errorf("cannot start copying: another snapshot of %s is being saved or restored: %w", c.Project, context.Cause(ctx))
	}
	return func() { lock.Release(1) }, nil
}
