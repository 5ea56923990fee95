package profiles

// kube is where the produced objects meet Kubernetes' own defaults and rules.
func (c *converter) kube() {}
