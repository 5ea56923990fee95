// Package compose describes what Docker is asked for a container of a plain Compose service: one without Kubernetes' semantics.
// It holds Docker's own API types, so that nothing that Docker can do is lost on the way from the file to the engine. It does no
// I/O.
package compose

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
)

// Annotation is the pod annotation that holds a Container in JSON. Only pods of plain services have it.
const Annotation = "dev.lyandev/container"

// Project stands for the instance's name in the names of Docker objects: two directories of one project load the same file but
// have different names. Decode replaces it.
const Project = "@lyandev-project@"

// CredentialsFile is the path in a container with use_api_socket of a Docker CLI configuration with the host's credentials.
const CredentialsFile = "/run/secrets/docker/config.json"

// Container is what Docker is asked for one container. The image is not part of it: it is the image of the pod's container.
type Container struct {
	// Service is the name of the service as the file has it.
	Service string `json:"service"`
	// Name is the container's name; "" is PROJECT-SERVICE-NUMBER.
	Name string `json:"name,omitempty"`

	Config container.Config     `json:"config"`
	Host   container.HostConfig `json:"host"`
	// Networks are the networks that the container is attached to, the primary one first. It is empty if Host.NetworkMode is
	// none, host, bridge or another container's.
	Networks []Attachment `json:"networks,omitempty"`
	// Platform is os/arch[/variant]; "" is the engine's.
	Platform string `json:"platform,omitempty"`

	// NetworkOf, PIDOf and IPCOf name the workload whose container's namespace is joined ("service:NAME" in the file). The
	// engine's ID of its first container replaces the mode in Host when the container is created.
	NetworkOf string `json:"networkOf,omitempty"`
	PIDOf     string `json:"pidOf,omitempty"`
	IPCOf     string `json:"ipcOf,omitempty"`
	// VolumesFrom are workloads whose containers' volumes are mounted too. Those of other containers are in Host.VolumesFrom.
	VolumesFrom []VolumesFrom `json:"volumesFrom,omitempty"`

	// Files are configs and secrets that are written into the container before its first start; those from files on the host are
	// bind mounts in Host. FilesHash has a hash of each one's content (configs/NAME=HASH, secrets/NAME=HASH, with commas between
	// them), so that the container is made anew when they change.
	Files     []File `json:"files,omitempty"`
	FilesHash string `json:"filesHash,omitempty"`

	// Credentials is true if the file has use_api_socket: the credentials of the Docker CLI are written to CredentialsFile.
	Credentials bool `json:"credentials,omitempty"`

	// PreStart are containers that run to completion, one after the other, before the service's first container starts.
	PreStart []PreStart `json:"preStart,omitempty"`
	// PostStart runs in the container after each start that lyandev makes, PreStop before each stop.
	PostStart []Hook `json:"postStart,omitempty"`
	PreStop   []Hook `json:"preStop,omitempty"`
	// StopGrace is the time between the stop signal and SIGKILL; nil is Docker's 10 s.
	StopGrace *time.Duration `json:"stopGrace,omitempty"`
	// Localhost lists the ports of the container's loopback that lead to other services, as services.Localhost.String writes them;
	// "" is none.
	Localhost string `json:"localhost,omitempty"`
	// Quiet is true if the file has attach: false: its output is left out of an attached `up`.
	Quiet bool `json:"quiet,omitempty"`
}

// Attachment attaches a container to a Docker network.
type Attachment struct {
	// Network is the name in Docker.
	Network  string                   `json:"network"`
	Settings network.EndpointSettings `json:"settings"`
}

// VolumesFrom mounts the volumes of another workload's first container.
type VolumesFrom struct {
	Workload string `json:"workload"`
}

// File is one config or secret. Its content is the value of Key in the stack's Secret (Secret true) or ConfigMap named Object.
type File struct {
	Target string `json:"target"`
	Object string `json:"object"`
	Key    string `json:"key"`
	Secret bool   `json:"secret,omitempty"`
	// UID and GID own the file; 0 is root.
	UID int `json:"uid,omitempty"`
	GID int `json:"gid,omitempty"`
	// Mode is the file's permissions; 0 is 0444.
	Mode int64 `json:"mode,omitempty"`
}

// Hook is one entry of post_start or pre_stop.
type Hook struct {
	Command    []string `json:"command"`
	User       string   `json:"user,omitempty"`
	Privileged bool     `json:"privileged,omitempty"`
	WorkingDir string   `json:"workingDir,omitempty"`
	Env        []string `json:"env,omitempty"`
}

// DeepCopy returns a copy that shares nothing with h; nil of nil.
func (h *Hook) DeepCopy() *Hook {
	if h == nil {
		return nil
	}
	out := *h
	out.Command, out.Env = slices.Clone(h.Command), slices.Clone(h.Env)
	return &out
}

// Equal reports whether two hooks run the same command in the same way.
func (h *Hook) Equal(o *Hook) bool { return reflect.DeepEqual(h, o) }

// PreStart is one entry of pre_start: a container with the service's networks and the volumes of its first container.
type PreStart struct {
	// Image is "" for the service's own.
	Image      string   `json:"image,omitempty"`
	Command    []string `json:"command"`
	User       string   `json:"user,omitempty"`
	Privileged bool     `json:"privileged,omitempty"`
	WorkingDir string   `json:"workingDir,omitempty"`
	Env        []string `json:"env,omitempty"`
}

// Encode returns the value of Annotation.
func (c *Container) Encode() (string, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("cannot encode the container of service %s: %w", c.Service, err)
	}
	return string(b), nil
}

// RenameVolume replaces a named volume by another one wherever the container mounts it, and reports whether it does.
func (c *Container) RenameVolume(from, to string) (found bool) {
	for i, b := range c.Host.Binds {
		if rest, ok := strings.CutPrefix(b, from+":"); ok {
			c.Host.Binds[i], found = to+":"+rest, true
		}
	}
	for i := range c.Host.Mounts {
		if m := &c.Host.Mounts[i]; m.Type == mount.TypeVolume && m.Source == from {
			m.Source, found = to, true
		}
	}
	return found
}

// NamedVolumes are the Docker volumes with a name that the container mounts, each once.
func (c *Container) NamedVolumes() []string {
	var out []string
	for _, b := range c.Host.Binds {
		if source, _, ok := strings.Cut(b, ":"); ok && source != "" && !strings.HasPrefix(source, "/") {
			out = append(out, source)
		}
	}
	for i := range c.Host.Mounts {
		if m := &c.Host.Mounts[i]; m.Type == mount.TypeVolume && m.Source != "" {
			out = append(out, m.Source)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Decode reads the value of Annotation for the instance of a name.
func Decode(annotation, project string) (*Container, error) {
	c := new(Container)
	if err := json.Unmarshal([]byte(strings.ReplaceAll(annotation, Project, project)), c); err != nil {
		return nil, fmt.Errorf("cannot decode the annotation %s: %w", Annotation, err)
	}
	return c, nil
}
