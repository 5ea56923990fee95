package profiles

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
)

// Each file of testdata/plain is loaded, and each of its containers, networks and volumes is compared with what Docker Compose
// v5.5 asked Docker for, which the file of the same name with .json records.
func TestRecorded(t *testing.T) {
	files, err := filepath.Glob("testdata/plain/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		golden := strings.TrimSuffix(file, ".yaml") + ".json"
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			if *recordWith != "" {
				record(t, file, golden)
			}
			raw, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			dir, err := filepath.Abs(filepath.Dir(file))
			if err != nil {
				t.Fatal(err)
			}
			var want records
			if err := json.Unmarshal([]byte(strings.ReplaceAll(string(raw), "DIR", dir)), &want); err != nil {
				t.Fatal(err)
			}
			s, err := Load(t.Context(), Options{Files: []string{file}, ProjectName: recordedProject, Env: recordedEnv()})
			if err != nil {
				t.Fatal(err)
			}
			compareContainers(t, s, want)
			compareNetworks(t, s, want)
			compareVolumes(t, s, want)
		})
	}
}

func compareContainers(t *testing.T, s *services.Stack, want records) {
	t.Helper()
	for name, raw := range want.Containers {
		w := s.Find(name)
		if w == nil {
			t.Errorf("no workload %s", name)
			continue
		}
		c, err := compose.Decode(w.PodMeta().Annotations[compose.Annotation], recordedProject)
		if err != nil {
			t.Fatal(err)
		}
		var theirs request
		if err := json.Unmarshal(raw, &theirs); err != nil {
			t.Fatal(err)
		}
		ours := requested(w, c)
		normalize(&ours, name)
		normalize(&theirs, name)
		if d := cmp.Diff(theirs, ours, cmpopts.EquateEmpty(), cmpopts.SortSlices(func(a, b string) bool { return a < b })); d != "" {
			t.Errorf("%s: -Compose +lyandev\n%s", name, d)
		}
		if (theirs.Entrypoint == nil) != (ours.Entrypoint == nil) || (theirs.Cmd == nil) != (ours.Cmd == nil) {
			t.Errorf("%s: an empty list is not no list: %#v %#v, want %#v %#v", name, ours.Entrypoint, ours.Cmd, theirs.Entrypoint, theirs.Cmd)
		}
		if (theirs.HostConfig.ExtraHosts == nil) != (c.Host.ExtraHosts == nil) || c.Host.PortBindings == nil {
			t.Errorf("%s: inspect shows null for ExtraHosts or PortBindings, with Compose it is empty", name)
		}
		if (theirs.HostConfig.MaskedPaths == nil) != (ours.HostConfig.MaskedPaths == nil) {
			t.Errorf("%s: MaskedPaths %#v, want %#v", name, ours.HostConfig.MaskedPaths, theirs.HostConfig.MaskedPaths)
		}
	}
	if len(s.Workloads) != len(want.Containers) {
		t.Errorf("%d workloads, %d containers", len(s.Workloads), len(want.Containers))
	}
}

// requested is the request for the first container of a workload.
func requested(w *services.Workload, c *compose.Container) request {
	r := request{Config: c.Config, HostConfig: c.Host}
	r.Image = w.PodSpec().Containers[0].Image
	first := func(workload string) string { return recordedProject + "-" + workload + "-1" }
	if c.NetworkOf != "" {
		r.HostConfig.NetworkMode = container.NetworkMode("container:" + first(c.NetworkOf))
	}
	if c.PIDOf != "" {
		r.HostConfig.PidMode = container.PidMode("container:" + first(c.PIDOf))
	}
	if c.IPCOf != "" {
		r.HostConfig.IpcMode = container.IpcMode("container:" + first(c.IPCOf))
	}
	for _, v := range c.VolumesFrom {
		r.HostConfig.VolumesFrom = append(r.HostConfig.VolumesFrom, first(v.Workload))
	}
	r.NetworkingConfig.EndpointsConfig = map[string]*network.EndpointSettings{}
	for _, a := range c.Networks {
		r.NetworkingConfig.EndpointsConfig[a.Network] = &a.Settings
	}
	return r
}

// normalize removes what the supervisor decides or Docker ignores: Compose's own labels, host ports, the container's name among
// its aliases, the MAC address for old engines.
func normalize(r *request, service string) {
	for k := range r.Labels {
		if strings.HasPrefix(k, "com.docker.compose.") {
			delete(r.Labels, k)
		}
	}
	r.Config.MacAddress = "" //nolint:staticcheck // for engines before API 1.44
	r.HostConfig.PortBindings = nil
	slices.SortFunc(r.HostConfig.Mounts, func(a, b mount.Mount) int { return strings.Compare(a.Target, b.Target) })
	slices.SortFunc(r.HostConfig.Ulimits, func(a, b *container.Ulimit) int { return strings.Compare(a.Name, b.Name) })
	for _, e := range r.NetworkingConfig.EndpointsConfig {
		e.Aliases = slices.DeleteFunc(e.Aliases, func(a string) bool { return a == recordedProject+"-"+service+"-1" })
		e.IPAddress, e.IPv6Gateway = "", ""
	}
}

func compareNetworks(t *testing.T, s *services.Stack, want records) {
	t.Helper()
	for name, raw := range want.Networks {
		i := slices.IndexFunc(s.Networks, func(n *compose.Network) bool { return compose.Named(n.Name, recordedProject) == name })
		if i < 0 {
			t.Errorf("no network %s", name)
			continue
		}
		var theirs network.CreateRequest
		if err := json.Unmarshal(raw, &theirs); err != nil {
			t.Fatal(err)
		}
		n := s.Networks[i]
		ours := network.CreateRequest{Name: name, CreateOptions: network.CreateOptions{
			Driver: n.Driver, Options: n.DriverOpts, Internal: n.Internal, Attachable: n.Attachable, EnableIPv4: n.EnableIPv4,
			EnableIPv6: n.EnableIPv6, IPAM: n.IPAM, Labels: n.Labels,
		}}
		for k := range theirs.Labels {
			if strings.HasPrefix(k, "com.docker.compose.") {
				delete(theirs.Labels, k)
			}
		}
		if d := cmp.Diff(theirs, ours, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("network %s: -Compose +lyandev\n%s", name, d)
		}
	}
}

func compareVolumes(t *testing.T, s *services.Stack, want records) {
	t.Helper()
	for name, raw := range want.Volumes {
		i := slices.IndexFunc(s.Volumes, func(v *compose.Volume) bool { return compose.Named(v.Name, recordedProject) == name })
		if i < 0 {
			t.Errorf("no volume %s", name)
			continue
		}
		var theirs struct {
			Driver             string
			DriverOpts, Labels map[string]string
		}
		if err := json.Unmarshal(raw, &theirs); err != nil {
			t.Fatal(err)
		}
		for k := range theirs.Labels {
			if strings.HasPrefix(k, "com.docker.compose.") {
				delete(theirs.Labels, k)
			}
		}
		v := s.Volumes[i]
		ours := theirs
		ours.Driver, ours.DriverOpts, ours.Labels = v.Driver, v.DriverOpts, v.Labels
		if d := cmp.Diff(theirs, ours, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("volume %s: -Compose +lyandev\n%s", name, d)
		}
	}
	own := 0
	for _, v := range s.Volumes {
		if !v.External {
			own++
		}
	}
	if own != len(want.Volumes) {
		t.Errorf("%d volumes, Compose makes %d", own, len(want.Volumes))
	}
}
