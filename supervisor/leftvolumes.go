package supervisor

import (
	"context"
	"fmt"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/pod/composepod"
)

// tellLeftVolumes warns of the anonymous volumes that plain services of the running stack, which may be nil, leave behind when the next
// stack gives them Kubernetes' semantics: their pods begin with empty directories there. The volumes stay, and the service has them again
// when it is plain again. An engine that does not answer is no error: nothing but the warning depends on it.
func (s *Supervisor) tellLeftVolumes(ctx context.Context, running, next *services.Stack, warn func(text string)) {
	if running == nil {
		return
	}
	for _, x := range next.Workloads {
		old := running.Find(x.Name())
		if x.Plain() || old == nil || !old.Plain() {
			continue
		}
		want, err := compose.Decode(old.PodMeta().Annotations[compose.Annotation], s.cfg.Instance.Name)
		if err != nil {
			continue
		}
		list, err := s.cfg.Engine.ListContainers(ctx, map[string]string{services.ProjectLabel: s.cfg.Instance.Name, services.WorkloadLabel: x.Name()})
		if err != nil {
			return
		}
		for i := range list {
			for _, v := range composepod.AnonymousOf(&list[i], want) {
				warn(fmt.Sprintf("%s begins with an empty directory at %s: what its container wrote there is in the anonymous volume %.12s, which stays; "+
					"give the volume a name in the file (volumes: [NAME:%s]) and copy the data (`lyandev cp`) before the service gets Kubernetes' semantics",
					old.DisplayName(), v.Target, v.Name, v.Target))
			}
		}
	}
}
