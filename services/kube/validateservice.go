package kube

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func validateServiceSpec(s *corev1.ServiceSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(s.Ports) == 0 && s.ClusterIP != corev1.ClusterIPNone && s.Type != corev1.ServiceTypeExternalName {
		errs = append(errs, field.Required(path.Child("ports"), ""))
	}
	errs = append(errs, validateServiceType(s, path)...)
	errs = append(errs, validateServicePorts(s.Ports, path.Child("ports"))...)
	errs = append(errs, metavalidation.ValidateLabels(s.Selector, path.Child("selector"))...)
	return append(errs, validateAffinity(s, path)...)
}

func validateServiceType(s *corev1.ServiceSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	switch s.Type {
	case corev1.ServiceTypeClusterIP:
	case corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer:
		if s.ClusterIP == corev1.ClusterIPNone {
			errs = append(errs, field.Invalid(path.Child("clusterIPs").Index(0), s.ClusterIP,
				fmt.Sprintf("may not be set to 'None' for %s services", s.Type)))
		}
	case corev1.ServiceTypeExternalName:
		if s.ClusterIP != "" {
			errs = append(errs, field.Forbidden(path.Child("clusterIPs"), "may not be set for ExternalName services"))
		}
		if s.ExternalName == "" {
			errs = append(errs, field.Required(path.Child("externalName"), ""))
		} else {
			errs = append(errs, invalids(path.Child("externalName"), s.ExternalName, validation.IsDNS1123Subdomain(s.ExternalName))...)
		}
	default:
		types := []corev1.ServiceType{
			corev1.ServiceTypeClusterIP, corev1.ServiceTypeExternalName, corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeNodePort,
		}
		errs = append(errs, supported(s.Type, types, path.Child("type"))...)
	}
	return errs
}

func validateServicePorts(ports []corev1.ServicePort, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	names, taken := map[string]bool{}, map[string]bool{}
	for i, port := range ports {
		p := path.Index(i)
		switch {
		case port.Name == "" && len(ports) > 1:
			errs = append(errs, field.Required(p.Child("name"), ""))
		case port.Name != "":
			errs = append(errs, invalids(p.Child("name"), port.Name, validation.IsDNS1123Label(port.Name))...)
			if names[port.Name] {
				errs = append(errs, field.Duplicate(p.Child("name"), port.Name))
			}
			names[port.Name] = true
		}
		errs = append(errs, invalids(p.Child("port"), port.Port, validation.IsValidPortNum(int(port.Port)))...)
		if port.Protocol == "" {
			errs = append(errs, field.Required(p.Child("protocol"), ""))
		} else {
			errs = append(errs, supported(port.Protocol, protocols, p.Child("protocol"))...)
		}
		errs = append(errs, validatePort(port.TargetPort, p.Child("targetPort"))...)
		if key := fmt.Sprintf("%s/%d", port.Protocol, port.Port); taken[key] {
			errs = append(errs, field.Duplicate(p, portText{Protocol: port.Protocol, Port: port.Port}))
		} else {
			taken[key] = true
		}
	}
	return errs
}

// portText returns a duplicate port as printed by the API server.
type portText struct {
	Name             string
	Protocol         corev1.Protocol
	AppProtocol      *string
	Port, TargetPort int32
	NodePort         int32
}

// validateAffinity checks session affinity (R129).
func validateAffinity(s *corev1.ServiceSpec, path *field.Path) field.ErrorList {
	errs := supported(s.SessionAffinity, []corev1.ServiceAffinity{corev1.ServiceAffinityClientIP, corev1.ServiceAffinityNone}, path.Child("sessionAffinity"))
	config := s.SessionAffinityConfig
	at := path.Child("sessionAffinityConfig")
	switch {
	case s.SessionAffinity == corev1.ServiceAffinityNone && config != nil:
		errs = append(errs, field.Forbidden(at, "must not be set when session affinity is None"))
	case s.SessionAffinity == corev1.ServiceAffinityClientIP && config != nil && config.ClientIP != nil && config.ClientIP.TimeoutSeconds != nil:
		const most = corev1.DefaultClientIPServiceAffinitySeconds * 8 // one day
		if t := *config.ClientIP.TimeoutSeconds; t <= 0 || t > most {
			errs = append(errs, field.Invalid(at.Child("clientIP", "timeoutSeconds"), t,
				fmt.Sprintf("must be greater than 0 and less than %d", most)))
		}
	}
	return errs
}

func validateConfigMap(c *corev1.ConfigMap) field.ErrorList {
	var errs field.ErrorList
	total := 0
	for _, k := range sortedKeys(c.Data) {
		errs = append(errs, invalids(field.NewPath("data").Key(k), k, validation.IsConfigMapKey(k))...)
		if _, twice := c.BinaryData[k]; twice {
			errs = append(errs, field.Invalid(field.NewPath("data").Key(k), k, "duplicate of key present in binaryData"))
		}
		total += len(c.Data[k])
	}
	for _, k := range sortedKeys(c.BinaryData) {
		errs = append(errs, invalids(field.NewPath("binaryData").Key(k), k, validation.IsConfigMapKey(k))...)
		total += len(c.BinaryData[k])
	}
	if total > corev1.MaxSecretSize {
		errs = append(errs, field.TooLong(field.NewPath(""), "", corev1.MaxSecretSize))
	}
	return errs
}

func validateSecret(s *corev1.Secret) field.ErrorList {
	var errs field.ErrorList
	data, total := field.NewPath("data"), 0
	for _, k := range sortedKeys(s.Data) {
		errs = append(errs, invalids(data.Key(k), k, validation.IsConfigMapKey(k))...)
		total += len(s.Data[k])
	}
	if total > corev1.MaxSecretSize {
		errs = append(errs, field.TooLong(data, "", corev1.MaxSecretSize))
	}
	return errs
}

func validateIngressSpec(s *networkingv1.IngressSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(s.Rules) == 0 && s.DefaultBackend == nil {
		errs = append(errs, field.Invalid(path, s.Rules, "either `defaultBackend` or `rules` must be specified"))
	}
	if s.DefaultBackend != nil {
		errs = append(errs, validateBackend(s.DefaultBackend, path.Child("defaultBackend"))...)
	}
	for i, r := range s.Rules {
		if r.HTTP == nil {
			continue
		}
		for k, h := range r.HTTP.Paths {
			p := path.Child("rules").Index(i).Child("http", "paths").Index(k)
			if h.PathType != nil && *h.PathType != networkingv1.PathTypeImplementationSpecific && (h.Path == "" || h.Path[0] != '/') {
				errs = append(errs, field.Invalid(p.Child("path"), h.Path, "must be an absolute path"))
			}
			errs = append(errs, validateBackend(&h.Backend, p.Child("backend"))...)
		}
	}
	return errs
}

func validateBackend(b *networkingv1.IngressBackend, path *field.Path) field.ErrorList {
	if b.Service == nil {
		if b.Resource == nil {
			return field.ErrorList{field.Required(path, "resource or service backend is required")}
		}
		return nil
	}
	var errs field.ErrorList
	if b.Service.Name == "" {
		errs = append(errs, field.Required(path.Child("service", "name"), ""))
	}
	port := path.Child("service", "port")
	switch {
	case b.Service.Port.Name == "" && b.Service.Port.Number == 0:
		errs = append(errs, field.Required(port, "port name or number is required"))
	case b.Service.Port.Name != "" && b.Service.Port.Number != 0:
		errs = append(errs, field.Invalid(port, b.Service.Port, "cannot set both port name & port number"))
	}
	return errs
}
