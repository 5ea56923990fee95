package kube_test

import "testing"

func TestValidateProfileAnnotations(t *testing.T) {
	const (
		pod       = `{apiVersion: v1, kind: Pod, metadata: {name: x, annotations: {%s}}, spec: {containers: [{name: c, image: i, securityContext: {%s}}], %s}}`
		ofTheirs  = "metadata.annotations"
		podKey    = "seccomp.security.alpha.kubernetes.io/pod"
		seccomp   = "container.seccomp.security.alpha.kubernetes.io/"
		armor     = "container.apparmor.security.beta.kubernetes.io/"
		noProfile = ": must be a valid seccomp profile"
		escalates = "privileged: true, allowPrivilegeEscalation: false"
		shown     = `{"Capabilities":null,"Privileged":true,"SELinuxOptions":null,"WindowsOptions":null,"RunAsUser":null,"RunAsGroup":null,"RunAsNonRoot":null,"ReadOnlyRootFilesystem":null,"AllowPrivilegeEscalation":false,"ProcMount":null,"SeccompProfile":null,"AppArmorProfile":{"Type":"Localhost","LocalhostProfile":"p"}}`
	)
	note := func(key, value string) string { return key + `: "` + value + `", ` }
	agree := func(kind, what string) string {
		return ": Forbidden: " + kind + " " + what + " in annotation and field must match"
	}
	checkRulings(t, []ruling{
		{"known profiles", frame(pod, note(podKey, "docker/default")+note(seccomp+"c", "localhost/a")+note(armor+"c", "localhost/../a"), "", ""), nil},
		{"unknown seccomp profiles", frame(pod, note(podKey, "off")+note(seccomp+"no", "")+note(seccomp+"c", "localhost//a/.."), "", ""), []string{
			ofTheirs + "." + podKey + `: Invalid value: "off"` + noProfile,
			ofTheirs + "." + seccomp + `c: Invalid value: "/a/..": must be a relative path`,
			ofTheirs + "." + seccomp + `c: Invalid value: "/a/..": must not contain '..'`,
			ofTheirs + "." + seccomp + `no: Invalid value: ""` + noProfile,
		}},
		{"unknown AppArmor profile of no container", frame(pod, note(armor+"d", "docker/default"), "", ""), []string{
			ofTheirs + "[" + armor + `d]: Invalid value: "d": container not found`,
			ofTheirs + "[" + armor + `d]: Invalid value: "docker/default": invalid AppArmor profile name: "docker/default"`,
		}},
		{"of a template", `{apiVersion: batch/v1, kind: Job, metadata: {name: x}, spec: {template: {metadata: {annotations: {` + podKey + `: x}}, spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}`, []string{
			"spec.template.annotations." + podKey + `: Invalid value: "x"` + noProfile,
		}},
		{"seccomp fields that agree", frame(pod, note(podKey, "docker/default")+note(seccomp+"c", "localhost/a"), "seccompProfile: {type: Localhost, localhostProfile: a}", "securityContext: {seccompProfile: {type: RuntimeDefault}}"), nil},
		{"seccomp types that differ", frame(pod, note(podKey, "unconfined")+note(seccomp+"c", "runtime/default"), "seccompProfile: {type: Unconfined}", "securityContext: {seccompProfile: {type: RuntimeDefault}}"), []string{
			ofPod + ".seccompProfile.type" + agree("seccomp", "type"), ofContainer + ".seccompProfile.type" + agree("seccomp", "type"),
		}},
		{"seccomp files that differ", frame(pod, note(podKey, "unconfined")+note(seccomp+"c", "localhost/b"), "seccompProfile: {type: Localhost, localhostProfile: a}", "securityContext: {seccompProfile: {type: Localhost, localhostProfile: a}}"), []string{
			ofPod + ".seccompProfile.type" + agree("seccomp", "type"), ofContainer + ".seccompProfile.localhostProfile" + agree("seccomp", "profile"),
		}},
		{"AppArmor fields that agree", frame(pod, note(armor+"c", "localhost/a"), "appArmorProfile: {type: Localhost, localhostProfile: a}", "securityContext: {appArmorProfile: {type: Unconfined}}"), nil},
		{"AppArmor types that differ", frame(pod, note(armor+"c", "unconfined"), "appArmorProfile: {type: RuntimeDefault}", ""), []string{ofContainer + ".appArmorProfile.type" + agree("apparmor", "type")}},
		{"AppArmor names that differ", frame(pod, note(armor+"c", "localhost/b"), "appArmorProfile: {type: Localhost, localhostProfile: a}", ""), []string{
			ofContainer + ".appArmorProfile.localhostProfile" + agree("apparmor", "profile"),
		}},
		{"AppArmor of Windows is not compared", frame(pod, note(armor+"c", "unconfined"), "appArmorProfile: {type: RuntimeDefault}", "os: {name: windows}"), []string{
			ofContainer + ".appArmorProfile: Forbidden: cannot be set for a windows pod",
		}},
		{"an AppArmor annotation goes before the pod's profile", frame(pod, note(armor+"c", "localhost/p"), "", "securityContext: {appArmorProfile: {type: Unconfined}}"), nil},
		{"but not an empty one", frame(pod, note(armor+"c", "localhost/"), "", "securityContext: {appArmorProfile: {type: Unconfined}}"), []string{
			ofContainer + ".appArmorProfile.type" + agree("apparmor", "type"),
		}},
		{"nor in a template", `{apiVersion: batch/v1, kind: Job, metadata: {name: x}, spec: {template: {metadata: {annotations: {` + armor + `c: localhost/p}}, spec: {restartPolicy: Never, securityContext: {appArmorProfile: {type: Unconfined}}, containers: [{name: c, image: i}]}}}}`, []string{
			"spec.template." + ofContainer + ".appArmorProfile.type" + agree("apparmor", "type"),
		}},
		{"an AppArmor annotation is shown as the field that it becomes", frame(pod, note(armor+"c", "localhost/p"), escalates, ""), []string{
			ofContainer + ": Invalid value: " + shown + ": cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
		}},
	})
}
