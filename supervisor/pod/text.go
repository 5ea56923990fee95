package pod

import (
	"fmt"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// expand replaces $(NAME) by what get knows; $$ is $ (R131).
func expand(s string, get func(string) (string, bool)) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		rest := s[i+1:]
		switch {
		case s[i] != '$' || rest == "":
			b.WriteByte(s[i])
		case rest[0] == '$':
			b.WriteByte('$')
			i++
		case rest[0] == '(' && strings.Contains(rest, ")"):
			name := rest[1:strings.IndexByte(rest, ')')]
			if v, ok := get(name); ok {
				b.WriteString(v)
			} else {
				b.WriteString("$(" + name + ")")
			}
			i += len(name) + 2
		default:
			b.WriteByte('$')
		}
	}
	return b.String()
}

// serviceEnv is R134 and R135.
func serviceEnv(namespace string, links bool, services []*corev1.Service) map[string]string {
	out := map[string]string{}
	for _, s := range services {
		master := s.Name == "kubernetes" && (s.Namespace == "" || s.Namespace == "default")
		if s.Spec.ClusterIP == "" || s.Spec.ClusterIP == corev1.ClusterIPNone || len(s.Spec.Ports) == 0 || !master && (!links || s.Namespace != namespace) {
			continue
		}
		up := strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
		out[up+"_SERVICE_HOST"] = s.Spec.ClusterIP
		out[up+"_SERVICE_PORT"] = fmt.Sprint(s.Spec.Ports[0].Port)
		ports := append([]corev1.ServicePort(nil), s.Spec.Ports...)
		sort.SliceStable(ports, func(i, j int) bool { return false })
		for i, p := range ports {
			if p.Name != "" {
				out[up+"_SERVICE_PORT_"+strings.ToUpper(strings.ReplaceAll(p.Name, "-", "_"))] = fmt.Sprint(p.Port)
			}
			proto := p.Protocol
			if proto == "" {
				proto = corev1.ProtocolTCP
			}
			url := fmt.Sprintf("%s://%s:%d", strings.ToLower(string(proto)), s.Spec.ClusterIP, p.Port)
			if i == 0 {
				out[up+"_PORT"] = url
			}
			key := fmt.Sprintf("%s_PORT_%d_%s", up, p.Port, proto)
			out[key], out[key+"_PROTO"], out[key+"_PORT"], out[key+"_ADDR"] = url, strings.ToLower(string(proto)), fmt.Sprint(p.Port), s.Spec.ClusterIP
		}
	}
	return out
}
