package engine

// Full returns what Docker is asked for a specification, as an Exact with all its mounts. A specification that has an Exact keeps
// it. It is pure, and the result shares slices and maps with the specification.
func (s ContainerSpec) Full() *Exact {
	if s.Exact != nil {
		return s.Exact
	}
	conf, host, net := translate(s)
	x := &Exact{Config: *conf, Host: *host}
	for name, ep := range net.EndpointsConfig { // there is at most one
		x.Networks = append(x.Networks, NetworkAttachment{Network: name, Settings: *ep})
	}
	return x
}
