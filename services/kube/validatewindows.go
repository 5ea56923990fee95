package kube

import (
	"fmt"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Limits of windowsOptions, in bytes.
const (
	maxCredentialSpec = 64 * 1024
	maxUserDomain     = 255
	maxUserName       = 104
	maxNetBIOSName    = 15 // in characters
	maxDNSLabel       = 63
)

// validateWindowsOptions checks the options of Windows. They are accepted for all pods unless spec.os is set.
func validateWindowsOptions(o *corev1.WindowsSecurityContextOptions, path *field.Path) field.ErrorList {
	if o == nil {
		return nil
	}
	var errs field.ErrorList
	if o.GMSACredentialSpecName != nil {
		errs = append(errs, invalids(path.Child("gmsaCredentialSpecName"), o.GMSACredentialSpecName, validation.IsDNS1123Subdomain(*o.GMSACredentialSpecName))...)
	}
	if spec := o.GMSACredentialSpec; spec != nil {
		at := path.Child("gmsaCredentialSpec")
		switch {
		case *spec == "":
			errs = append(errs, field.Invalid(at, spec, "gmsaCredentialSpec cannot be an empty string"))
		case len(*spec) > maxCredentialSpec:
			errs = append(errs, field.Invalid(at, spec, fmt.Sprintf("gmsaCredentialSpec size must be under %d KiB", maxCredentialSpec/1024)))
		}
	}
	if o.RunAsUserName != nil {
		errs = append(errs, invalids(path.Child("runAsUserName"), o.RunAsUserName, windowsUserProblems(*o.RunAsUserName))...)
	}
	return errs
}

// windowsUserProblems returns the errors of a user name of the form USER or DOMAIN\USER.
func windowsUserProblems(name string) []string {
	isControl := func(r rune) bool { return r < 0x20 || r == 0x7f }
	switch {
	case name == "":
		return []string{"runAsUserName cannot be an empty string"}
	case strings.ContainsFunc(name, isControl):
		return []string{"runAsUserName cannot contain control characters"}
	case strings.Count(name, `\`) > 1:
		return []string{"runAsUserName cannot contain more than one backslash"}
	}
	var out []string
	domain, user, hasDomain := strings.Cut(name, `\`)
	if !hasDomain {
		domain, user = "", name
	}
	if len(domain) > maxUserDomain {
		out = append(out, fmt.Sprintf("runAsUserName's Domain length must be under %d characters", maxUserDomain+1))
	}
	if hasDomain && !isNetBIOSName(domain) && !isWindowsDNSName(domain) {
		out = append(out, "runAsUserName's Domain doesn't match the NetBios nor the DNS format")
	}
	switch {
	case user == "":
		out = append(out, "runAsUserName's User cannot be empty")
	case len(user) > maxUserName:
		out = append(out, fmt.Sprintf("runAsUserName's User length must not be longer than %d characters", maxUserName))
	}
	if user != "" && strings.Trim(user, ". ") == "" {
		out = append(out, "runAsUserName's User cannot contain only periods or spaces")
	}
	if strings.ContainsAny(user, `"/\:;|=,+*?<>@[]`) {
		out = append(out, `runAsUserName's User cannot contain the following characters: "/\:;|=,+*?<>@[]`)
	}
	return out
}

// isNetBIOSName reports whether a domain has 1 to 15 characters, none of them forbidden, and no leading dot.
func isNetBIOSName(domain string) bool {
	return domain != "" && domain[0] != '.' && utf8.RuneCountInString(domain) <= maxNetBIOSName && !strings.ContainsAny(domain, `\/:*?"<>|`)
}

// isWindowsDNSName reports whether a domain consists of labels of 1 to 63 letters, digits and inner hyphens.
func isWindowsDNSName(domain string) bool {
	for label := range strings.SplitSeq(domain, ".") {
		outside := func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
		}
		if label == "" || len(label) > maxDNSLabel || strings.Trim(label, "-") != label || strings.ContainsFunc(label, outside) {
			return false
		}
	}
	return true
}

// validateHostProcess checks Windows HostProcess containers: all containers of a pod or none, and in the host network.
func validateHostProcess(s *corev1.PodSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	var ofPod *bool
	if s.SecurityContext != nil {
		ofPod = hostProcess(s.SecurityContext.WindowsOptions)
	}
	all, such := 0, 0
	for at, c := range containersOf(s, path) {
		all++
		var own *bool
		if c.SecurityContext != nil {
			own = hostProcess(c.SecurityContext.WindowsOptions)
		}
		if ofPod != nil && own != nil && *ofPod != *own {
			errs = append(errs, field.Invalid(at.Child("securityContext", "windowsOptions", "hostProcess"), *own,
				fmt.Sprintf("pod hostProcess value must be identical if both are specified, was %v", *ofPod)))
		}
		if isTrue(own) || own == nil && isTrue(ofPod) {
			such++
		}
	}
	if such > 0 && such != all {
		errs = append(errs, field.Invalid(path, "", "If pod contains any hostProcess containers then all containers must be HostProcess containers"))
	}
	if such > 0 && !s.HostNetwork {
		errs = append(errs, field.Invalid(path.Child("hostNetwork"), false, "hostNetwork must be true if pod contains any hostProcess containers"))
	}
	return errs
}

func hostProcess(o *corev1.WindowsSecurityContextOptions) *bool {
	if o == nil {
		return nil
	}
	return o.HostProcess
}
