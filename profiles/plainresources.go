package profiles

import (
	"maps"
	"regexp"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/blkiodev"
	"github.com/docker/docker/api/types/container"
)

// resources sets limits and devices. What stands under deploy.resources overrides the older fields.
func (p *plain) resources() {
	s := p.s
	r := container.Resources{
		CgroupParent: s.CgroupParent, Memory: int64(s.MemLimit), MemorySwap: int64(s.MemSwapLimit), MemoryReservation: int64(s.MemReservation),
		OomKillDisable: new(s.OomKillDisable), CPUCount: s.CPUCount, CPUPeriod: s.CPUPeriod, CPUQuota: s.CPUQuota,
		CPURealtimePeriod: s.CPURTPeriod, CPURealtimeRuntime: s.CPURTRuntime, CPUShares: s.CPUShares, NanoCPUs: int64(s.CPUS * 1e9),
		CPUPercent: int64(s.CPUPercent * 100), CpusetCpus: s.CPUSet, DeviceCgroupRules: s.DeviceCgroupRules, Ulimits: ulimits(s.Ulimits),
	}
	if s.MemSwappiness != 0 {
		r.MemorySwappiness = new(int64(s.MemSwappiness))
	}
	if s.PidsLimit != 0 {
		r.PidsLimit = new(s.PidsLimit)
	}
	blkio(s.BlkioConfig, &r)
	if s.Deploy != nil {
		deployResources(s.Deploy.Resources, &r)
	}
	devices(s, &r)
	p.out.Host.Resources = r
}

// deployResources sets the limits, and of the reservations memory and devices: Docker has no others.
func deployResources(d types.Resources, r *container.Resources) {
	if l := d.Limits; l != nil {
		if l.MemoryBytes != 0 {
			r.Memory = int64(l.MemoryBytes)
		}
		if l.NanoCPUs != 0 {
			r.NanoCPUs = int64(l.NanoCPUs * 1e9)
		}
		if l.Pids > 0 {
			r.PidsLimit = new(l.Pids)
		}
	}
	if d.Reservations == nil {
		return
	}
	if d.Reservations.MemoryBytes != 0 {
		r.MemoryReservation = int64(d.Reservations.MemoryBytes)
	}
	for _, dev := range d.Reservations.Devices {
		r.DeviceRequests = append(r.DeviceRequests, deviceRequest(dev, dev.Capabilities))
	}
}

func deviceRequest(d types.DeviceRequest, capabilities []string) container.DeviceRequest {
	return container.DeviceRequest{
		Driver: d.Driver, Count: int(d.Count), DeviceIDs: d.IDs, Capabilities: [][]string{capabilities}, Options: maps.Clone(map[string]string(d.Options)),
	}
}

// cdiName is the form of a device name of the Container Device Interface: VENDOR/CLASS=NAME.
var cdiName = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9_.-]*[A-Za-z0-9])?/[A-Za-z]([A-Za-z0-9_-]*[A-Za-z0-9])?=[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?$`)

// devices sets devices, which are paths on the host or names of the Container Device Interface, and gpus.
func devices(s types.ServiceConfig, r *container.Resources) {
	var names []string
	for _, d := range s.Devices {
		if d.Source == d.Target && cdiName.MatchString(d.Source) {
			names = append(names, d.Source)
			continue
		}
		r.Devices = append(r.Devices, container.DeviceMapping{PathOnHost: d.Source, PathInContainer: d.Target, CgroupPermissions: d.Permissions})
	}
	if len(names) > 0 {
		r.DeviceRequests = append(r.DeviceRequests, container.DeviceRequest{Driver: "cdi", DeviceIDs: names})
	}
	for _, g := range s.Gpus {
		r.DeviceRequests = append(r.DeviceRequests, deviceRequest(g, append(slices.Clone(g.Capabilities), "gpu")))
	}
}

func ulimits(m map[string]*types.UlimitsConfig) []*container.Ulimit {
	var out []*container.Ulimit
	for _, name := range slices.Sorted(maps.Keys(m)) {
		u := &container.Ulimit{Name: name, Soft: int64(m[name].Single), Hard: int64(m[name].Single)}
		if m[name].Soft != 0 {
			u.Soft = int64(m[name].Soft)
		}
		if m[name].Hard != 0 {
			u.Hard = int64(m[name].Hard)
		}
		out = append(out, u)
	}
	return out
}

func blkio(b *types.BlkioConfig, r *container.Resources) {
	if b == nil {
		return
	}
	throttle := func(list []types.ThrottleDevice) []*blkiodev.ThrottleDevice {
		var out []*blkiodev.ThrottleDevice
		for _, d := range list {
			out = append(out, &blkiodev.ThrottleDevice{Path: d.Path, Rate: uint64(max(d.Rate, 0))})
		}
		return out
	}
	r.BlkioWeight = b.Weight
	for _, d := range b.WeightDevice {
		r.BlkioWeightDevice = append(r.BlkioWeightDevice, &blkiodev.WeightDevice{Path: d.Path, Weight: d.Weight})
	}
	r.BlkioDeviceReadBps, r.BlkioDeviceReadIOps = throttle(b.DeviceReadBps), throttle(b.DeviceReadIOps)
	r.BlkioDeviceWriteBps, r.BlkioDeviceWriteIOps = throttle(b.DeviceWriteBps), throttle(b.DeviceWriteIOps)
}
