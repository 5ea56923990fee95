package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// Wait implements Containers.
func (d *Docker) Wait(ctx context.Context, id string, until WaitUntil) (<-chan Ended, error) {
	if _, err := d.inspect(ctx, id); err != nil {
		return nil, wrap(err, "wait for container %s", short(id))
	}
	results, errs := d.api.ContainerWait(ctx, id, container.WaitCondition(until))
	out := make(chan Ended, 1)
	go func() {
		select {
		case r := <-results:
			e := Ended{ExitCode: int(r.StatusCode)}
			if r.Error != nil && r.Error.Message != "" {
				e.Err = wrap(errors.New(r.Error.Message), "wait for container %s", short(id))
			}
			out <- e
		case err := <-errs:
			out <- Ended{Err: wrap(err, "wait for container %s", short(id))}
		}
	}()
	return out, nil
}

// Attach implements Containers.
func (d *Docker) Attach(ctx context.Context, id string, o AttachOptions) (func() error, error) {
	c, err := d.inspect(ctx, id)
	if err != nil {
		return nil, wrap(err, "attach to container %s", short(id))
	}
	conn, err := d.api.ContainerAttach(ctx, id, container.AttachOptions{
		Stream: true, Stdin: o.Stdin != nil, Stdout: o.Stdout != nil, Stderr: o.Stderr != nil, Logs: o.Logs, DetachKeys: o.DetachKeys,
	})
	if err != nil {
		return nil, wrap(err, "attach to container %s", short(id))
	}
	if o.Stdin != nil {
		go func() {
			_, _ = io.Copy(conn.Conn, o.Stdin)
			_ = conn.CloseWrite()
		}()
	}
	done := make(chan error, 1)
	go func() { done <- copyAttached(conn, o, c.Config.Tty) }()
	return func() error {
		defer conn.Close()
		select {
		case err := <-done:
			return wrap(err, "read the output of container %s", short(id))
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}, nil
}

// copyAttached copies the output until it ends.
func copyAttached(conn types.HijackedResponse, o AttachOptions, tty bool) error {
	stdout, stderr := o.Stdout, o.Stderr
	if stdout == nil {
		stdout = io.Discard
	}
	if stderr == nil {
		stderr = io.Discard
	}
	var err error
	if tty { // a terminal has one stream, and no headers
		_, err = io.Copy(stdout, conn.Reader)
	} else {
		_, err = stdcopy.StdCopy(stdout, stderr, conn.Reader)
	}
	return err
}

// ResizeTTY implements Containers.
func (d *Docker) ResizeTTY(ctx context.Context, id string, columns, rows uint) error {
	err := do(ctx, answerLimit, func(ctx context.Context) error {
		return d.api.ContainerResize(ctx, id, container.ResizeOptions{Width: columns, Height: rows})
	})
	return wrap(err, "resize the terminal of container %s", short(id))
}

// Top implements Containers.
func (d *Docker) Top(ctx context.Context, id string, args []string) (Processes, error) {
	top, err := within(ctx, answerLimit, func(ctx context.Context) (container.TopResponse, error) { return d.api.ContainerTop(ctx, id, args) })
	if err != nil {
		return Processes{}, wrap(err, "list the processes of container %s", short(id))
	}
	return Processes{Titles: top.Titles, Rows: top.Processes}, nil
}

// Stats implements Containers.
func (d *Docker) Stats(ctx context.Context, id string) (Stats, error) {
	s, err := within(ctx, answerLimit, func(ctx context.Context) (container.StatsResponse, error) {
		var s container.StatsResponse
		r, err := d.api.ContainerStatsOneShot(ctx, id)
		if err != nil {
			return s, err
		}
		defer r.Body.Close()
		return s, json.NewDecoder(r.Body).Decode(&s)
	})
	if err != nil {
		return Stats{}, wrap(err, "measure container %s", short(id))
	}
	return observedStats(s), nil
}

// observedStats computes what the docker CLI shows: memory without the inactive page cache (total_inactive_file with cgroup v1,
// inactive_file with v2).
func observedStats(s container.StatsResponse) Stats {
	out := Stats{
		CPUNanos: s.CPUStats.CPUUsage.TotalUsage, SystemNanos: s.CPUStats.SystemUsage, CPUs: int(s.CPUStats.OnlineCPUs),
		Memory: s.MemoryStats.Usage, MemoryLimit: s.MemoryStats.Limit, PIDs: s.PidsStats.Current,
	}
	if out.CPUs == 0 {
		out.CPUs = len(s.CPUStats.CPUUsage.PercpuUsage)
	}
	cache, v1 := s.MemoryStats.Stats["total_inactive_file"]
	if !v1 {
		cache = s.MemoryStats.Stats["inactive_file"]
	}
	if cache < out.Memory {
		out.Memory -= cache
	}
	for _, n := range s.Networks {
		out.NetRx += n.RxBytes
		out.NetTx += n.TxBytes
	}
	for _, b := range s.BlkioStats.IoServiceBytesRecursive {
		switch b.Op {
		case "Read", "read":
			out.BlockRead += b.Value
		case "Write", "write":
			out.BlockWrite += b.Value
		}
	}
	return out
}
