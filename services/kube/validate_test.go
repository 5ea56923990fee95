package kube_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/services/kube"
)

const (
	podFrame = `{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{name: c, image: i, %s}]}}`
	podSpec  = `{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{name: c, image: i}], %s}}`
	workload = `{apiVersion: apps/v1, kind: %s, metadata: {name: x}, spec: {serviceName: x, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}], %s}}}}`
	jobFrame = `{apiVersion: batch/v1, kind: Job, metadata: {name: x}, spec: {%s}}`
	template = `template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}`
	cronSpec = `{apiVersion: batch/v1, kind: CronJob, metadata: {name: x}, spec: {%s, jobTemplate: {spec: {` + template + `}}}}`
	stateful = `{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: x}, spec: {%s, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}`
	service  = `{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {ports: [{port: 80}], %s}}`
)

func frame(f string, args ...any) string { return fmt.Sprintf(f, args...) }

// noServiceName drops the field that only a StatefulSet has.
func noServiceName(yaml string) string { return strings.Replace(yaml, "serviceName: x, ", "", 1) }

// ruling is an object and all that is said of it.
type ruling struct {
	name, yaml string
	want       []string
}

// checkRulings compares all problems of each object, in order.
func checkRulings(t *testing.T, tests []ruling) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := defaulted[kube.Object](t, tt.yaml)
			var got []string
			for _, p := range kube.Validate(o) {
				got = append(got, p.Error())
			}
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("problems are\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(tt.want, "\n  "))
			}
		})
	}
}

// TestValidate compares all problems of an object, in order, with Kubernetes' own words.
func TestValidate(t *testing.T) {
	const grace = "must be non-negative and less than terminationGracePeriodSeconds (30)"
	checkRulings(t, []ruling{
		{"R30 zero is not set", frame(podFrame, "livenessProbe: {periodSeconds: 0, successThreshold: 0, tcpSocket: {port: 1}}"), nil},
		{"R31 negative", frame(podFrame, "readinessProbe: {initialDelaySeconds: -1, timeoutSeconds: -2, tcpSocket: {port: 1}}"), []string{
			"spec.containers[0].readinessProbe.initialDelaySeconds: Invalid value: -1: must be greater than or equal to 0",
			"spec.containers[0].readinessProbe.timeoutSeconds: Invalid value: -2: must be greater than or equal to 0",
		}},
		{"R32 startup", frame(podFrame, "startupProbe: {successThreshold: -2, tcpSocket: {port: 1}}"), []string{
			"spec.containers[0].startupProbe.successThreshold: Invalid value: -2: must be greater than or equal to 0",
			"spec.containers[0].startupProbe.successThreshold: Invalid value: -2: must be 1",
		}},
		{"R33 readiness", frame(podFrame, "readinessProbe: {terminationGracePeriodSeconds: -3, tcpSocket: {port: 1}}"), []string{
			"spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: -3: must be greater than 0",
			"spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: -3: must not be set for readinessProbes",
		}},
		{"R34 handlers", frame(podFrame, "livenessProbe: {grpc: {port: 1}, tcpSocket: {port: 1}, httpGet: {port: 1}}"), []string{
			"spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
			"spec.containers[0].livenessProbe.grpc: Forbidden: may not specify more than 1 handler type",
		}},
		{"R36 port name", frame(podFrame, `readinessProbe: {tcpSocket: {port: "8080"}}`), []string{
			`spec.containers[0].readinessProbe.tcpSocket.port: Invalid value: "8080": must contain at least one letter (a-z)`,
		}},
		{"R38 init container", frame(podSpec, "initContainers: [{name: i, image: i, lifecycle: {}, livenessProbe: {}, readinessProbe: {}, startupProbe: {}}]"), []string{
			"spec.initContainers[0].lifecycle: Forbidden: may not be set for init containers without restartPolicy=Always",
			"spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
			"spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
			"spec.initContainers[0].startupProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
		}},
		{"R39 tcp hook", frame(podFrame, "lifecycle: {preStop: {tcpSocket: {port: 1}}, postStart: {exec: {command: [x]}}}"), nil},
		{"R39 sleep", frame(podFrame, "lifecycle: {preStop: {sleep: {seconds: 31}}, postStart: {sleep: {seconds: -1}}}"), []string{
			"spec.containers[0].lifecycle.postStart.sleep: Invalid value: -1: " + grace,
			"spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: " + grace,
		}},
		{"R39 no sleep", frame(podFrame, "lifecycle: {preStop: {sleep: {seconds: 0}}}"), nil},
		{"R39 no hook", frame(podFrame, "lifecycle: {preStop: {}}"), []string{"spec.containers[0].lifecycle.preStop: Required value: must specify a handler type"}},
		{"R42 deployment", noServiceName(frame(workload, "Deployment", "restartPolicy: Never")), []string{
			`spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"`,
		}},
		{"R42 stateful set", frame(workload, "StatefulSet", "restartPolicy: OnFailure"), []string{
			`spec.template.spec.restartPolicy: Unsupported value: "OnFailure": supported values: "Always"`,
		}},
		{"R42 daemon set", noServiceName(frame(workload, "DaemonSet", "restartPolicy: Never")), []string{
			`spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"`,
		}},
		{"R42 job", frame(jobFrame, "template: {spec: {containers: [{name: c, image: i}]}}"), []string{
			`spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"`,
		}},
		{"R42 no policy at all", noServiceName(frame(workload, "Deployment", "restartPolicy: Sometimes")), []string{
			`spec.template.spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"`,
			`spec.template.spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always"`,
		}},
		{"R40 policies in Kubernetes' order", frame(podSpec, "dnsPolicy: Foo"), []string{
			`spec.dnsPolicy: Unsupported value: "Foo": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"`,
		}},
		{"R40 message policy", frame(podFrame, "terminationMessagePolicy: Foo"), []string{
			`spec.containers[0].terminationMessagePolicy: Unsupported value: "Foo": supported values: "File", "FallbackToLogsOnError"`,
		}},
		{"R43 no source", frame(podFrame, "env: [{name: A, valueFrom: {}}]"), []string{
			"spec.containers[0].env[0].valueFrom: Invalid value: \"\": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
		}},
		{"R43 a source that is not known here", frame(podFrame, "env: [{name: A, valueFrom: {fileKeyRef: {volumeName: v, path: p, key: k}}}]"), []string{
			"spec.containers[0].env[0].valueFrom.fileKeyRef: Forbidden: lyandev does not know this source; use a configMapKeyRef or a secretKeyRef",
		}},
		{"R132 no source", frame(podFrame, "envFrom: [{prefix: P}]"), []string{
			"spec.containers[0].envFrom: Invalid value: \"\": must specify one of: `configMapRef` or `secretRef`",
		}},
		{"R132 no name", frame(podFrame, "envFrom: [{secretRef: {}}]"), []string{"spec.containers[0].envFrom[0].secretRef.name: Required value"}},
		{"R133 subscripts", frame(podFrame, `env: [{name: A, valueFrom: {fieldRef: {fieldPath: "metadata.name['a']"}}}, {name: B, valueFrom: {fieldRef: {fieldPath: "metadata.annotations['A/']"}}}]`), []string{
			"spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: \"metadata.name['a']\": error converting fieldPath: field label does not support subscript: metadata.name['a']",
			"spec.containers[0].env[1].valueFrom.fieldRef: Invalid value: \"a/\": name part must be non-empty",
			"spec.containers[0].env[1].valueFrom.fieldRef: Invalid value: \"a/\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
		}},
		{"R133 a field that no variable can show", frame(podFrame, "env: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.hostNetwork}}}]"), []string{
			`spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.hostNetwork": error converting fieldPath: field label not supported: spec.hostNetwork`,
		}},
		{"R133 divisors", frame(podFrame, "env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1k}}}, {name: B, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}]"), []string{
			`spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor's values 1m and 1 are supported with the cpu resource`,
		}},
		{"R43 names", frame(podFrame, `env: [{name: "a b", value: x}, {name: "1.-/", value: x}]`), nil},
		{"R43 equals sign", frame(podFrame, `env: [{name: "a=b", value: x}, {name: ""}]`), []string{
			`spec.containers[0].env[0].name: Invalid value: "a=b": a valid environment variable name must consist only of printable ASCII characters other than '='`,
			"spec.containers[0].env[1].name: Required value",
		}},
		{"R43 value and source", frame(podFrame, "env: [{name: A, value: x, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]"), []string{
			"spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty",
		}},
		{"R43 two sources", frame(podFrame, "env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}, secretKeyRef: {name: s, key: k}}}]"), []string{
			`spec.containers[0].env[0].valueFrom: Invalid value: "": may not have more than one field specified at a time`,
		}},
		{"R133 labels", frame(podFrame, "env: [{name: A, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['app']\"}}}]"), nil},
		{"R133 unknown field", frame(podFrame, "env: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.foo}}}]"), []string{
			`spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.foo": error converting fieldPath: field label not supported: spec.foo`,
		}},
		{"R129 timeout", frame(service, "sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 86401}}"), []string{
			"spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400",
		}},
		{"R129 a day", frame(service, "sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 86400}}"), nil},
		{"R129 affinity", frame(service, "sessionAffinity: Cookie"), []string{
			`spec.sessionAffinity: Unsupported value: "Cookie": supported values: "ClientIP", "None"`,
		}},
		{"R195 schedule", frame(cronSpec, `schedule: "* * * *"`), []string{
			`spec.schedule: Invalid value: "* * * *": expected exactly 5 fields, found 4: [* * * *]`,
		}},
		{"R195 a schedule that the parser cannot bear", frame(cronSpec, `schedule: "TZ=x"`), []string{
			`spec.schedule: Invalid value: "TZ=x": invalid schedule format: runtime error: slice bounds out of range [:-1]`,
			`spec.schedule: Invalid value: "TZ=x": cannot use TZ or CRON_TZ in schedule, use timeZone field instead`,
		}},
		{"R195 zone in the schedule", frame(cronSpec, `schedule: "TZ=UTC * * * * *"`), []string{
			`spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead`,
		}},
		{"R195 zones", frame(cronSpec, `schedule: "@hourly", timeZone: Nowhere`), []string{
			`spec.timeZone: Invalid value: "Nowhere": unknown time zone Nowhere`,
		}},
		{"R195 local", frame(cronSpec, `schedule: "@hourly", timeZone: local`), []string{
			`spec.timeZone: Invalid value: "local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones`,
			`spec.timeZone: Invalid value: "local": unknown time zone local`,
		}},
		{"R177 names", "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a.b}, spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}", []string{
			`metadata.name: Invalid value: "a.b": must not contain dots`,
		}},
		{"R174 an update of none", frame(stateful, "updateStrategy: {rollingUpdate: {maxUnavailable: 0}}"), []string{
			"spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0",
		}},
		{"R171 policy", frame(stateful, "podManagementPolicy: Foo, updateStrategy: {type: Foo}"), []string{
			`spec.podManagementPolicy: Invalid value: "Foo": must be 'OrderedReady' or 'Parallel'`,
			`spec.updateStrategy: Invalid value: {"Type":"Foo","RollingUpdate":null}: must be 'RollingUpdate' or 'OnDelete'`,
		}},
		{"R192 limits of an Indexed Job", frame(jobFrame, "completionMode: Indexed, completions: 2, parallelism: 100001, maxFailedIndexes: 3, "+template), []string{
			"spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified",
			"spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is Indexed",
			"spec.maxFailedIndexes: Invalid value: 3: must be less than or equal to completions",
		}},
		{"R192 mode", frame(jobFrame, "completionMode: Foo, "+template), []string{
			`spec.completionMode: Unsupported value: "Foo": supported values: "NonIndexed", "Indexed"`,
		}},
		{"R181 text that is no percentage", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: x}, spec: {strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: x}}, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}", []string{
			`spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "x": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')`,
			"spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"x\": may not be 0 when `maxSurge` is 0",
		}},
		{"selector", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: x}, spec: {selector: {matchLabels: {a: c}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}", []string{
			"spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`",
		}},
		{"no containers", "{apiVersion: v1, kind: Pod, metadata: {name: x}}", []string{"spec.containers: Required value"}},
		{"name", "{apiVersion: v1, kind: ConfigMap, metadata: {name: \"\"}}", []string{"metadata.name: Required value: name or generateName is required"}},
		{"mount", frame(podFrame, "volumeMounts: [{name: v, mountPath: /a}]"), []string{`spec.containers[0].volumeMounts[0].name: Not found: "v"`}},
		{"mounts twice", `{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {volumes: [{name: v}], containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: /a}, {name: v, mountPath: /a, subPath: ../b}]}]}}`, []string{
			`spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/a": must be unique`,
			`spec.containers[0].volumeMounts.subPath: Invalid value: "../b": must not contain '..'`,
		}},
		{"request over limit", frame(podFrame, "resources: {requests: {cpu: 2}, limits: {cpu: 1}}"), []string{
			`spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1`,
		}},
		{"surge", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: x}, spec: {strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}", []string{
			"spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
		}},
		{"config map key", "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {\"a b\": x}}", []string{
			`data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')`,
		}},
		{"indexed", frame(jobFrame, "completionMode: Indexed, parallelism: 2, "+template), []string{"spec.completions: Required value: when completion mode is Indexed"}},
	})
}

func TestInvalidIsTheServersMessage(t *testing.T) {
	o := defaulted[kube.Object](t, frame(podFrame, "livenessProbe: {}"))
	err := kube.Invalid(o, kube.Validate(o))
	want := `Pod "x" is invalid: spec.containers[0].livenessProbe: Required value: must specify a handler type`
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if err := kube.Invalid(o, nil); err != nil {
		t.Errorf("%v for nothing", err)
	}
}

func TestCleanObjectsAreValid(t *testing.T) {
	for _, yaml := range []string{
		noServiceName(frame(workload, "Deployment", "")), noServiceName(frame(workload, "ReplicaSet", "")), noServiceName(frame(workload, "DaemonSet", "")),
		frame(workload, "StatefulSet", ""), frame(jobFrame, template), frame(cronSpec, `schedule: "*/5 * * * *"`), frame(service, "selector: {a: b}"),
		"{apiVersion: v1, kind: Secret, metadata: {name: x}, data: {a: YQ==}}",
		"{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {type: ExternalName, externalName: example.com}}",
		"{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {clusterIP: None, selector: {a: b}}}",
		"{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: x}, spec: {rules: [{host: a.b, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: s, port: {number: 80}}}}]}}]}}",
	} {
		if problems := kube.Validate(defaulted[kube.Object](t, yaml)); len(problems) > 0 {
			t.Errorf("%s: %v", yaml, problems)
		}
	}
}
