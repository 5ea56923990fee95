package build

import (
	"errors"
	"strings"
	"time"

	bkclient "github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// Progress is one progress message of a build.
type Progress struct {
	Build string
	// State is "running", "current", "done", "failed" or "cancelled"; "" if it has not changed.
	State string
	// Step is the instruction that started ("[3/5] RUN pip install ..."), Line a line of output.
	Step, Line string
	Took       time.Duration
}

// Sink receives progress. It is called concurrently by several builds and must not block for long.
type Sink func(Progress)

// tailLines is how many lines of a failing step's output are kept.
const tailLines = 40

// follower converts BuildKit's status stream to progress, and keeps what is needed to explain a failure.
type follower struct {
	build string
	sink  Sink
	steps map[digest.Digest]*step
}

type step struct {
	name    string
	started bool
	err     string
	tail    []string
	partial string
}

func newFollower(build string, sink Sink) *follower {
	return &follower{build: build, sink: sink, steps: map[digest.Digest]*step{}}
}

func (f *follower) step(d digest.Digest) *step {
	s := f.steps[d]
	if s == nil {
		s = &step{}
		f.steps[d] = s
	}
	return s
}

func (f *follower) take(st *bkclient.SolveStatus) {
	for _, v := range st.Vertexes {
		s := f.step(v.Digest)
		s.name, s.err = v.Name, v.Error
		if v.Started != nil && !s.started && !v.Cached {
			s.started = true
			f.sink(Progress{Build: f.build, Step: v.Name})
		}
	}
	for _, l := range st.Logs {
		f.log(f.step(l.Vertex), string(l.Data))
	}
}

func (f *follower) log(s *step, data string) {
	lines := strings.Split(s.partial+data, "\n")
	s.partial = lines[len(lines)-1]
	for _, line := range lines[:len(lines)-1] {
		line = strings.TrimRight(line, "\r")
		if i := strings.LastIndexByte(line, '\r'); i >= 0 {
			line = line[i+1:] // a progress bar redraws its line
		}
		s.tail = append(s.tail, line)
		f.sink(Progress{Build: f.build, Line: line})
	}
	if n := len(s.tail); n > tailLines {
		s.tail = s.tail[n-tailLines:]
	}
}

// failure explains a failed build by the step that failed.
func (f *follower) failure(err error) error {
	e := &Error{Name: f.build, Err: plain(err)}
	for _, s := range f.steps {
		if s.err == "" || strings.Contains(s.err, "context canceled") {
			continue
		}
		e.Step = s.name
		tail := s.tail
		if s.partial != "" {
			tail = append(tail, s.partial)
		}
		e.Output = strings.Join(tail, "\n")
		break
	}
	return e
}

// plain removes the prefixes that BuildKit adds to a step's error.
func plain(err error) error {
	msg := err.Error()
	for _, prefix := range []string{
		"failed to solve: ", "rpc error: code = Unknown desc = ", "failed to solve: ", "executor failed running ",
	} {
		msg = strings.TrimPrefix(msg, prefix)
	}
	return errors.New(msg)
}
