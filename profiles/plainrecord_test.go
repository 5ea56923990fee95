package profiles

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
)

// recordWith is Docker Compose's program. With it TestRecorded runs each file of testdata/plain with Compose and records what it
// asks Docker for: go test ./profiles -run TestRecorded -compose=/path/to/docker-compose
var recordWith = flag.String("compose", "", "record with this docker-compose what it asks Docker for")

// recordedProject is the project's name in the records.
const recordedProject = "rec"

// request is the body of Docker's call that creates a container.
type request struct {
	container.Config
	HostConfig       container.HostConfig
	NetworkingConfig network.NetworkingConfig
}

// recorder answers as an empty engine does, and keeps the calls that create something.
type recorder struct {
	mu         sync.Mutex
	containers map[string]json.RawMessage // by service
	names      map[string]string          // of containers, by service
	networks   map[string]json.RawMessage
	volumes    map[string]json.RawMessage
}

// records are what Compose asked for, by service or name.
type records struct {
	Containers map[string]json.RawMessage `json:"containers"`
	Networks   map[string]json.RawMessage `json:"networks"`
	Volumes    map[string]json.RawMessage `json:"volumes"`
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w.Header().Set("Api-Version", "1.51")
	w.Header().Set("Content-Type", "application/json")
	path := q.URL.Path
	if rest, ok := strings.CutPrefix(path, "/v1."); ok {
		path = rest[strings.Index(rest, "/"):]
	}
	body, _ := io.ReadAll(q.Body)
	answer := func(code int, format string, args ...any) {
		w.WriteHeader(code)
		fmt.Fprintf(w, format, args...)
	}
	switch {
	case path == "/_ping":
		answer(200, "OK")
	case path == "/version":
		answer(200, `{"Version":"28.5.2","ApiVersion":"1.51","MinAPIVersion":"1.24","Os":"linux","Arch":"amd64"}`)
	case path == "/info":
		answer(200, `{"OSType":"linux","Architecture":"x86_64","Swarm":{"LocalNodeState":"inactive"}}`)
	case path == "/containers/create":
		r.create(q.URL.Query().Get("name"), body)
		answer(201, `{"Id":%q,"Warnings":[]}`, q.URL.Query().Get("name"))
	case path == "/containers/json":
		answer(200, "%s", r.list(q.URL.Query().Get("filters")))
	case strings.HasPrefix(path, "/containers/"):
		id := strings.Split(path, "/")[2]
		answer(200, `{"Id":%q,"Name":%q,"Config":{"Labels":{}},"State":{"Status":"created"},"NetworkSettings":{"Networks":{}}}`, id, "/"+id)
	case path == "/networks/create":
		r.networks[nameIn(body)] = body
		answer(201, `{"Id":%q}`, nameIn(body))
	case path == "/networks":
		answer(200, `[{"Name":"outside","Id":"outside"}]`)
	case path == "/volumes/create":
		r.volumes[nameIn(body)] = body
		answer(201, `{"Name":%q}`, nameIn(body))
	case path == "/volumes":
		answer(200, `{"Volumes":[]}`)
	case path == "/volumes/outside":
		answer(200, `{"Name":"outside"}`)
	case path == "/images/json":
		answer(200, `[]`)
	case strings.HasPrefix(path, "/images/"):
		answer(200, `{"Id":"sha256:1","RepoTags":["x:latest"],"Os":"linux","Architecture":"amd64","Config":{}}`)
	default:
		answer(404, `{"message":%q}`, "no such object: "+path)
	}
}

func nameIn(body []byte) string {
	var named struct{ Name string }
	_ = json.Unmarshal(body, &named)
	return named.Name
}

func (r *recorder) create(name string, body []byte) {
	var c struct{ Labels map[string]string }
	_ = json.Unmarshal(body, &c)
	service := c.Labels["com.docker.compose.service"]
	if c.Labels["com.docker.compose.container-number"] == "1" {
		r.containers[service], r.names[service] = body, name
	}
}

// list answers the containers of the service that a filter names, or all.
func (r *recorder) list(filters string) []byte {
	out := []map[string]any{}
	for _, service := range slices.Sorted(maps.Keys(r.names)) {
		if strings.Contains(filters, "compose.service=") && !strings.Contains(filters, "compose.service="+service+`"`) {
			continue
		}
		out = append(out, map[string]any{
			"Id": r.names[service], "Names": []string{"/" + r.names[service]}, "State": "created",
			"Labels": map[string]string{
				"com.docker.compose.service": service, "com.docker.compose.project": recordedProject,
				"com.docker.compose.container-number": "1", "com.docker.compose.oneoff": "False",
			},
		})
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return nil
	}
	return raw
}

// record runs Compose on a file and writes what it asked for.
func record(t *testing.T, file, out string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "d.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{
		containers: map[string]json.RawMessage{}, names: map[string]string{},
		networks: map[string]json.RawMessage{}, volumes: map[string]json.RawMessage{},
	}
	srv := &http.Server{Handler: r}
	go func() { _ = srv.Serve(l) }()
	defer func() { _ = srv.Close() }()
	cmd := exec.CommandContext(t.Context(), *recordWith, "-p", recordedProject, "-f", file, "create")
	cmd.Env = append(recordedEnv(), "DOCKER_HOST=unix://"+socket, "DOCKER_CONFIG="+t.TempDir(), "HOME="+t.TempDir(), "PATH="+os.Getenv("PATH"))
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("compose: %v\n%s", err, text)
	}
	raw, err := json.MarshalIndent(records{r.containers, r.networks, r.volumes}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(raw), dir, "DIR") + "\n"
	if err := os.WriteFile(out, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// recordedEnv are the variables that the files use.
func recordedEnv() []string { return []string{"FROM_HOST=host value", "SECRET=s3cret"} }
