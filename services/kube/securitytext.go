package kube

import corev1 "k8s.io/api/core/v1"

// securityText is a container's security context as printed in the API server's messages: all fields, with the names of its
// internal types.
type securityText struct {
	Capabilities             *capabilitiesText
	Privileged               *bool
	SELinuxOptions           *seLinuxText
	WindowsOptions           *windowsText
	RunAsUser                *int64
	RunAsGroup               *int64
	RunAsNonRoot             *bool
	ReadOnlyRootFilesystem   *bool
	AllowPrivilegeEscalation *bool
	ProcMount                *corev1.ProcMountType
	SeccompProfile           *seccompText
	AppArmorProfile          *appArmorText
}

type capabilitiesText struct{ Add, Drop []corev1.Capability }

type seLinuxText struct{ User, Role, Type, Level string }

type windowsText struct {
	GMSACredentialSpecName *string
	GMSACredentialSpec     *string
	RunAsUserName          *string
	HostProcess            *bool
}

type seccompText struct {
	Type             corev1.SeccompProfileType
	LocalhostProfile *string
}

type appArmorText struct {
	Type             corev1.AppArmorProfileType
	LocalhostProfile *string
}

func securityTextOf(sc *corev1.SecurityContext) securityText {
	return securityText{
		Capabilities:             (*capabilitiesText)(sc.Capabilities),
		Privileged:               sc.Privileged,
		SELinuxOptions:           (*seLinuxText)(sc.SELinuxOptions),
		WindowsOptions:           (*windowsText)(sc.WindowsOptions),
		RunAsUser:                sc.RunAsUser,
		RunAsGroup:               sc.RunAsGroup,
		RunAsNonRoot:             sc.RunAsNonRoot,
		ReadOnlyRootFilesystem:   sc.ReadOnlyRootFilesystem,
		AllowPrivilegeEscalation: sc.AllowPrivilegeEscalation,
		ProcMount:                sc.ProcMount,
		SeccompProfile:           (*seccompText)(sc.SeccompProfile),
		AppArmorProfile:          (*appArmorText)(sc.AppArmorProfile),
	}
}
