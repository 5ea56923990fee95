package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	dockerapi "github.com/docker/docker/api"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/api/types/versions"
)

// OldestAPI and NewestAPI are the Docker API versions that this client speaks. A newer engine is asked in NewestAPI as long as it
// accepts that.
const (
	OldestAPI = "1.41"
	NewestAPI = dockerapi.DefaultVersion
)

// ErrTooNew means that the engine accepts only API versions above NewestAPI.
var ErrTooNew = errors.New("the engine accepts only newer Docker API versions than this lyandev speaks")

// Details are what an engine says about itself and its host. People read them to find a fault; lyandev itself decides by Info.
type Details struct {
	Info
	// Product is the name of the engine's program, such as "Docker Engine - Community" or "Podman Engine"; "" if it names none.
	Product string
	// EngineAPI and MinAPI are the newest and the oldest API version that the engine accepts.
	EngineAPI, MinAPI string
	// System is the operating system of the engine's host, such as "Docker Desktop" or "Debian GNU/Linux 13 (trixie)".
	System string
	// Storage is the storage driver. NoDType is true if its file system cannot tell the type of a directory entry, which breaks overlays.
	Storage string
	NoDType bool
	// CgroupVersion is "1" or "2", CgroupDriver "cgroupfs", "systemd" or "none". The limits are those that the kernel can enforce.
	CgroupVersion, CgroupDriver         string
	MemoryLimits, CPULimits, PidsLimits bool
	// RootDir is the engine's data directory, a path on its host.
	RootDir  string
	Rootless bool
	// The proxies of the engine itself, which it uses for pulls.
	HTTPProxy, HTTPSProxy, NoProxy string
	// Ahead is how far the engine's clock is ahead of this host's, negative if it is behind, with an error of up to half the time that
	// the call took. ClockKnown is false if the engine does not tell its time.
	Ahead      time.Duration
	ClockKnown bool
}

// Older reports whether API version a is before b.
func Older(a, b string) bool { return versions.LessThan(a, b) }

// Details asks the engine for its version and configuration, in three calls. The error is ErrTooNew if the engine refuses this
// client's API version.
func (d *Docker) Details(ctx context.Context) (Details, error) {
	info, err := d.Info(ctx)
	if err != nil {
		return Details{}, tooNew(err)
	}
	v, err := within(ctx, infoLimit, d.api.ServerVersion)
	if err != nil {
		return Details{}, wrap(err, "ask the Docker engine at %s for its version", d.host)
	}
	asked := time.Now()
	s, err := within(ctx, infoLimit, d.api.Info)
	if err != nil {
		return Details{}, wrap(err, "ask the Docker engine at %s for its configuration", d.host)
	}
	return details(info, &v, &s, asked.Add(time.Since(asked)/2)), nil
}

// tooNew adds ErrTooNew to the answer of an engine that refuses the client's API version ("client version 1.51 is too old. Minimum
// supported API version is ...", 400, which has no class of its own).
func tooNew(err error) error {
	if strings.Contains(err.Error(), "client version") && strings.Contains(err.Error(), "too old") {
		return fmt.Errorf("%w: %w", ErrTooNew, err)
	}
	return err
}

// details puts the answers together. now is the host's time at which the engine answered.
func details(info Info, v *types.Version, s *system.Info, now time.Time) Details {
	out := Details{
		Info: info, Product: v.Platform.Name, EngineAPI: v.APIVersion, MinAPI: v.MinAPIVersion, System: s.OperatingSystem,
		Storage: s.Driver, CgroupVersion: s.CgroupVersion, CgroupDriver: s.CgroupDriver,
		MemoryLimits: s.MemoryLimit, CPULimits: s.CPUCfsQuota, PidsLimits: s.PidsLimit,
		RootDir: s.DockerRootDir, HTTPProxy: s.HTTPProxy, HTTPSProxy: s.HTTPSProxy, NoProxy: s.NoProxy,
		Rootless: slices.ContainsFunc(s.SecurityOptions, func(o string) bool { return strings.Contains(o, "name=rootless") }),
		NoDType:  slices.Contains(s.DriverStatus, [2]string{"Supports d_type", "false"}),
	}
	if slices.ContainsFunc(v.Components, func(c types.ComponentVersion) bool { return strings.Contains(c.Name, "Podman") }) {
		out.Product = "Podman Engine"
	}
	if at, err := time.Parse(time.RFC3339Nano, s.SystemTime); err == nil {
		out.Ahead, out.ClockKnown = at.Sub(now), true
	}
	return out
}
