package kube_test

import (
	"strings"
	"testing"
)

func TestValidateWindowsUserNames(t *testing.T) {
	const (
		at      = ofContainer + ".windowsOptions.runAsUserName: Invalid value: "
		format  = ": runAsUserName's Domain doesn't match the NetBios nor the DNS format"
		dots    = ": runAsUserName's User cannot contain only periods or spaces"
		symbols = `: runAsUserName's User cannot contain the following characters: "/\:;|=,+*?<>@[]`
	)
	user := func(name string) string { return inContext("windowsOptions: {runAsUserName: '" + name + "'}") }
	long := strings.Repeat("a", 63)
	longest := strings.Repeat(long+".", 3) + long
	tests := []ruling{
		{"a user", user("user name"), nil},
		{"a user of a NetBIOS domain", user(`DOMAIN_1 (x)\u.v`), nil},
		{"15 characters of more bytes", user(strings.Repeat("é", 15) + `\u`), nil},
		{"a user of a DNS domain", user(longest + `\u`), nil},
		{"empty", user(""), []string{at + `"": runAsUserName cannot be an empty string`}},
		{"control characters", inContext(`windowsOptions: {runAsUserName: "a\tb\\c\\d"}`), []string{at + `"a\tb\\c\\d": runAsUserName cannot contain control characters`}},
		{"two backslashes", user(`a\b\c`), []string{at + `"a\\b\\c": runAsUserName cannot contain more than one backslash`}},
		{"no domain before the backslash, no user after it", user(`\`), []string{
			at + `"\\"` + format, at + `"\\": runAsUserName's User cannot be empty`,
		}},
		{"domain of 16 characters that are no DNS name", user(`a234567890123_16\u`), []string{at + `"a234567890123_16\\u"` + format}},
		{"domain with a leading dot", user(`.d\u`), []string{at + `".d\\u"` + format}},
		{"DNS domain with a leading hyphen", user(`-234567890123.56\u`), []string{at + `"-234567890123.56\\u"` + format}},
		{"DNS label too long", user(long + `a\u`), []string{at + `"` + long + `a\\u"` + format}},
		{"DNS label empty", user(`a2345678901..4567\u`), []string{at + `"a2345678901..4567\\u"` + format}},
		{"domain too long", user(longest + `.a\u`), []string{at + `"` + longest + `.a\\u": runAsUserName's Domain length must be under 256 characters`}},
		{"the longest user", user(strings.Repeat("u", 104)), nil},
		{"user too long", user(strings.Repeat("u", 105)), []string{
			at + `"` + strings.Repeat("u", 105) + `": runAsUserName's User length must not be longer than 104 characters`,
		}},
		{"only dots and spaces", user(`d\. .`), []string{at + `"d\\. ."` + dots}},
	}
	for _, c := range []string{`"`, "/", ":", ";", "|", "=", ",", "+", "*", "?", "@", "[", "]"} {
		tests = append(tests, ruling{"user with " + c, user("a" + c), []string{at + `"a` + strings.ReplaceAll(c, `"`, `\"`) + `"` + symbols}})
	}
	for _, c := range []string{":", "*", "?", `"`, "|", "/"} {
		tests = append(tests, ruling{"domain with " + c, user("d" + c + `\u`), []string{at + `"d` + strings.ReplaceAll(c, `"`, `\"`) + `\\u"` + format}})
	}
	checkRulings(t, append(tests, ruling{"brackets are escaped in messages", user("a<b>"), []string{at + `"a\u003cb\u003e"` + symbols}}))
}

func TestValidateCredentialSpecs(t *testing.T) {
	const at = ofPod + ".windowsOptions."
	checkRulings(t, []ruling{
		{"name", inPodContext("windowsOptions: {gmsaCredentialSpecName: a.b-c, gmsaCredentialSpec: x}"), nil},
		{"the largest", inPodContext("windowsOptions: {gmsaCredentialSpec: " + strings.Repeat("x", 65536) + "}"), nil},
		{"too large", inPodContext("windowsOptions: {gmsaCredentialSpec: " + strings.Repeat("x", 65537) + "}"), []string{
			at + `gmsaCredentialSpec: Invalid value: "` + strings.Repeat("x", 65537) + `": gmsaCredentialSpec size must be under 64 KiB`,
		}},
		{"name that is none, no spec", inPodContext("windowsOptions: {gmsaCredentialSpecName: A, gmsaCredentialSpec: ''}"), []string{
			at + `gmsaCredentialSpecName: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
			at + `gmsaCredentialSpec: Invalid value: "": gmsaCredentialSpec cannot be an empty string`,
		}},
	})
}

func TestValidateHostProcess(t *testing.T) {
	const (
		own  = "securityContext: {windowsOptions: {hostProcess: true}}"
		not  = "securityContext: {windowsOptions: {hostProcess: false}}"
		net  = "spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess containers"
		both = `spec: Invalid value: "": If pod contains any hostProcess containers then all containers must be HostProcess containers`
		same = ".securityContext.windowsOptions.hostProcess: Invalid value: %v: pod hostProcess value must be identical if both are specified, was %v"
	)
	pod := func(first, second, fields string) string {
		return frame(`{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{name: c, image: i, %s}, {name: d, image: i, %s}], %s}}`, first, second, fields)
	}
	checkRulings(t, []ruling{
		{"all of a pod", pod("", "", "hostNetwork: true, "+own), nil},
		{"each by itself", pod(own, own, "hostNetwork: true"), nil},
		{"none in spite of the options", pod(not, "", not), nil},
		{"without the host's network", pod("", "", own), []string{net}},
		{"one of two", pod(own, "", ""), []string{both, net}},
		{"an init container that is none", pod(own, own, "hostNetwork: true, initContainers: [{name: i, image: i}]"), []string{both}},
		{"pod and container differ", pod(not, own, "hostNetwork: true, "+own), []string{"spec.containers[0]" + frame(same, false, true), both}},
		{"container in spite of the pod", pod("", own, "hostNetwork: true, "+not), []string{"spec.containers[1]" + frame(same, true, false), both}},
	})
}

func TestValidateOS(t *testing.T) {
	const (
		linux   = "securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod"
		windows = ": Forbidden: cannot be set for a windows pod"
		pod     = `{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {os: {name: %s}, containers: [{name: c, image: i, %s}], %s}}`
	)
	forbidden := func(at string, fields ...string) []string {
		var out []string
		for _, f := range fields {
			out = append(out, at+f+windows)
		}
		return out
	}
	ofPods := append(forbidden("spec.", "securityContext.appArmorProfile", "securityContext.seLinuxOptions", "hostUsers", "hostPID", "hostIPC"),
		forbidden(ofPod+".", "seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls")...)
	ofPods = append(ofPods, "spec.shareProcessNamespace"+windows)
	ofPods = append(ofPods, forbidden(ofPod+".", "runAsUser", "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy")...)
	checkRulings(t, []ruling{
		{"no name", frame(podSpec, "os: {}"), []string{"spec.os.name: Required value"}},
		{"unknown, and nothing else is said", frame(pod, "plan9", "securityContext: {windowsOptions: {}, runAsUser: 1}", ""), []string{
			`spec.os: Unsupported value: "plan9": supported values: "linux", "windows"`,
		}},
		{"linux", frame(pod, "linux", "securityContext: {runAsUser: 1, privileged: true}", "hostPID: true"), nil},
		{"windows options of linux", frame(pod, "linux", "securityContext: {windowsOptions: {}}",
			"securityContext: {windowsOptions: {}}, initContainers: [{name: i, image: i, securityContext: {windowsOptions: {}}}]"), []string{
			"spec." + linux, "spec.initContainers[0]." + linux, "spec.containers[0]." + linux,
		}},
		{"windows", frame(pod, "windows", "securityContext: {windowsOptions: {}, runAsNonRoot: true}", "hostNetwork: true, securityContext: {windowsOptions: {}, runAsNonRoot: true, sysctls: []}"), nil},
		{
			"a container's linux fields", frame(pod, "windows", "securityContext: {runAsUser: 1, runAsGroup: 1, procMount: Default, allowPrivilegeEscalation: true, privileged: false, "+
				"readOnlyRootFilesystem: false, capabilities: {}, seccompProfile: {type: Unconfined}, seLinuxOptions: {}, appArmorProfile: {type: Unconfined}}", ""),
			forbidden(ofContainer+".", "appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged",
				"allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup"),
		},
		{"a pod's linux fields", frame(pod, "windows", "", "hostUsers: true, hostPID: true, hostIPC: true, shareProcessNamespace: false, securityContext: {seLinuxChangePolicy: Recursive, "+
			"supplementalGroupsPolicy: Merge, supplementalGroups: [], runAsGroup: 1, runAsUser: 1, sysctls: [{name: vm.x, value: '1'}], fsGroupChangePolicy: Always, fsGroup: 1, "+
			"seccompProfile: {type: Unconfined}, seLinuxOptions: {}, appArmorProfile: {type: Unconfined}}"), ofPods},
	})
}
