package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/client"
)

// TestACallThatIsNotAnswered: it ends at its limit, as an engine that is not there; the end of its caller's context stays
// what it is, and so does an answer that came.
func TestACallThatIsNotAnswered(t *testing.T) {
	hang := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := do(t.Context(), answerLimit, hang)
		if !errors.Is(err, ErrNoAnswer) || !IsUnavailable(err) {
			t.Errorf("a call that hangs fails with %v", err)
		}
		if took := time.Since(began); took != answerLimit {
			t.Errorf("it took %s", took)
		}
		mine, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := do(mine, answerLimit, hang); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrNoAnswer) {
			t.Errorf("a caller that gave up is told %v", err)
		}
		answer := errors.New("no such thing")
		if err := do(t.Context(), answerLimit, func(context.Context) error { return answer }); !errors.Is(err, answer) {
			t.Errorf("an answer became %v", err)
		}
	})
}

// slow answers each call with an empty object after a while, or when the caller gives up.
type slow time.Duration

func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(time.Duration(s)):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader("{}")), Request: r,
	}, nil
}

// TestInfoOfALoadedEngine: each of its calls has a limit of its own.
func TestInfoOfALoadedEngine(t *testing.T) {
	ask := func(t *testing.T, each time.Duration) (Info, error) {
		t.Helper()
		api, err := client.NewClientWithOpts(client.WithHTTPClient(&http.Client{Transport: slow(each)}), client.WithVersion("1.41"))
		if err != nil {
			t.Fatal(err)
		}
		return (&Docker{api: api, host: api.DaemonHost()}).Info(t.Context())
	}
	synctest.Test(t, func(t *testing.T) {
		if _, err := ask(t, 4*time.Second); err != nil {
			t.Errorf("an engine that takes 4 s for a call: %v", err)
		}
		began := time.Now()
		if _, err := ask(t, time.Hour); !IsUnavailable(err) || time.Since(began) != infoLimit {
			t.Errorf("an engine that hangs: %v after %s", err, time.Since(began))
		}
	})
}

// TestAnswersIsOneCall: a command that only needs to know whether the engine answers does not wait for its configuration, which takes
// the engine long; no later call asks for the version of the API again.
func TestAnswersIsOneCall(t *testing.T) {
	var paths []string
	engine := roundTrip(func(r *http.Request) (*http.Response, error) {
		paths = append(paths, r.Method+" "+r.URL.Path)
		return &http.Response{
			StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}, "Api-Version": {"1.41"}},
			Body: io.NopCloser(strings.NewReader("[]")), Request: r,
		}, nil
	})
	api, err := client.NewClientWithOpts(client.WithHTTPClient(&http.Client{Transport: engine}), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	d := &Docker{api: api, host: api.DaemonHost()}
	if err := d.Answers(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ListContainers(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(paths, ", "), "HEAD /_ping, GET /v1.41/containers/json"; got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
}

// TestListAsksOnlyForWhatIsWanted: a container of which the labels tell enough costs no call, and one that is removed meanwhile is left out.
func TestListAsksOnlyForWhatIsWanted(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	engine := roundTrip(func(r *http.Request) (*http.Response, error) {
		body, status := `[{"Id":"a","Labels":{"ours":"1"}},{"Id":"b","Labels":{}},{"Id":"gone","Labels":{}},{"Id":"c","Labels":{}}]`, http.StatusOK
		if !strings.HasSuffix(r.URL.Path, "/containers/json") {
			id := strings.Split(r.URL.Path, "/")[3]
			mu.Lock()
			asked = append(asked, id)
			mu.Unlock()
			body = fmt.Sprintf(`{"Id":%q,"Name":"/%s","State":{},"Config":{},"HostConfig":{},"NetworkSettings":{}}`, id, id)
			if id == "gone" {
				body, status = `{"message":"No such container: gone"}`, http.StatusNotFound
			}
		}
		return &http.Response{
			StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r,
		}, nil
	})
	api, err := client.NewClientWithOpts(client.WithHTTPClient(&http.Client{Transport: engine}), client.WithVersion("1.41"))
	if err != nil {
		t.Fatal(err)
	}
	d := &Docker{api: api, host: api.DaemonHost()}
	list, err := d.ListContainersWith(t.Context(), nil, func(labels map[string]string) bool { return labels["ours"] == "" })
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(asked)
	if len(list) != 2 || list[0].ID != "b" || list[1].ID != "c" || strings.Join(asked, " ") != "b c gone" {
		t.Errorf("listed %d, asked %v", len(list), asked)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answers is an engine that gives the same answer to everything.
type answers string

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusCreated, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(string(a))), Request: r,
	}, nil
}

func TestWarningsOfTheEngineArePassedOn(t *testing.T) {
	api, err := client.NewClientWithOpts(client.WithVersion("1.41"),
		client.WithHTTPClient(&http.Client{Transport: answers(`{"Id": "abc", "Warnings": ["no memory limit", "no swap limit"]}`)}))
	if err != nil {
		t.Fatal(err)
	}
	d := &Docker{api: api}
	var got []string
	id, err := d.CreateContainer(t.Context(), ContainerSpec{Name: "a", Image: "i", Warn: func(text string) { got = append(got, text) }})
	if err != nil || id != "abc" || strings.Join(got, "; ") != "no memory limit; no swap limit" {
		t.Errorf("container %q, warnings %q, %v", id, got, err)
	}
	if _, err := d.CreateContainer(t.Context(), ContainerSpec{Name: "a", Image: "i"}); err != nil {
		t.Errorf("nobody asks for them: %v", err)
	}
}
