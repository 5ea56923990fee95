package services

import (
	"fmt"
	"slices"

	"github.com/lyandev/lyandev/services/compose"
)

// ClaimVolume returns the entry of Volumes that a claim stands for, not a copy; nil if the claim has none. The volume of such a claim is
// PROJECT_CLAIM.
func (s *Stack) ClaimVolume(claim string) *compose.Volume {
	if s == nil || claim == "" {
		return nil
	}
	for _, v := range s.Volumes {
		if v.Claim == claim {
			return v
		}
	}
	return nil
}

// UseVolumeName gives a volume of the stack another name in Docker, also where plain services mount it. Both names may contain
// compose.Project. The lists of the stack are changed; v and the workloads, which other stacks may share, are replaced by copies. The
// error is a plain service whose annotation cannot be decoded.
func (s *Stack) UseVolumeName(v *compose.Volume, name string) error {
	for i := range s.Volumes {
		if s.Volumes[i] == v {
			s.Volumes[i] = v.DeepCopy()
			s.Volumes[i].Name = name
		}
	}
	for i, w := range s.Workloads {
		text, plain := w.PodMeta().Annotations[compose.Annotation]
		if !plain {
			continue
		}
		c, err := compose.Decode(text, compose.Project)
		if err != nil {
			return fmt.Errorf("%s: service %s: %w", w.Source, w.DisplayName(), err)
		}
		if !c.RenameVolume(v.Name, name) {
			continue
		}
		if text, err = c.Encode(); err != nil {
			return err
		}
		s.Workloads[i] = w.DeepCopy()
		s.Workloads[i].PodMeta().Annotations[compose.Annotation] = text
	}
	return nil
}

// UseVolumesOf gives the volumes the names that they have in a running stack, which may be nil, where they may have two.
func (s *Stack) UseVolumesOf(running *Stack) error {
	if running == nil {
		return nil
	}
	for _, v := range s.Volumes {
		if v.Else != "" && slices.ContainsFunc(running.Volumes, func(o *compose.Volume) bool { return o.Key == v.Key && o.Claim == v.Claim && o.Name == v.Else }) {
			if err := s.UseVolumeName(v, v.Else); err != nil {
				return err
			}
		}
	}
	return nil
}
