package profiles

import (
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/lyandev/lyandev/services"
)

// pausesProbes is the value of services.PauseProbesAnnotation of a service, "" for none. It may be an annotation or a label.
func (c *converter) pausesProbes(s types.ServiceConfig, ext serviceExt) string {
	key := services.PauseProbesAnnotation
	for _, from := range []struct {
		at     keyPath
		values map[string]string
	}{
		{keyPath{"services", s.Name, extensionKey, "annotations"}, ext.Annotations},
		{keyPath{"services", s.Name, extensionKey, "labels"}, ext.Labels},
		{keyPath{"services", s.Name, "annotations"}, s.Annotations},
		{keyPath{"services", s.Name, "labels"}, s.Labels},
	} {
		value, given := from.values[key]
		if !given {
			continue
		}
		if _, _, err := services.ProbePauseOf(value); err != nil {
			c.bad(from.at.with(key), `"true", "liveness" or "false"`, "%v", err)
		}
		return value
	}
	return ""
}
