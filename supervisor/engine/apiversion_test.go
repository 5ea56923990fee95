package engine

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/google/go-cmp/cmp"
)

// TestAPIVersions: each setting is refused, or warned of, below the API version that knows it, and neither from there on.
func TestAPIVersions(t *testing.T) {
	mounted := func(m mount.Mount) Exact {
		m.Target = "/x"
		return Exact{Host: container.HostConfig{Mounts: []mount.Mount{m}}}
	}
	joined := func(s network.EndpointSettings) Exact {
		return Exact{Networks: []NetworkAttachment{{Network: "a"}, {Network: "b", Settings: s}}}
	}
	for _, tc := range []struct {
		what, before, from string
		x                  Exact
		warns              bool
	}{
		{"annotations", "1.42", "1.43", Exact{Host: container.HostConfig{Annotations: map[string]string{"a": "b"}}}, true},
		{
			"healthcheck.start_interval", "1.43", "1.44",
			Exact{Config: container.Config{Healthcheck: &container.HealthConfig{StartInterval: time.Second}}},
			true,
		},
		{"volume.subpath", "1.44", "1.45", mounted(mount.Mount{VolumeOptions: &mount.VolumeOptions{Subpath: "d"}}), false},
		{"type: image", "1.47", "1.48", mounted(mount.Mount{Type: mount.TypeImage}), false},
		{"bind.recursive: readonly", "1.43", "1.44", mounted(mount.Mount{BindOptions: &mount.BindOptions{ReadOnlyForceRecursive: true}}), false},
		{"options of a tmpfs", "1.45", "1.46", mounted(mount.Mount{TmpfsOptions: &mount.TmpfsOptions{Options: [][]string{{"noexec"}}}}), false},
		{"networks.b.gw_priority", "1.47", "1.48", joined(network.EndpointSettings{GwPriority: 1}), true},
		{"networks.b.interface_name", "1.48", "1.49", joined(network.EndpointSettings{DriverOpts: map[string]string{ifname: "eth7"}}), false},
		{"networks.b.mac_address", "1.43", "1.44", joined(network.EndpointSettings{MacAddress: "02:42:00:00:00:01"}), true},
	} {
		warnings, err := CheckExact(&tc.x, tc.before)
		switch {
		case tc.warns && (err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], tc.what)):
			t.Errorf("%s with %s: %q, %v", tc.what, tc.before, warnings, err)
		case !tc.warns && (!errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), tc.what) || !strings.Contains(err.Error(), tc.from)):
			t.Errorf("%s with %s: %v", tc.what, tc.before, err)
		}
		if warnings, err := CheckExact(&tc.x, tc.from); err != nil || len(warnings) > 0 {
			t.Errorf("%s with %s: %q, %v", tc.what, tc.from, warnings, err)
		}
	}
}

// TestTranslateExact: networks and hardware addresses are where each API version wants them, and the specification stays as it is.
func TestTranslateExact(t *testing.T) {
	const mac = "02:42:00:00:00:01"
	spec := ContainerSpec{Image: "new", Labels: map[string]string{"b": "2"}, Mounts: []Mount{{Volume: "v", Target: "/d"}}}
	spec.Exact = &Exact{
		Config: container.Config{
			Image: "old", MacAddress: mac, Labels: map[string]string{"a": "1"}, //nolint:staticcheck // what is tested
			Healthcheck: &container.HealthConfig{StartInterval: time.Second},
		},
		Host:     container.HostConfig{Binds: []string{"/h:/d:ro", "/k:/kept"}, NetworkMode: "replaced"},
		Platform: "linux/arm/v7",
		Networks: []NetworkAttachment{
			{Network: "one", Settings: EndpointAt(netip.MustParseAddr("10.0.0.5"), "x")},
			{Network: "two", Settings: network.EndpointSettings{MacAddress: mac, GwPriority: 3}},
		},
	}
	type seen struct {
		MAC              string
		Now, Later       []string
		Endpoint         map[string]string
		Interval         time.Duration
		Priority         int
		Warnings         int
		Image, Mode, Var string
		Labels           map[string]string
		Binds            []string
	}
	for version, want := range map[string]seen{
		"1.41": {MAC: mac, Now: []string{"one"}, Later: []string{"two"}, Endpoint: map[string]string{"one": "", "two": ""}, Warnings: 3},
		"1.48": {
			Now: []string{"one", "two"}, Endpoint: map[string]string{"one": mac, "two": mac}, Interval: time.Second, Priority: 3,
		},
	} {
		want.Image, want.Mode, want.Var, want.Labels = "new", "one", "v7", map[string]string{"a": "1", "b": "2"}
		want.Binds = []string{"/k:/kept"}
		x, err := translateExact(spec, version)
		if err != nil {
			t.Fatal(err)
		}
		got := seen{
			MAC: x.conf.MacAddress, Interval: x.conf.Healthcheck.StartInterval, Warnings: len(x.warnings), //nolint:staticcheck // as above
			Image: x.conf.Image, Mode: string(x.host.NetworkMode), Var: x.platform.Variant, Labels: x.conf.Labels, Binds: x.host.Binds,
			Endpoint: map[string]string{},
		}
		for _, name := range []string{"one", "two"} {
			if ep := x.net.EndpointsConfig[name]; ep != nil {
				got.Now, got.Endpoint[name], got.Priority = append(got.Now, name), ep.MacAddress, ep.GwPriority
			}
		}
		for _, n := range x.later {
			got.Later, got.Endpoint[n.Network] = append(got.Later, n.Network), n.Settings.MacAddress
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", version, d)
		}
	}
	if spec.Exact.Networks[1].Settings.GwPriority != 3 || spec.Exact.Config.Healthcheck.StartInterval == 0 || len(spec.Exact.Config.Labels) != 1 {
		t.Errorf("the specification was changed: %+v", spec.Exact)
	}
	spec.Exact.Networks[0].Settings.MacAddress = "02:42:00:00:00:02"
	if _, err := translateExact(spec, "1.41"); err == nil || !strings.Contains(err.Error(), "mac_address") {
		t.Errorf("two addresses: %v", err)
	}
}

// TestObservedStats computes memory as the docker CLI does, with both versions of cgroups.
func TestObservedStats(t *testing.T) {
	for _, tc := range []struct {
		stats map[string]uint64
		want  uint64
	}{
		{map[string]uint64{"total_inactive_file": 300, "inactive_file": 1}, 700},
		{map[string]uint64{"inactive_file": 400}, 600},
		{map[string]uint64{"inactive_file": 4000}, 1000},
		{nil, 1000},
	} {
		s := container.StatsResponse{MemoryStats: container.MemoryStats{Usage: 1000, Limit: 5000, Stats: tc.stats}}
		s.CPUStats.CPUUsage.PercpuUsage = []uint64{1, 2}
		s.Networks = map[string]container.NetworkStats{"a": {RxBytes: 1, TxBytes: 10}, "b": {RxBytes: 2, TxBytes: 20}}
		s.BlkioStats.IoServiceBytesRecursive = []container.BlkioStatEntry{{Op: "Read", Value: 5}, {Op: "write", Value: 6}, {Op: "Total", Value: 11}}
		want := Stats{CPUs: 2, Memory: tc.want, MemoryLimit: 5000, NetRx: 3, NetTx: 30, BlockRead: 5, BlockWrite: 6}
		if d := cmp.Diff(want, observedStats(s)); d != "" {
			t.Errorf("%v: %s", tc.stats, d)
		}
	}
}

func TestPullPolicies(t *testing.T) {
	now := time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC)
	old := func(d time.Duration) *Image {
		return &Image{OS: "linux", Arch: "amd64", LastTagged: now.Add(-d)}
	}
	for _, tc := range []struct {
		policy, platform string
		have             *Image
		want             bool
	}{
		{"", "", nil, true},
		{"", "", old(time.Hour), false},
		{"missing", "", old(1000 * time.Hour), false},
		{"if_not_present", "", nil, true},
		{"always", "", old(0), true},
		{"never", "", nil, false},
		{"build", "", nil, false},
		{"daily", "", old(23 * time.Hour), false},
		{"daily", "", old(25 * time.Hour), true},
		{"daily", "", nil, true},
		{"weekly", "", old(6 * 24 * time.Hour), false},
		{"weekly", "", old(8 * 24 * time.Hour), true},
		{"every_12h", "", old(11 * time.Hour), false},
		{"every_1w2d", "", old(10 * 24 * time.Hour), true},
		{"missing", "linux/amd64", old(0), false},
		{"missing", "linux/arm64", old(0), true},
	} {
		if got, err := PullDue(tc.policy, tc.platform, tc.have, now); err != nil || got != tc.want {
			t.Errorf("%q %q %v: %v, %v", tc.policy, tc.platform, tc.have, got, err)
		}
	}
	for _, bad := range []string{"sometimes", "every_", "every_x", "every_-1h"} {
		if _, err := PullDue(bad, "", nil, now); err == nil || !strings.Contains(err.Error(), "every_12h") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, tc := range []struct {
		policy, ref string
		have        *Image
		want        bool
	}{
		{"", "x:1", old(0), true},
		{"daily", "x:1", old(0), true},
		{"missing", "x:1", old(0), false},
		{"missing", "x:1", nil, true},
		{"missing", "x", old(0), true},
		{"missing", "x:latest", old(0), true},
		{"never", "x", nil, false},
	} {
		if got, err := PullAsked(tc.policy, "", tc.ref, tc.have, now); err != nil || got != tc.want {
			t.Errorf("pull %q %s %v: %v, %v", tc.policy, tc.ref, tc.have, got, err)
		}
	}
}
