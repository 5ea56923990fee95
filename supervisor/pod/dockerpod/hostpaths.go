package dockerpod

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// MakeHostPaths makes the directories that a stack binds and that may be made (DirectoryOrCreate, as a Compose file's short
// form of a volume asks for): Docker's own mounts do not. They belong to the user, mode 0755.
func MakeHostPaths(stack *services.Stack) error {
	var errs []error
	for _, x := range stack.Workloads {
		bound := strings.Split(x.PodMeta().Annotations[pod.BindAnnotation], ",")
		for _, v := range x.PodSpec().Volumes {
			h := v.HostPath
			if h == nil || h.Type == nil || *h.Type != corev1.HostPathDirectoryOrCreate || !slices.Contains(bound, v.Name) {
				continue
			}
			if err := os.MkdirAll(h.Path, 0o755); err != nil {
				errs = append(errs, fmt.Errorf("%s: cannot make the directory of volume %s of %s: %w", x.Source, v.Name, x.Name(), err))
			}
		}
	}
	return errors.Join(errs...)
}
