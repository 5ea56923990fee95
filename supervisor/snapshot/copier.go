package snapshot

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// copier works on the volumes of one save or restore: it is this process, if it can open their directories, or otherwise a
// porter. Requests name volumes by their mount points in the porter.
type copier interface {
	// do handles one request and blocks until the reply or the end of ctx. Requests must not overlap. After an end of ctx the
	// copier cannot be used any more.
	do(ctx context.Context, q Request) (Copied, error)
	// remove ends the work, even if ctx has ended, and waits up to 20 s for that.
	remove(ctx context.Context) error
}

// newCopier returns a copier for volumes. here says that the engine is known to keep volumes on this host.
func (c Config) newCopier(ctx context.Context, name string, mounts []engine.Mount, here bool) (copier, error) {
	if here && !c.InContainer {
		if h := c.openHere(ctx, mounts); h != nil {
			return h, nil
		}
	}
	p, err := c.startPorter(ctx, name, mounts)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// sameHost reports whether the engine is known to keep its volumes on this host. made is a volume that the engine has created
// since a time, "" for none: its directory on this host then proves it.
func (c Config) sameHost(ctx context.Context, made string, since time.Time) bool {
	if c.InContainer {
		return false
	}
	if c.SameHost != nil && c.SameHost() {
		return true
	}
	if made == "" {
		return false
	}
	root := engine.HostVolume(ctx, c.Engine, made)
	if root == nil {
		return false
	}
	defer root.Close()
	info, err := root.Lstat(".")
	return err == nil && !changeTime(info).Before(since.Add(-clockGrain))
}

// hostCopier copies in this process, between the directories of volumes on this host. Nothing in a volume, such as a symbolic
// link, leads out of it: all files are opened through os.Root.
type hostCopier struct {
	// dirs maps mount points to directories.
	dirs map[string]string
	busy sync.WaitGroup
}

// openHere returns a hostCopier, nil if the directory of one of the volumes cannot be opened.
func (c Config) openHere(ctx context.Context, mounts []engine.Mount) *hostCopier {
	h := &hostCopier{dirs: map[string]string{"": ""}}
	for _, m := range mounts {
		root := engine.HostVolume(ctx, c.Engine, m.Volume)
		if root == nil {
			return nil
		}
		h.dirs[m.Target] = root.Name()
		_ = root.Close()
	}
	return h
}

func (h *hostCopier) do(ctx context.Context, q Request) (Copied, error) {
	q.Src, q.Dst = h.dirs[q.Src], h.dirs[q.Dst]
	var all []string
	for _, at := range q.All {
		all = append(all, h.dirs[at])
	}
	q.All = all
	type reply struct {
		done Copied
		err  error
	}
	answered := make(chan reply, 1)
	h.busy.Go(func() {
		done, err := do(ctx, q)
		answered <- reply{done, err}
	})
	select {
	case r := <-answered:
		return r.done, r.err
	case <-ctx.Done(): // a write to a busy disk may take longer
		return Copied{}, fmt.Errorf("cannot copy: %w", context.Cause(ctx))
	}
}

func (h *hostCopier) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeLimit)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		h.busy.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("cannot end the copying: %w", ctx.Err())
	}
}
