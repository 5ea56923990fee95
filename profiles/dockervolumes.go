package profiles

import (
	"fmt"
	"maps"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
)

// dockerVolumes sets the stack's Docker volumes: those that enabled services mount. A volume of the file has one name in Docker,
// whichever semantics the services have that mount it, so that a service whose semantics change keeps its data.
func (c *converter) dockerVolumes(names []string) {
	plain := map[string]bool{}
	for _, n := range names {
		s := c.project.Services[n]
		for _, v := range s.Volumes {
			if c.plain[n] && s.Provider == nil && v.Type == types.VolumeTypeVolume && v.Source != "" {
				plain[v.Source] = true
			}
		}
	}
	claims := c.sharedClaims()
	for _, key := range slices.Sorted(maps.Keys(c.project.Volumes)) {
		claim := c.names.volumes[key]
		if plain[key] || claims[claim] {
			v := c.dockerVolume(key)
			v.OnDemand = !plain[key]
			if claims[claim] {
				v.Claim = claim
			}
			c.stack.Volumes = append(c.stack.Volumes, v)
		}
		c.firstClaim(key)
	}
}

// sharedClaims are the claims that pods name themselves, not by the template of a StatefulSet.
func (c *converter) sharedClaims() map[string]bool {
	claims := map[string]bool{}
	for _, w := range c.stack.Workloads {
		for _, v := range w.PodSpec().Volumes {
			if v.PersistentVolumeClaim != nil {
				claims[v.PersistentVolumeClaim.ClaimName] = true
			}
		}
	}
	return claims
}

// dockerVolume is a volume of the file. Its other name is that of the claim, which it had under Kubernetes' semantics in earlier
// versions.
func (c *converter) dockerVolume(key string) *compose.Volume {
	v := c.project.Volumes[key]
	out := &compose.Volume{
		Key: key, Name: c.dockerName(v.Name, key, bool(v.External)), External: bool(v.External), Source: c.l.loc.pos("volumes", key).String(),
	}
	if old := compose.Project + "_" + c.names.volumes[key]; old != out.Name {
		out.Else = old
	}
	if !out.External {
		out.Driver, out.DriverOpts, out.Labels = v.Driver, maps.Clone(map[string]string(v.DriverOpts)), maps.Clone(map[string]string(v.Labels))
	}
	return out
}

// firstClaim records the volume that the first pod of a StatefulSet has by a claim template: its own, or that of the file if the
// service has filled that one before it was a StatefulSet. A volume that several services mount is given to none of them.
func (c *converter) firstClaim(key string) {
	users := 0
	for _, all := range []types.Services{c.project.Services, c.project.DisabledServices} {
		for _, s := range all {
			if mountsVolume(s, key) {
				users++
			}
		}
	}
	v := c.project.Volumes[key]
	if users != 1 || bool(v.External) {
		return
	}
	name := c.names.volumes[key]
	for _, w := range c.stack.Workloads {
		if claim, ok := firstClaimOf(w, name); ok {
			c.stack.Volumes = append(c.stack.Volumes, &compose.Volume{
				Key: key, Name: compose.Project + "_" + claim, Claim: claim, Else: c.dockerName(v.Name, key, false), OnDemand: true,
				Source: c.l.loc.pos("volumes", key).String(),
			})
		}
	}
}

// mountsVolume reports whether a service mounts a volume of the file.
func mountsVolume(s types.ServiceConfig, key string) bool {
	return slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Type == types.VolumeTypeVolume && v.Source == key })
}

// firstClaimOf is the claim that the first pod of a StatefulSet has by a template.
func firstClaimOf(w *services.Workload, template string) (claim string, ok bool) {
	set, ok := w.Object.(*appsv1.StatefulSet)
	if !ok || !slices.ContainsFunc(set.Spec.VolumeClaimTemplates, func(t corev1.PersistentVolumeClaim) bool { return t.Name == template }) {
		return "", false
	}
	first := int32(0)
	if set.Spec.Ordinals != nil {
		first = set.Spec.Ordinals.Start
	}
	return fmt.Sprintf("%s-%s-%d", template, w.Name(), first), true
}
