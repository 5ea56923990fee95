package explain

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

func TestRefusedPort(t *testing.T) {
	for line, want := range map[string]int32{
		"redis connection error localhost:6379 ConnectionRefusedError [Errno 111] Connect call failed ('127.0.0.1', 6379), 5 retries remaining...": 6379,
		"OSError: Multiple exceptions: [Errno 111] Connect call failed ('::1', 6380, 0, 0), [Errno 111] Connect call failed ('127.0.0.1', 6380)":   6380,
		"redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379. Connection refused.":                                            6379,
		"dial tcp 127.0.0.1:5432: connect: connection refused":                                                                                     5432,
		"dial tcp [::1]:5432: connect: connection refused":                                                                                         5432,
		"Error: connect ECONNREFUSED 127.0.0.1:27017":                                                                                              27017,
		"java.net.ConnectException: Connection refused: localhost/127.0.0.1:9092":                                                                  9092,
		`connection to server at "localhost" (127.0.0.1), port 5432 failed: Connection refused`:                                                    5432,
		"ERROR 2002 (HY000): Can't connect to MySQL server on '127.0.0.1:3306' (111)":                                                              3306,
		"bash: line 1: /dev/tcp/127.0.0.1/6379: Connection refused":                                                                                6379,
		"dial tcp 10.0.0.7:5432: connect: connection refused":                                                                                      0,
		"listening on 127.0.0.1:6379":          0,
		"connect ECONNREFUSED 127.0.0.1:99999": 0,
		"connect ECONNREFUSED 127.0.0.12:80":   0,
		"":                                     0,
	} {
		if got, ok := refusedPort(line); got != want && ok || ok != (want != 0) {
			t.Errorf("%q: port %d, %v; want %d", line, got, ok, want)
		}
	}
}

func service(name string, port int32, selector map[string]string) *corev1.Service {
	s := &corev1.Service{}
	s.Name, s.Spec.Selector = name, selector
	s.Spec.Ports = []corev1.ServicePort{{Port: port}}
	return s
}

func TestAdviceOnARefusedLocalhost(t *testing.T) {
	f := facts([]*corev1.Pod{pod("arq-x", "arq", false, crashing)}, workload("arq", 1, 1, 0))
	f.Snapshot.Services = []*corev1.Service{
		service("cache", 11211, nil), service("redis-master", 6379, nil), service("redis", 6379, map[string]string{services.RoleLabel: "master"}),
	}
	if got := strings.Join(f.Suspects("arq"), " "); got != "arq-x/arq" {
		t.Fatalf("suspects %q", got)
	}
	if got := f.Suspects("db"); got != nil {
		t.Fatalf("suspects of another workload: %q", got)
	}
	f.Logs = []LogLine{
		{"arq-x", "arq", "[Errno 111] Connect call failed ('127.0.0.1', 6379), 5 retries remaining"},
		{"arq-x", "arq", "[Errno 111] Connect call failed ('127.0.0.1', 6379), 4 retries remaining"},
		{"arq-x", "arq", "connect ECONNREFUSED 127.0.0.1:9200"},
		{"gone", "arq", "connect ECONNREFUSED 127.0.0.1:9300"},
	}
	a, err := Why(f, "arq")
	if err != nil {
		t.Fatal(err)
	}
	text := a.Text(now)
	for _, want := range []string{
		"Advice: arq: the log of container arq says that a connection to 127.0.0.1:6379 was refused. 127.0.0.1 is the pod itself; " +
			"Service redis or redis-master listens on port 6379. Tell the program that name, or set `localhost: {\"6379\": \"redis:6379\"}` in x-lyandev of its service\n",
		"Advice: arq: the log of container arq says that a connection to 127.0.0.1:9200 was refused. 127.0.0.1 is the pod itself, and no Service of the stack has port 9200\n",
	} {
		if strings.Count(text, want) != 1 {
			t.Errorf("why does not say once\n%sbut\n%s", want, text)
		}
	}
	if strings.Contains(text, "9300") {
		t.Errorf("a pod that is gone is explained:\n%s", text)
	}
	f.Snapshot.Pods[0].Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 9200}}
	if a, _ = Why(f, "arq"); strings.Contains(a.Text(now), "9200") {
		t.Error("the pod's own port is explained as another's")
	}
}
