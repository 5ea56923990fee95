package kube

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// handler holds the common fields of probes and lifecycle hooks.
type handler struct {
	exec  *corev1.ExecAction
	http  *corev1.HTTPGetAction
	tcp   *corev1.TCPSocketAction
	grpc  *corev1.GRPCAction
	sleep *corev1.SleepAction
}

// validateHandler checks that there is exactly one handler and that it is valid (R34-R37, R39). Handlers after the first are
// forbidden, in the order exec, httpGet, tcpSocket, grpc, sleep. grace is the pod's terminationGracePeriodSeconds.
func validateHandler(h handler, grace int64, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	count := 0
	check := func(given bool, name string, validate func(*field.Path) field.ErrorList) {
		if !given {
			return
		}
		if count++; count > 1 {
			errs = append(errs, field.Forbidden(path.Child(name), "may not specify more than 1 handler type"))
			return
		}
		errs = append(errs, validate(path.Child(name))...)
	}
	check(h.exec != nil, "exec", func(p *field.Path) field.ErrorList { return validateExec(h.exec, p) })
	check(h.http != nil, "httpGet", func(p *field.Path) field.ErrorList { return validateHTTPGet(h.http, p) })
	check(h.tcp != nil, "tcpSocket", func(p *field.Path) field.ErrorList { return validatePort(h.tcp.Port, p.Child("port")) })
	check(h.grpc != nil, "grpc", func(p *field.Path) field.ErrorList {
		return validatePort(intstr.FromInt32(h.grpc.Port), p.Child("port"))
	})
	check(h.sleep != nil, "sleep", func(p *field.Path) field.ErrorList { return validateSleep(h.sleep, grace, p) })
	if count == 0 {
		errs = append(errs, field.Required(path, "must specify a handler type"))
	}
	return errs
}

func validateExec(e *corev1.ExecAction, path *field.Path) field.ErrorList {
	if len(e.Command) == 0 {
		return field.ErrorList{field.Required(path.Child("command"), "")}
	}
	return nil
}

func validateHTTPGet(h *corev1.HTTPGetAction, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if h.Path == "" {
		errs = append(errs, field.Required(path.Child("path"), ""))
	}
	errs = append(errs, validatePort(h.Port, path.Child("port"))...)
	if h.Scheme != corev1.URISchemeHTTP && h.Scheme != corev1.URISchemeHTTPS {
		errs = append(errs, field.NotSupported(path.Child("scheme"), h.Scheme, []corev1.URIScheme{corev1.URISchemeHTTP, corev1.URISchemeHTTPS}))
	}
	for _, header := range h.HTTPHeaders {
		errs = append(errs, invalids(path.Child("httpHeaders"), header.Name, validation.IsHTTPHeaderName(header.Name))...)
	}
	return errs
}

// validatePort checks a port (R36): a number from 1 to 65535, or an IANA service name.
func validatePort(port intstr.IntOrString, path *field.Path) field.ErrorList {
	if port.Type == intstr.Int {
		return invalids(path, int(port.IntVal), validation.IsValidPortNum(int(port.IntVal)))
	}
	return invalids(path, port.StrVal, validation.IsValidPortName(port.StrVal))
}

func validateSleep(s *corev1.SleepAction, grace int64, path *field.Path) field.ErrorList {
	if s.Seconds < 0 || s.Seconds > grace {
		msg := fmt.Sprintf("must be non-negative and less than terminationGracePeriodSeconds (%d)", grace)
		return field.ErrorList{field.Invalid(path, s.Seconds, msg)}
	}
	return nil
}

// validateProbe checks the rules common to all three probes (R31, R33, R34).
func validateProbe(p *corev1.Probe, grace int64, path *field.Path) field.ErrorList {
	if p == nil {
		return nil
	}
	errs := validateHandler(handler{exec: p.Exec, http: p.HTTPGet, tcp: p.TCPSocket, grpc: p.GRPC}, grace, path)
	errs = append(errs, nonNegative(p.InitialDelaySeconds, path.Child("initialDelaySeconds"))...)
	errs = append(errs, nonNegative(p.TimeoutSeconds, path.Child("timeoutSeconds"))...)
	errs = append(errs, nonNegative(p.PeriodSeconds, path.Child("periodSeconds"))...)
	errs = append(errs, nonNegative(p.SuccessThreshold, path.Child("successThreshold"))...)
	errs = append(errs, nonNegative(p.FailureThreshold, path.Child("failureThreshold"))...)
	if g := p.TerminationGracePeriodSeconds; g != nil && *g <= 0 {
		errs = append(errs, field.Invalid(path.Child("terminationGracePeriodSeconds"), *g, "must be greater than 0"))
	}
	return errs
}

// validateKillingProbe checks a liveness or startup probe, whose successThreshold must be 1 (R32).
func validateKillingProbe(p *corev1.Probe, grace int64, path *field.Path) field.ErrorList {
	errs := validateProbe(p, grace, path)
	if p != nil && p.SuccessThreshold != 1 {
		errs = append(errs, field.Invalid(path.Child("successThreshold"), p.SuccessThreshold, "must be 1"))
	}
	return errs
}

// validateReadinessProbe checks a readiness probe, which must not have a terminationGracePeriodSeconds (R33).
func validateReadinessProbe(p *corev1.Probe, grace int64, path *field.Path) field.ErrorList {
	errs := validateProbe(p, grace, path)
	if p != nil && p.TerminationGracePeriodSeconds != nil {
		errs = append(errs, field.Invalid(path.Child("terminationGracePeriodSeconds"), *p.TerminationGracePeriodSeconds,
			"must not be set for readinessProbes"))
	}
	return errs
}

func validateLifecycle(l *corev1.Lifecycle, grace int64, path *field.Path) field.ErrorList {
	if l == nil {
		return nil
	}
	var errs field.ErrorList
	if h := l.PostStart; h != nil {
		errs = append(errs, validateHandler(handler{exec: h.Exec, http: h.HTTPGet, tcp: h.TCPSocket, sleep: h.Sleep}, grace, path.Child("postStart"))...)
	}
	if h := l.PreStop; h != nil {
		errs = append(errs, validateHandler(handler{exec: h.Exec, http: h.HTTPGet, tcp: h.TCPSocket, sleep: h.Sleep}, grace, path.Child("preStop"))...)
	}
	return errs
}
