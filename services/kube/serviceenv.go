package kube

import (
	"net"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// ServiceEnv returns the Service variables of a container of the namespace (R134, R135): for the Services of its namespace if
// links (enableServiceLinks) is set, and always for `kubernetes` of namespace default. Services without a ClusterIP (headless,
// ExternalName) or without ports have none. Later Services override earlier ones of the same name.
func ServiceEnv(services []*corev1.Service, namespace string, links bool) []corev1.EnvVar {
	chosen := map[string]*corev1.Service{}
	var order []string
	for _, s := range services {
		own := links && s.Namespace == namespace
		api := s.Namespace == corev1.NamespaceDefault && s.Name == "kubernetes"
		if !hasClusterIP(s) || len(s.Spec.Ports) == 0 || !own && !api {
			continue
		}
		if _, known := chosen[s.Name]; !known {
			order = append(order, s.Name)
		} else if !own {
			continue
		}
		chosen[s.Name] = s
	}
	var out []corev1.EnvVar
	for _, name := range order {
		out = append(out, variablesOf(chosen[name])...)
	}
	return out
}

func hasClusterIP(s *corev1.Service) bool {
	return s.Spec.ClusterIP != "" && s.Spec.ClusterIP != corev1.ClusterIPNone && s.Spec.Type != corev1.ServiceTypeExternalName
}

// variablesOf returns the variables of one Service (R135). Ports are service ports, not target ports.
func variablesOf(s *corev1.Service) []corev1.EnvVar {
	prefix, ip := variableName(s.Name), s.Spec.ClusterIP
	first := strconv.Itoa(int(s.Spec.Ports[0].Port))
	out := []corev1.EnvVar{{Name: prefix + "_SERVICE_HOST", Value: ip}, {Name: prefix + "_SERVICE_PORT", Value: first}}
	for _, p := range s.Spec.Ports {
		if p.Name != "" {
			out = append(out, corev1.EnvVar{Name: prefix + "_SERVICE_PORT_" + variableName(p.Name), Value: strconv.Itoa(int(p.Port))})
		}
	}
	for i, p := range s.Spec.Ports {
		number, protocol := strconv.Itoa(int(p.Port)), string(p.Protocol)
		if protocol == "" {
			protocol = string(corev1.ProtocolTCP)
		}
		url := strings.ToLower(protocol) + "://" + net.JoinHostPort(ip, number)
		if i == 0 {
			out = append(out, corev1.EnvVar{Name: prefix + "_PORT", Value: url})
		}
		port := prefix + "_PORT_" + number + "_" + strings.ToUpper(protocol)
		out = append(out,
			corev1.EnvVar{Name: port, Value: url},
			corev1.EnvVar{Name: port + "_PROTO", Value: strings.ToLower(protocol)},
			corev1.EnvVar{Name: port + "_PORT", Value: number},
			corev1.EnvVar{Name: port + "_ADDR", Value: ip})
	}
	return out
}

func variableName(s string) string { return strings.ToUpper(strings.ReplaceAll(s, "-", "_")) }
