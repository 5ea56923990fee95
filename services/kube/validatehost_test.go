package kube_test

import (
	"strings"
	"testing"
)

func TestValidateSysctls(t *testing.T) {
	const (
		regex = `: must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$`
		net   = ": may not be specified when 'hostNetwork' is true"
		ipc   = ": may not be specified when 'hostIPC' is true"
	)
	pod := func(fields string, names ...string) string {
		var sysctls []string
		for _, n := range names {
			sysctls = append(sysctls, `{name: "`+n+`", value: "1"}`)
		}
		return frame(podSpec, fields+"securityContext: {sysctls: ["+strings.Join(sysctls, ", ")+"]}")
	}
	tests := []ruling{
		{"dots and slashes", pod("", "net.ipv4.conf.eno2/100.rp_filter", "kernel/shmmax", "vm.a-b_c"), nil},
		{"no name", pod("", ""), []string{ofPod + ".sysctls[0].name: Required value"}},
		{"wrong names", pod("", "Net.x", "net..x", ".a", "a-", "net.*"), []string{
			ofPod + `.sysctls[0].name: Invalid value: "Net.x"` + regex,
			ofPod + `.sysctls[1].name: Invalid value: "net..x"` + regex,
			ofPod + `.sysctls[2].name: Invalid value: ".a"` + regex,
			ofPod + `.sysctls[3].name: Invalid value: "a-"` + regex,
			ofPod + `.sysctls[4].name: Invalid value: "net.*"` + regex,
		}},
		{"the longest name", pod("", strings.Repeat("a", 253)), nil},
		{"too long", pod("", strings.Repeat("a", 254)), []string{ofPod + `.sysctls[0].name: Invalid value: "` + strings.Repeat("a", 254) + `"` + regex}},
		{"twice, but not in another spelling", pod("", "vm.x", "vm/x", "vm.x"), []string{ofPod + `.sysctls[2].name: Duplicate value: "vm.x"`}},
		{"neither network nor IPC of the host", pod("hostPID: true, ", "net.x", "kernel.sem"), nil},
		{"what the host's network does not share", pod("hostNetwork: true, ", "kernel.sem", "netx.y", "net"), nil},
		{"the host's network, after what is wrong with the name", pod("hostNetwork: true, ", "net.x", "net/ipv4/x.y", "net.*", "net.x"), []string{
			ofPod + `.sysctls[0].name: Invalid value: "net.x"` + net,
			ofPod + `.sysctls[1].name: Invalid value: "net/ipv4/x.y"` + net,
			ofPod + `.sysctls[2].name: Invalid value: "net.*"` + regex,
			ofPod + `.sysctls[2].name: Invalid value: "net.*"` + net,
			ofPod + `.sysctls[3].name: Duplicate value: "net.x"`,
			ofPod + `.sysctls[3].name: Invalid value: "net.x"` + net,
		}},
		{"what the host's IPC does not share", pod("hostIPC: true, ", "net.x", "kernel.shmx", "fs.mqueue", "kernel.pid_max"), nil},
		{"patterns of the host's IPC", pod("hostIPC: true, ", "kernel.msg*"), []string{
			ofPod + `.sysctls[0].name: Invalid value: "kernel.msg*"` + regex, ofPod + `.sysctls[0].name: Invalid value: "kernel.msg*"` + ipc,
		}},
	}
	for _, name := range []string{
		"kernel.sem", "kernel.shm", "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
		"kernel.msg", "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "fs.mqueue.x", "fs/mqueue/x",
	} {
		tests = append(tests, ruling{"the host's IPC: " + name, pod("hostIPC: true, ", name), []string{ofPod + `.sysctls[0].name: Invalid value: "` + name + `"` + ipc}})
	}
	checkRulings(t, tests)
}

func TestValidateHostNamespaces(t *testing.T) {
	const (
		own    = ": Forbidden: when `hostUsers` is false"
		device = "{name: i, image: i, volumeDevices: [{name: v, devicePath: /d}]}"
		claim  = "volumes: [{name: v, persistentVolumeClaim: {claimName: p}}], initContainers: [" + device + "]"
	)
	checkRulings(t, []ruling{
		{"all of the host", frame(podSpec, "hostNetwork: true, hostPID: true, hostIPC: true, hostUsers: true"), nil},
		{"a shared process namespace", frame(podSpec, "shareProcessNamespace: true"), nil},
		{"a process namespace of each container beside the host's", frame(podSpec, "shareProcessNamespace: false, hostPID: true"), nil},
		{"a process namespace shared and the host's", frame(podSpec, "shareProcessNamespace: true, hostPID: true"), []string{
			ofPod + ".shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled",
		}},
		{"users of its own", frame(podSpec, "hostUsers: false, shareProcessNamespace: true"), nil},
		{"users of its own and the rest of the host", frame(podSpec, "hostUsers: false, hostIPC: true, hostPID: true, hostNetwork: true"), []string{
			"spec.hostNetwork" + own, "spec.HostPID" + own, "spec.HostIPC" + own,
		}},
		{"devices", frame(podSpec, claim), nil},
		{"users of its own and devices", frame(podSpec, "hostUsers: false, "+claim), []string{"spec.initContainers[0].volumeDevices" + own}},
		{"hostname", frame(podSpec, "hostnameOverride: a.b"), nil},
		{"hostname that something else decides", frame(podSpec, "hostnameOverride: A, hostNetwork: true, setHostnameAsFQDN: true"), []string{
			"spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true",
			"spec.hostnameOverride: Forbidden: may not be specified when hostNetwork is true",
			`spec.hostnameOverride: Invalid value: "A"` + subdomain,
		}},
		{"hostname too long", frame(podSpec, "hostnameOverride: "+strings.Repeat("a", 65)), []string{
			"spec.hostnameOverride: Too long: may not be more than 64 bytes",
		}},
	})
}

const subdomain = `: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`

func TestValidateHostAliases(t *testing.T) {
	const address = ": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
	checkRulings(t, []ruling{
		{"addresses", frame(podSpec, `hostAliases: [{ip: 10.0.0.1, hostnames: [a, b.c]}, {ip: "::1"}]`), nil},
		{"no address", frame(podSpec, "hostAliases: [{ip: '', hostnames: [a]}]"), []string{`spec.hostAliases[0].ip: Invalid value: ""` + address}},
		{"leading zero", frame(podSpec, "hostAliases: [{ip: 10.0.0.01}]"), []string{
			`spec.hostAliases[0].ip: Invalid value: "10.0.0.01": must not have leading 0s`,
		}},
		{"IPv4 in IPv6", frame(podSpec, `hostAliases: [{ip: "::ffff:1.2.3.4"}]`), []string{
			`spec.hostAliases[0].ip: Invalid value: "::ffff:1.2.3.4": must not be an IPv4-mapped IPv6 address`,
		}},
		{"names", frame(podSpec, "hostAliases: [{ip: 1.2.3.4, hostnames: [a, A]}, {ip: x, hostnames: [a]}]"), []string{
			`spec.hostAliases[0].hostnames[1]: Invalid value: "A"` + subdomain,
			`spec.hostAliases[1].ip: Invalid value: "x"` + address,
		}},
	})
}

func TestValidateHostPorts(t *testing.T) {
	const (
		match = ": must match `containerPort` when `hostNetwork` is true"
		ports = `{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{name: c, image: i, ports: [%s]}, {name: d, image: i, ports: [%s]}], %s}}`
		one   = "{containerPort: 80, hostPort: 8080}"
	)
	template := func(port string) string {
		return strings.Replace(noServiceName(frame(workload, "Deployment", "hostNetwork: true")), "image: i", "image: i, ports: ["+port+"]", 1)
	}
	checkRulings(t, []ruling{
		{"other protocols, addresses and ports", frame(ports, one+", {containerPort: 80, hostPort: 8080, protocol: UDP}", "{containerPort: 80, hostPort: 8080, hostIP: 127.0.0.1}, {containerPort: 80, hostPort: 8081}, {containerPort: 80}", ""), nil},
		{"the same in two containers", frame(ports, one, one, ""), []string{`spec.containers[1].ports[0].hostPort: Duplicate value: "TCP//8080"`}},
		{"the same in one container, with an address", frame(ports, "{containerPort: 1, hostPort: 9, hostIP: 1.2.3.4, protocol: UDP}, {containerPort: 2, hostPort: 9, hostIP: 1.2.3.4, protocol: UDP}", "", ""), []string{
			`spec.containers[0].ports[1].hostPort: Duplicate value: "UDP/1.2.3.4/9"`,
		}},
		{"an address that is none, which the API server accepts", frame(ports, "{containerPort: 80, hostPort: 80, hostIP: x}", "", ""), nil},
		{"init containers come one after the other", frame(ports, one, "", "initContainers: [{name: i, image: i, ports: ["+one+"]}, {name: j, image: i, ports: ["+one+"]}]"), nil},
		{"the same in an init container, reported of the first", frame(ports, "", "", "initContainers: [{name: i, image: i}, {name: j, image: i, ports: ["+one+", "+one+"]}]"), []string{
			`spec.initContainers[0].ports[1].hostPort: Duplicate value: "TCP//8080"`,
		}},
		{"the host's network by default", frame(ports, "{containerPort: 80}, {containerPort: 81, hostPort: 81}", "", "hostNetwork: true"), nil},
		{"the host's network and another port", frame(ports, one, "", "hostNetwork: true, initContainers: [{name: i, image: i, ports: ["+one+"]}]"), []string{
			"spec.containers[0].ports[0].hostPort: Invalid value: 8080" + match,
		}},
		{"the host's network by default, and so the same twice", frame(ports, "{containerPort: 80}", "{containerPort: 80}", "hostNetwork: true"), []string{
			`spec.containers[1].ports[0].hostPort: Duplicate value: "TCP//80"`,
		}},
		{"a template without host ports", template("{containerPort: 80}"), nil},
		{"a template with another port", template(one), []string{"spec.template.spec.containers[0].ports[0].hostPort: Invalid value: 8080" + match}},
	})
}

func TestValidateEphemeralContainers(t *testing.T) {
	const (
		never    = "spec.ephemeralContainers: Forbidden: cannot be set on create"
		template = "spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template"
		lasting  = ": Forbidden: cannot be set for an Ephemeral Container"
		at       = "spec.ephemeralContainers[0]"
	)
	ephemeral := func(fields string) string {
		return frame(podSpec, "volumes: [{name: v}], ephemeralContainers: [{name: e, image: i, "+fields+"}]")
	}
	checkRulings(t, []ruling{
		{"a right one", ephemeral("targetContainerName: c"), []string{never}},
		{"of a template", noServiceName(frame(workload, "Deployment", "ephemeralContainers: [{name: e, image: i}]")), []string{template}},
		{"its security context", ephemeral("securityContext: {runAsUser: -1, procMount: Unmasked}"), []string{
			at + ".securityContext.runAsUser: Invalid value: -1" + badID,
			at + ".securityContext.procMount: Invalid value: \"Unmasked\": `hostUsers` must be false to use `Unmasked`",
			never,
		}},
		{"names", frame(podSpec, "initContainers: [{name: i, image: i}], ephemeralContainers: [{name: c, image: i}, {name: i, image: i}, {name: e, image: i, targetContainerName: d}, {name: e, image: i, targetContainerName: i}]"), []string{
			`spec.ephemeralContainers[0].name: Duplicate value: "c"`,
			`spec.ephemeralContainers[1].name: Duplicate value: "i"`,
			`spec.ephemeralContainers[2].targetContainerName: Not found: "d"`,
			`spec.ephemeralContainers[3].name: Duplicate value: "e"`,
			never,
		}},
		{"what lasts", ephemeral("lifecycle: {}, startupProbe: {tcpSocket: {port: 1}}, readinessProbe: {tcpSocket: {port: 1}}, livenessProbe: {tcpSocket: {port: 1}}, " +
			"restartPolicy: Always, restartPolicyRules: [], resizePolicy: [], resources: {limits: {cpu: 1}}, ports: [{containerPort: 1}], " +
			"volumeMounts: [{name: v, mountPath: /a, subPath: b}, {name: v, mountPath: /b, subPathExpr: c}]"), []string{
			at + ".ports" + lasting, at + ".resources" + lasting, at + ".resizePolicy" + lasting, at + ".restartPolicy" + lasting, at + ".restartPolicyRules" + lasting,
			at + ".livenessProbe" + lasting, at + ".readinessProbe" + lasting, at + ".startupProbe" + lasting, at + ".lifecycle" + lasting,
			at + ".volumeMounts[0].subPath" + lasting, at + ".volumeMounts[1].subPathExpr" + lasting,
			never,
		}},
	})
}
