package profiles

import (
	"strings"
	"testing"
)

const ingressFile = `
name: p
x-lyandev:
  ingressPort: %PORT%
  ingresses:
    in: {defaultBackend: {service: {name: web, port: {number: 80}}}}
services:
  web:
    image: web
    x-lyandev: {service: {ports: [{port: 80}]}}
`

func TestIngressPort(t *testing.T) {
	for written, want := range map[string]int32{"8081": 8081, "0": 0, `"8082"`: 8082, "${NONE:-8083}": 8083} {
		s := mustLoad(t, strings.ReplaceAll(ingressFile, "%PORT%", written), Options{})
		if len(s.HostPorts) != 1 || s.HostPorts[0].HostPort != want || s.HostPorts[0].Service != "" || s.HostPorts[0].HostIP != "127.0.0.1" {
			t.Errorf("ingressPort: %s gives %+v, want %d to the ingress", written, s.HostPorts, want)
		}
	}
}
