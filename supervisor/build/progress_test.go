package build

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	bkclient "github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

var past = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

func TestProgressOfSteps(t *testing.T) {
	var told []string
	f := newFollower("web", func(p Progress) { told = append(told, p.Build+"|"+p.Step+"|"+p.Line) })
	run, cached := digest.FromString("run"), digest.FromString("cached")
	status := func(logs string, vs ...*bkclient.Vertex) {
		s := &bkclient.SolveStatus{Vertexes: vs}
		if logs != "" {
			s.Logs = []*bkclient.VertexLog{{Vertex: run, Data: []byte(logs)}}
		}
		f.take(s)
	}
	status("", &bkclient.Vertex{Digest: run, Name: "[2/2] RUN make"}, &bkclient.Vertex{Digest: cached, Name: "[1/2] FROM x", Cached: true, Started: &past})
	status("", &bkclient.Vertex{Digest: run, Name: "[2/2] RUN make", Started: &past})
	status("one\ntw", &bkclient.Vertex{Digest: run, Name: "[2/2] RUN make", Started: &past})
	status("o\n10%\r50%\r100%\r\nlast")
	status("", &bkclient.Vertex{Digest: run, Name: "[2/2] RUN make", Started: &past, Error: "process failed"})
	want := "web|[2/2] RUN make|, web||one, web||two, web||100%"
	if got := strings.Join(told, ", "); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	var failed *Error
	if err := f.failure(errors.New("failed to solve: rpc error: code = Unknown desc = boom")); !errors.As(err, &failed) {
		t.Fatal(err)
	}
	if failed.Step != "[2/2] RUN make" || failed.Output != "one\ntwo\n100%\nlast" || failed.Err.Error() != "boom" {
		t.Errorf("%+v", failed)
	}
	text := "cannot build web: step [2/2] RUN make failed: boom\n  | one\n  | two\n  | 100%\n  | last"
	if failed.Error() != text {
		t.Errorf("said %q", failed.Error())
	}
}

func TestOnlyTheTailIsKept(t *testing.T) {
	f := newFollower("web", func(Progress) {})
	d := digest.FromString("x")
	for i := range 3 * tailLines {
		f.take(&bkclient.SolveStatus{Logs: []*bkclient.VertexLog{{Vertex: d, Data: []byte(fmt.Sprintln("line", i))}}})
	}
	f.take(&bkclient.SolveStatus{Vertexes: []*bkclient.Vertex{{Digest: d, Name: "RUN", Error: "x"}}})
	var failed *Error
	if errors.As(f.failure(errors.New("x")), &failed); strings.Count(failed.Output, "\n") != tailLines-1 || !strings.HasSuffix(failed.Output, fmt.Sprint("line ", 3*tailLines-1)) {
		t.Errorf("kept %q", failed.Output)
	}
}

func TestAFailureNamesNoStepThatWasOnlyCancelled(t *testing.T) {
	f := newFollower("web", func(Progress) {})
	f.take(&bkclient.SolveStatus{Vertexes: []*bkclient.Vertex{
		{Digest: "a", Name: "cancelled", Error: "context canceled"}, {Digest: "b", Name: "culprit", Error: "exit code: 1"},
	}})
	var failed *Error
	if errors.As(f.failure(errors.New("x")), &failed); failed.Step != "culprit" {
		t.Errorf("named %s", failed.Step)
	}
}

func TestCacheEntries(t *testing.T) {
	for in, want := range map[string]string{
		"reg/x:cache": "registry map[ref:reg/x:cache]", "type=local,src=/a": "local map[src:/a]", "type=gha": "gha map[]",
	} {
		if e := cacheEntry(in); fmt.Sprint(e.Type, " ", e.Attrs) != want {
			t.Errorf("%s became %s %v", in, e.Type, e.Attrs)
		}
	}
}
