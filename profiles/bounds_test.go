package profiles

import (
	"strings"
	"testing"
)

// TestBounds: what a file may ask for is bounded, and every refusal names the place.
func TestBounds(t *testing.T) {
	nested := strings.Repeat("${A:-", 5000) + "x" + strings.Repeat("}", 5000)
	cases := []struct{ name, text, want string }{
		{"all ports", "services:\n  a:\n    image: x\n    ports:\n      - '1-65535:1-65535'\n", `compose.yaml:5: services.a.ports[0]: "1-65535:1-65535" makes more than 20000 ports in the stack (use network_mode: host for so many ports)`},
		{"many services' ports", "services:\n  a: {image: x, ports: ['1000-15000']}\n  b: {image: x, ports: ['1000-15000/udp']}\n", `services.b.ports[0]: "1000-15000/udp" makes more than`},
		{"four parts", "services:\n  a:\n    image: x\n    ports:\n      - 1:2\n      - 80:80:80:80\n", `compose.yaml:6: services.a.ports[1]: "80:80:80:80" is not a port mapping`},
		{"a port too high", "services:\n  a:\n    image: x\n    ports: ['99999:1']\n", `compose.yaml:4: services.a.ports[0]: "99999:1" is not a port mapping`},
		{"in a profile", "services: {a: {image: x}}\nx-lyandev:\n  profiles:\n    p:\n      services:\n        a: {ports: ['x:1']}\n", `compose.yaml:6: x-lyandev.profiles.p.services.a.ports[0]: "x:1" is not a port mapping`},
		{"replicas in words", "services:\n  a:\n    image: x\n    deploy:\n      replicas: three\n", `compose.yaml:5: services.a.deploy.replicas: "three" cannot be used here: it is not a number`},
		{"replicas", "services:\n  a:\n    image: x\n    deploy:\n      replicas: 5000000\n", `compose.yaml:5: services.a.deploy.replicas: the stack asks for 5000000 containers, 5000000 of them for a; its network has addresses for about 1000 (lower it)`},
		{"replicas together", "services:\n  a: {image: x, scale: 600}\n  b: {image: x, scale: 500}\n", `the stack asks for 1100 containers, 600 of them for a`},
		{"replicas of one name", "services:\n  a:\n    image: x\n    container_name: fixed\n    deploy: {replicas: 2}\n", `compose.yaml:4: services.a.container_name: fixed can be the name of one container, and the service has 2 (remove container_name or run one container)`},
		{"scale of one name", "services:\n  a: {image: x, container_name: fixed, scale: 3}\n", `compose.yaml:2: services.a.container_name: fixed can be the name of one container, and the service has 3`},
		{"nested defaults", "services:\n  a:\n    image: x\n    environment: {E: '" + nested + "'}\n", `compose.yaml:4: services.a.environment.E: the value has more than 5000 variables, or more than 100 inside each other`},
		{"many variables", "services:\n  a:\n    image: x\n    environment: {E: '" + strings.Repeat("${A:-x}", 6000) + "'}\n", `the value has more than 5000 variables`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := loadText(t, c.text, Options{Profiles: []string{profileOf(c.text)}}, nil)
			if err == nil {
				t.Fatal("no error")
			}
			got := errorLines(t, err)
			if len(got) != 1 || !strings.Contains(got[0], c.want) {
				t.Errorf("got:\n%.400s\nwant:\n%s", strings.Join(got, "\n"), c.want)
			}
		})
	}
}

func profileOf(text string) string {
	if strings.Contains(text, "profiles:") {
		return "p"
	}
	return ""
}
