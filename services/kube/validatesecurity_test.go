package kube_test

import (
	"strings"
	"testing"
)

// inContext is a pod of one container with fields of its security context.
func inContext(fields string) string { return frame(podFrame, "securityContext: {"+fields+"}") }

// inPodContext is a pod with fields of its own security context.
func inPodContext(fields string) string { return frame(podSpec, "securityContext: {"+fields+"}") }

const (
	ofContainer = "spec.containers[0].securityContext"
	ofPod       = "spec.securityContext"
	badID       = ": must be between 0 and 2147483647, inclusive"
)

func TestValidateIDs(t *testing.T) {
	checkRulings(t, []ruling{
		{"the least and the greatest", inPodContext("runAsUser: 0, runAsGroup: 2147483647, fsGroup: 0, supplementalGroups: [0, 2147483647]"), nil},
		{"users and groups of a container", inContext("runAsUser: -1, runAsGroup: 2147483648"), []string{
			ofContainer + ".runAsUser: Invalid value: -1" + badID,
			ofContainer + ".runAsGroup: Invalid value: 2147483648" + badID,
		}},
		{"groups before users in a pod", inPodContext("runAsUser: -1, runAsGroup: -2, fsGroup: -3, supplementalGroups: [-4, 1, 2147483648]"), []string{
			ofPod + ".fsGroup: Invalid value: -3" + badID,
			ofPod + ".runAsUser: Invalid value: -1" + badID,
			ofPod + ".runAsGroup: Invalid value: -2" + badID,
			ofPod + ".supplementalGroups[0]: Invalid value: -4" + badID,
			ofPod + ".supplementalGroups[2]: Invalid value: 2147483648" + badID,
		}},
		{"init containers after ordinary ones", frame(podSpec, "initContainers: [{name: i, image: i, securityContext: {runAsUser: -1}}], securityContext: {runAsUser: -2}"), []string{
			"spec.initContainers[0].securityContext.runAsUser: Invalid value: -1" + badID,
			ofPod + ".runAsUser: Invalid value: -2" + badID,
		}},
	})
}

func TestValidatePodPolicies(t *testing.T) {
	checkRulings(t, []ruling{
		{"known ones", inPodContext("fsGroupChangePolicy: OnRootMismatch, supplementalGroupsPolicy: Strict, seLinuxChangePolicy: Recursive"), nil},
		{"fsGroupChangePolicy", inPodContext(`fsGroupChangePolicy: ""`), []string{
			ofPod + `.fsGroupChangePolicy: Unsupported value: "": supported values: "Always", "OnRootMismatch"`,
		}},
		{"supplementalGroupsPolicy", inPodContext("supplementalGroupsPolicy: All"), []string{
			ofPod + `.supplementalGroupsPolicy: Unsupported value: "All": supported values: "Merge", "Strict"`,
		}},
		{"seLinuxChangePolicy MountOption, whose gate is off", inPodContext("seLinuxChangePolicy: MountOption"), []string{
			ofPod + `.seLinuxChangePolicy: Unsupported value: "MountOption": supported values: "Recursive"`,
		}},
		{"all in Kubernetes' order", inPodContext(`seLinuxChangePolicy: X, supplementalGroupsPolicy: X, appArmorProfile: {}, windowsOptions: {runAsUserName: ""}, seccompProfile: {}, fsGroupChangePolicy: X, sysctls: [{name: ""}]`), []string{
			ofPod + ".sysctls[0].name: Required value",
			ofPod + `.fsGroupChangePolicy: Unsupported value: "X": supported values: "Always", "OnRootMismatch"`,
			ofPod + ".seccompProfile.type: Required value: type is required when seccompProfile is set",
			ofPod + `.windowsOptions.runAsUserName: Invalid value: "": runAsUserName cannot be an empty string`,
			ofPod + ".appArmorProfile.type: Required value: type is required when appArmorProfile is set",
			ofPod + `.supplementalGroupsPolicy: Unsupported value: "X": supported values: "Merge", "Strict"`,
			ofPod + `.seLinuxChangePolicy: Unsupported value: "X": supported values: "Recursive"`,
		}},
	})
}

func TestValidateSeccomp(t *testing.T) {
	const at = ofContainer + ".seccompProfile"
	profile := func(fields string) string { return inContext("seccompProfile: {" + fields + "}") }
	checkRulings(t, []ruling{
		{"a file of the node", profile("type: Localhost, localhostProfile: a/b.json"), nil},
		{"no file, none wanted", profile("type: RuntimeDefault"), nil},
		{"no type", profile("localhostProfile: a"), []string{
			at + ".type: Required value: type is required when seccompProfile is set",
			at + `.localhostProfile: Invalid value: {"Type":"","LocalhostProfile":"a"}: can only be set when seccomp type is Localhost`,
		}},
		{"unknown type", profile("type: localhost"), []string{
			at + `.type: Unsupported value: "localhost": supported values: "Localhost", "RuntimeDefault", "Unconfined"`,
		}},
		{"a file without Localhost", profile("type: Unconfined, localhostProfile: a"), []string{
			at + `.localhostProfile: Invalid value: {"Type":"Unconfined","LocalhostProfile":"a"}: can only be set when seccomp type is Localhost`,
		}},
		{"Localhost without a file", profile("type: Localhost"), []string{
			at + ".localhostProfile: Required value: must be set when seccomp type is Localhost",
		}},
		{"absolute and upwards", profile("type: Localhost, localhostProfile: /a/../b"), []string{
			at + `.localhostProfile: Invalid value: "/a/../b": must be a relative path`,
			at + `.localhostProfile: Invalid value: "/a/../b": must not contain '..'`,
		}},
		{"dots in a name", profile("type: Localhost, localhostProfile: a..b"), nil},
		{"of the pod", inPodContext("seccompProfile: {type: Localhost}"), []string{
			ofPod + ".seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost",
		}},
	})
}

func TestValidateAppArmor(t *testing.T) {
	const at = ofContainer + ".appArmorProfile"
	profile := func(fields string) string { return inContext("appArmorProfile: {" + fields + "}") }
	long := strings.Repeat("x", 4095)
	checkRulings(t, []ruling{
		{"a profile of the node", profile("type: Localhost, localhostProfile: /a/../b"), nil},
		{"the longest name", profile("type: Localhost, localhostProfile: " + long), nil},
		{"too long", profile("type: Localhost, localhostProfile: x" + long), []string{
			at + ".localhostProfile: Too long: may not be more than 4095 bytes",
		}},
		{"padded and too long", profile(`type: Localhost, localhostProfile: "` + long + ` "`), []string{
			at + `.localhostProfile: Invalid value: "` + long + ` ": must not be padded with whitespace`,
			at + ".localhostProfile: Too long: may not be more than 4095 bytes",
		}},
		{"only blanks", profile(`type: Localhost, localhostProfile: "  "`), []string{
			at + `.localhostProfile: Invalid value: "  ": must not be padded with whitespace`,
		}},
		{"empty", profile(`type: Localhost, localhostProfile: ""`), []string{
			at + ".localhostProfile: Required value: must be set when AppArmor type is Localhost",
		}},
		{"none", profile("type: Localhost"), []string{
			at + ".localhostProfile: Required value: must be set when AppArmor type is Localhost",
		}},
		{"a name without Localhost", profile("type: RuntimeDefault, localhostProfile: a<b"), []string{
			at + `.localhostProfile: Invalid value: "a\u003cb": can only be set when AppArmor type is Localhost`,
		}},
		{"no type", profile("localhostProfile: a"), []string{at + ".type: Required value: type is required when appArmorProfile is set"}},
		{"unknown type", profile("type: None, localhostProfile: a"), []string{
			at + `.type: Unsupported value: "None": supported values: "Localhost", "RuntimeDefault", "Unconfined"`,
		}},
		{"of the pod", inPodContext("appArmorProfile: {type: Localhost}"), []string{
			ofPod + ".appArmorProfile.localhostProfile: Required value: must be set when AppArmor type is Localhost",
		}},
	})
}

func TestValidateProcMount(t *testing.T) {
	checkRulings(t, []ruling{
		{"default", inContext("procMount: Default"), nil},
		{"unmasked in the host's user namespace", inContext("procMount: Unmasked"), []string{
			ofContainer + ".procMount: Invalid value: \"Unmasked\": `hostUsers` must be false to use `Unmasked`",
		}},
		{"unmasked in one of its own", `{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {hostUsers: false, containers: [{name: c, image: i, securityContext: {procMount: Unmasked}}]}}`, nil},
		{"unknown", inContext("procMount: unmasked"), []string{
			ofContainer + `.procMount: Unsupported value: "unmasked": supported values: "Default", "Unmasked"`,
		}},
	})
}

func TestValidateEscalation(t *testing.T) {
	const (
		privileged = ": cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
		admin      = ": cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
		nothing    = `"SELinuxOptions":null,"WindowsOptions":null,"RunAsUser":null,"RunAsGroup":null,"RunAsNonRoot":null,"ReadOnlyRootFilesystem":null,"AllowPrivilegeEscalation":false,"ProcMount":null,"SeccompProfile":null,"AppArmorProfile":null}`
		all        = `{"Capabilities":{"Add":[],"Drop":["ALL"]},"Privileged":true,"SELinuxOptions":{"User":"u","Role":"r","Type":"t","Level":"l"},` +
			`"WindowsOptions":{"GMSACredentialSpecName":"cred","GMSACredentialSpec":"s","RunAsUserName":"u","HostProcess":false},"RunAsUser":1,"RunAsGroup":2,"RunAsNonRoot":true,` +
			`"ReadOnlyRootFilesystem":true,"AllowPrivilegeEscalation":false,"ProcMount":"Default","SeccompProfile":{"Type":"Localhost","LocalhostProfile":"p"},"AppArmorProfile":{"Type":"Unconfined","LocalhostProfile":null}}`
	)
	checkRulings(t, []ruling{
		{"privileged and no word of escalation", inContext("privileged: true, capabilities: {add: [CAP_SYS_ADMIN]}"), nil},
		{"escalation allowed", inContext("privileged: true, allowPrivilegeEscalation: true"), nil},
		{"neither", inContext("privileged: false, allowPrivilegeEscalation: false, capabilities: {drop: [CAP_SYS_ADMIN]}"), nil},
		{"the short name of the capability", inContext("allowPrivilegeEscalation: false, capabilities: {add: [SYS_ADMIN, ALL]}"), nil},
		{"both, and the capability twice", inContext("privileged: true, allowPrivilegeEscalation: false, capabilities: {add: [CAP_SYS_ADMIN, CAP_SYS_ADMIN]}"), []string{
			ofContainer + `: Invalid value: {"Capabilities":{"Add":["CAP_SYS_ADMIN","CAP_SYS_ADMIN"],"Drop":null},"Privileged":true,` + nothing + privileged,
			ofContainer + `: Invalid value: {"Capabilities":{"Add":["CAP_SYS_ADMIN","CAP_SYS_ADMIN"],"Drop":null},"Privileged":true,` + nothing + admin,
			ofContainer + `: Invalid value: {"Capabilities":{"Add":["CAP_SYS_ADMIN","CAP_SYS_ADMIN"],"Drop":null},"Privileged":true,` + nothing + admin,
		}},
		{"every field is shown", inContext("capabilities: {add: [], drop: [ALL]}, privileged: true, seLinuxOptions: {user: u, role: r, type: t, level: l}, " +
			"windowsOptions: {gmsaCredentialSpecName: cred, gmsaCredentialSpec: s, runAsUserName: u, hostProcess: false}, runAsUser: 1, runAsGroup: 2, runAsNonRoot: true, readOnlyRootFilesystem: true, " +
			"allowPrivilegeEscalation: false, procMount: Default, seccompProfile: {type: Localhost, localhostProfile: p}, appArmorProfile: {type: Unconfined}"), []string{
			ofContainer + ": Invalid value: " + all + privileged,
		}},
		{"in Kubernetes' order", inContext("appArmorProfile: {}, windowsOptions: {gmsaCredentialSpec: ''}, privileged: true, allowPrivilegeEscalation: false, seccompProfile: {}, procMount: X, runAsGroup: -1, runAsUser: -1"), []string{
			ofContainer + ".runAsUser: Invalid value: -1" + badID,
			ofContainer + ".runAsGroup: Invalid value: -1" + badID,
			ofContainer + `.procMount: Unsupported value: "X": supported values: "Default", "Unmasked"`,
			ofContainer + ".seccompProfile.type: Required value: type is required when seccompProfile is set",
			ofContainer + `: Invalid value: {"Capabilities":null,"Privileged":true,"SELinuxOptions":null,"WindowsOptions":{"GMSACredentialSpecName":null,"GMSACredentialSpec":"","RunAsUserName":null,"HostProcess":null},` +
				`"RunAsUser":-1,"RunAsGroup":-1,"RunAsNonRoot":null,"ReadOnlyRootFilesystem":null,"AllowPrivilegeEscalation":false,"ProcMount":"X","SeccompProfile":{"Type":"","LocalhostProfile":null},"AppArmorProfile":{"Type":"","LocalhostProfile":null}}` + privileged,
			ofContainer + `.windowsOptions.gmsaCredentialSpec: Invalid value: "": gmsaCredentialSpec cannot be an empty string`,
			ofContainer + ".appArmorProfile.type: Required value: type is required when appArmorProfile is set",
		}},
	})
}
