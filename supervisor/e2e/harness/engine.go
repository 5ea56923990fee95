package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// Engine is a connection to the Docker engine, closed when the test ends.
func (i *Instance) Engine() engine.Engine {
	i.t.Helper()
	e, err := engine.NewDocker(false)
	if err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(func() { _ = e.Close() })
	return e
}

// ContainerID is the engine's ID of a container of a pod, "" while it has none.
func ContainerID(p *corev1.Pod, container string) string {
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for _, c := range list {
			if c.Name == container {
				return strings.TrimPrefix(c.ContainerID, "docker://")
			}
		}
	}
	return ""
}

// Status is the status of a container of a pod, ordinary or init; zero while it has none.
func Status(p *corev1.Pod, container string) corev1.ContainerStatus {
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for _, c := range list {
			if c.Name == container {
				return c
			}
		}
	}
	return corev1.ContainerStatus{}
}

// KillSupervisor ends the supervisor as a crash does, and returns when it is gone. What it looked after goes on.
func (i *Instance) KillSupervisor() {
	i.t.Helper()
	pid := i.Snapshot().PID
	if pid <= 1 || pid == os.Getpid() {
		i.t.Fatalf("the supervisor says that it is process %d", pid)
	}
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		i.t.Fatalf("cannot kill the supervisor: %v", err)
	}
	i.Eventually(10*time.Second, "the supervisor is gone", func() bool { return !i.client.Alive(i.t.Context()) })
}

// Pod is a pod of the latest snapshot; it must be there.
func (i *Instance) Pod(name string) *corev1.Pod {
	i.t.Helper()
	p := i.Snapshot().Pod(name)
	if p == nil {
		i.t.Fatalf("there is no pod %s\n%s", name, i.Report())
	}
	return p
}

// sweep removes what an instance left behind that could not be taken down.
func sweep(ctx context.Context, project string) error {
	e, err := engine.NewDocker(false)
	if err != nil {
		return err
	}
	defer e.Close()
	labels := map[string]string{services.ProjectLabel: project}
	list, err := e.ListContainers(ctx, labels)
	errs := []error{err}
	for _, c := range list {
		errs = append(errs, e.RemoveContainer(ctx, c.ID))
	}
	nets, err := e.ListNetworks(ctx, labels)
	errs = append(errs, err)
	for _, n := range nets {
		errs = append(errs, e.RemoveNetwork(ctx, n.ID))
	}
	vols, err := e.ListVolumes(ctx, labels)
	errs = append(errs, err)
	for _, v := range vols {
		errs = append(errs, e.RemoveVolume(ctx, v.Name))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cannot sweep project %s: %w", project, err)
	}
	return nil
}
