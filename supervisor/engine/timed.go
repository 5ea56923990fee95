package engine

import (
	"context"
	"io"
	"path"
	"sync"
	"time"

	"github.com/docker/docker/api/types/network"

	"github.com/lyandev/lyandev/supervisor/timeline"
)

// Timed returns an engine that records a span for each call: the method, what it is about, and the pod of the call's context
// (timeline.With). Of calls that go on as a stream (Logs, Attach, CopyFrom, Wait) the time until they return counts. Ping, Events and
// Stats are left out: they belong to nothing that somebody waits for.
func Timed(e Engine, r *timeline.Recorder) Engine { return &timed{Engine: e, recorder: r} }

type timed struct {
	Engine
	recorder *timeline.Recorder
	// names are the names of containers by ID.
	names sync.Map
}

// call begins the span of a call; the returned function ends it, and is given the call's error.
func (t *timed) call(ctx context.Context, method, object string) func(*error) {
	start := time.Now()
	return func(err *error) {
		s := timeline.Span{
			Kind: timeline.Engine, Name: method, Object: t.name(object), Of: timeline.PodOf(ctx), Start: start, End: time.Now(), Failed: *err != nil,
		}
		if *err != nil {
			s.Detail = (*err).Error()
		}
		t.recorder.Add(s)
	}
}

// name is the name of a container if it is known, else the beginning of its ID; anything else stays as it is.
func (t *timed) name(object string) string {
	if name, ok := t.names.Load(object); ok {
		return name.(string)
	}
	if len(object) == 64 {
		return object[:12]
	}
	return object
}

// CreateContainer implements Containers.
func (t *timed) CreateContainer(ctx context.Context, spec ContainerSpec) (id string, err error) {
	defer t.call(ctx, "CreateContainer", spec.Name)(&err)
	if id, err = t.Engine.CreateContainer(ctx, spec); err == nil {
		t.names.Store(id, spec.Name)
	}
	return id, err
}

// RemoveContainer implements Containers.
func (t *timed) RemoveContainer(ctx context.Context, id string) (err error) {
	defer t.names.Delete(id)
	defer t.call(ctx, "RemoveContainer", id)(&err)
	return t.Engine.RemoveContainer(ctx, id)
}

// ListContainers implements Containers.
func (t *timed) ListContainers(ctx context.Context, labels map[string]string) (list []Container, err error) {
	defer t.call(ctx, "ListContainers", "")(&err)
	list, err = t.Engine.ListContainers(ctx, labels)
	for i := range list {
		if _, known := t.names.Load(list[i].ID); !known {
			t.names.Store(list[i].ID, list[i].Name)
		}
	}
	return list, err
}

// Exec implements Containers. Of the command only the program's name is recorded: arguments may be secret. A command that is talked to
// is left out.
func (t *timed) Exec(ctx context.Context, id string, spec ExecSpec) (res ExecResult, err error) {
	if spec.Stdin != nil && spec.Stdout != nil {
		return t.Engine.Exec(ctx, id, spec) // a conversation goes on for as long as the container runs
	}
	method := "Exec"
	if len(spec.Cmd) > 0 {
		method += " " + path.Base(spec.Cmd[0])
	}
	defer t.call(ctx, method, id)(&err)
	return t.Engine.Exec(ctx, id, spec)
}

// Info implements Engine.
func (t *timed) Info(ctx context.Context) (out Info, err error) {
	defer t.call(ctx, "Info", "")(&err)
	return t.Engine.Info(ctx)
}

// StartContainer implements Containers.
func (t *timed) StartContainer(ctx context.Context, id string) (err error) {
	defer t.call(ctx, "StartContainer", id)(&err)
	return t.Engine.StartContainer(ctx, id)
}

// StopContainer implements Containers.
func (t *timed) StopContainer(ctx context.Context, id, signal string, grace time.Duration) (err error) {
	defer t.call(ctx, "StopContainer", id)(&err)
	return t.Engine.StopContainer(ctx, id, signal, grace)
}

// KillContainer implements Containers.
func (t *timed) KillContainer(ctx context.Context, id, signal string) (err error) {
	defer t.call(ctx, "KillContainer", id)(&err)
	return t.Engine.KillContainer(ctx, id, signal)
}

// PauseContainer implements Containers.
func (t *timed) PauseContainer(ctx context.Context, id string) (err error) {
	defer t.call(ctx, "PauseContainer", id)(&err)
	return t.Engine.PauseContainer(ctx, id)
}

// UnpauseContainer implements Containers.
func (t *timed) UnpauseContainer(ctx context.Context, id string) (err error) {
	defer t.call(ctx, "UnpauseContainer", id)(&err)
	return t.Engine.UnpauseContainer(ctx, id)
}

// RemoveContainerOnly implements Containers.
func (t *timed) RemoveContainerOnly(ctx context.Context, id string) (err error) {
	defer t.names.Delete(id)
	defer t.call(ctx, "RemoveContainerOnly", id)(&err)
	return t.Engine.RemoveContainerOnly(ctx, id)
}

// RenameContainer implements Containers.
func (t *timed) RenameContainer(ctx context.Context, id, name string) (err error) {
	defer t.call(ctx, "RenameContainer", id)(&err)
	return t.Engine.RenameContainer(ctx, id, name)
}

// InspectContainer implements Containers.
func (t *timed) InspectContainer(ctx context.Context, id string) (out Container, err error) {
	defer t.call(ctx, "InspectContainer", id)(&err)
	return t.Engine.InspectContainer(ctx, id)
}

// CopyTo implements Containers.
func (t *timed) CopyTo(ctx context.Context, id, dir string, tar io.Reader) (err error) {
	defer t.call(ctx, "CopyTo", id)(&err)
	return t.Engine.CopyTo(ctx, id, dir, tar)
}

// CopyOver implements Containers.
func (t *timed) CopyOver(ctx context.Context, id, dir string, tar io.Reader) (err error) {
	defer t.call(ctx, "CopyOver", id)(&err)
	return t.Engine.CopyOver(ctx, id, dir, tar)
}

// InspectImage implements Images.
func (t *timed) InspectImage(ctx context.Context, ref string) (out Image, err error) {
	defer t.call(ctx, "InspectImage", ref)(&err)
	return t.Engine.InspectImage(ctx, ref)
}

// PullImage implements Images.
func (t *timed) PullImage(ctx context.Context, ref string, opts PullOptions) (err error) {
	defer t.call(ctx, "PullImage", ref)(&err)
	return t.Engine.PullImage(ctx, ref, opts)
}

// ImportImage implements Images.
func (t *timed) ImportImage(ctx context.Context, ref string, changes []string, tar io.Reader) (out string, err error) {
	defer t.call(ctx, "ImportImage", ref)(&err)
	return t.Engine.ImportImage(ctx, ref, changes, tar)
}

// ListImages implements Images.
func (t *timed) ListImages(ctx context.Context, labels map[string]string) (out []Image, err error) {
	defer t.call(ctx, "ListImages", "")(&err)
	return t.Engine.ListImages(ctx, labels)
}

// TagImage implements Images.
func (t *timed) TagImage(ctx context.Context, id, ref string) (err error) {
	defer t.call(ctx, "TagImage", ref)(&err)
	return t.Engine.TagImage(ctx, id, ref)
}

// RemoveImage implements Images.
func (t *timed) RemoveImage(ctx context.Context, ref string) (err error) {
	defer t.call(ctx, "RemoveImage", ref)(&err)
	return t.Engine.RemoveImage(ctx, ref)
}

// CreateNetwork implements Networks.
func (t *timed) CreateNetwork(ctx context.Context, spec NetworkSpec) (out string, err error) {
	defer t.call(ctx, "CreateNetwork", spec.Name)(&err)
	return t.Engine.CreateNetwork(ctx, spec)
}

// RemoveNetwork implements Networks.
func (t *timed) RemoveNetwork(ctx context.Context, id string) (err error) {
	defer t.call(ctx, "RemoveNetwork", id)(&err)
	return t.Engine.RemoveNetwork(ctx, id)
}

// InspectNetwork implements Networks.
func (t *timed) InspectNetwork(ctx context.Context, name string) (out Network, err error) {
	defer t.call(ctx, "InspectNetwork", name)(&err)
	return t.Engine.InspectNetwork(ctx, name)
}

// ListNetworks implements Networks.
func (t *timed) ListNetworks(ctx context.Context, labels map[string]string) (out []Network, err error) {
	defer t.call(ctx, "ListNetworks", "")(&err)
	return t.Engine.ListNetworks(ctx, labels)
}

// ConnectNetwork implements Networks.
func (t *timed) ConnectNetwork(ctx context.Context, net, container string, settings network.EndpointSettings) (err error) {
	defer t.call(ctx, "ConnectNetwork", container)(&err)
	return t.Engine.ConnectNetwork(ctx, net, container, settings)
}

// DisconnectNetwork implements Networks.
func (t *timed) DisconnectNetwork(ctx context.Context, net, container string) (err error) {
	defer t.call(ctx, "DisconnectNetwork", container)(&err)
	return t.Engine.DisconnectNetwork(ctx, net, container)
}

// CreateVolume implements Volumes.
func (t *timed) CreateVolume(ctx context.Context, spec VolumeSpec) (err error) {
	defer t.call(ctx, "CreateVolume", spec.Name)(&err)
	return t.Engine.CreateVolume(ctx, spec)
}

// InspectVolume implements Volumes.
func (t *timed) InspectVolume(ctx context.Context, name string) (out Volume, err error) {
	defer t.call(ctx, "InspectVolume", name)(&err)
	return t.Engine.InspectVolume(ctx, name)
}

// RemoveVolume implements Volumes.
func (t *timed) RemoveVolume(ctx context.Context, name string) (err error) {
	defer t.call(ctx, "RemoveVolume", name)(&err)
	return t.Engine.RemoveVolume(ctx, name)
}

// ListVolumes implements Volumes.
func (t *timed) ListVolumes(ctx context.Context, labels map[string]string) (out []Volume, err error) {
	defer t.call(ctx, "ListVolumes", "")(&err)
	return t.Engine.ListVolumes(ctx, labels)
}

// CopyFrom implements Containers.
func (t *timed) CopyFrom(ctx context.Context, id, from string) (out io.ReadCloser, err error) {
	defer t.call(ctx, "CopyFrom", id)(&err)
	return t.Engine.CopyFrom(ctx, id, from)
}

// Logs implements Containers.
func (t *timed) Logs(ctx context.Context, id string, opts LogOptions) (out io.ReadCloser, err error) {
	defer t.call(ctx, "Logs", id)(&err)
	return t.Engine.Logs(ctx, id, opts)
}

// Wait implements Containers.
func (t *timed) Wait(ctx context.Context, id string, until WaitUntil) (out <-chan Ended, err error) {
	defer t.call(ctx, "Wait", id)(&err)
	return t.Engine.Wait(ctx, id, until)
}

// Attach implements Containers.
func (t *timed) Attach(ctx context.Context, id string, opts AttachOptions) (out func() error, err error) {
	defer t.call(ctx, "Attach", id)(&err)
	return t.Engine.Attach(ctx, id, opts)
}
