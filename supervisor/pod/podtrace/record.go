package main

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/pod"
)

type corePod = corev1.Pod

// event is one line of a trace.
type event struct {
	T         float64 `json:"t"`
	Event     string  `json:"event"`
	Container string  `json:"container,omitempty"`
	ID        string  `json:"id,omitempty"`
	Attempt   int     `json:"attempt,omitempty"`
	Grace     *int64  `json:"grace,omitempty"`
	Code      *int32  `json:"code,omitempty"`
	Result    string  `json:"result,omitempty"`
	Timeout   float64 `json:"timeout,omitempty"`
	Text      string  `json:"text,omitempty"`
	Config    any     `json:"config,omitempty"`
}

// recorder keeps the events; it is the worker's Sink.
type recorder struct {
	mu     sync.Mutex
	zero   time.Time
	events []event
	// said are the status lines already in the trace.
	said map[string]string
}

func newRecorder() *recorder { return &recorder{zero: time.Now(), said: map[string]string{}} }

func (r *recorder) add(e event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.append(e)
}

func (r *recorder) append(e event) {
	e.T = math.Round(time.Since(r.zero).Seconds()*1000) / 1000
	r.events = append(r.events, e)
}

// Event records an event of the pod.
func (r *recorder) Event(_ *corev1.Pod, container, eventType, reason, message string) {
	r.add(event{Event: "event", Container: container, Text: eventType + " " + reason + " " + message})
}

// Gone records the end of the pod object.
func (r *recorder) Gone(*corev1.Pod) { r.add(event{Event: "podRemoved"}) }

// StatusChanged records what is new in the status.
func (r *recorder) StatusChanged(p *corev1.Pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &p.Status
	r.say("phase", "phase="+string(s.Phase))
	r.say("podIP", "podIP="+s.PodIP)
	r.say("reason", "reason="+s.Reason)
	r.say("message", "message="+s.Message)
	for _, c := range s.Conditions {
		line := fmt.Sprintf("%s=%s", c.Type, c.Status)
		if c.Reason != "" {
			line += "(" + c.Reason + ")"
		}
		r.say("condition "+string(c.Type), strings.TrimSpace(line+" "+c.Message))
	}
	for _, list := range [][]corev1.ContainerStatus{s.InitContainerStatuses, s.ContainerStatuses} {
		for i := range list {
			r.say("container "+list[i].Name, containerLine(&list[i]))
		}
	}
}

func (r *recorder) say(key, line string) {
	if r.said[key] == line || strings.HasSuffix(line, "=") {
		return
	}
	r.said[key] = line
	r.append(event{Event: "status", Text: line})
}

func containerLine(c *corev1.ContainerStatus) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[%s] ", c.Name)
	switch s := c.State; {
	case s.Running != nil:
		b.WriteString("running")
	case s.Terminated != nil:
		fmt.Fprintf(&b, "terminated(%s,%d%s)", s.Terminated.Reason, s.Terminated.ExitCode, quoted(s.Terminated.Message))
	case s.Waiting != nil && s.Waiting.Message != "":
		fmt.Fprintf(&b, "waiting(%s,\"%s\")", s.Waiting.Reason, s.Waiting.Message)
	case s.Waiting != nil:
		fmt.Fprintf(&b, "waiting(%s)", s.Waiting.Reason)
	}
	if last := c.LastTerminationState.Terminated; last != nil {
		fmt.Fprintf(&b, " last(%s,%d)", last.Reason, last.ExitCode)
	}
	fmt.Fprintf(&b, " started=%v ready=%v restarts=%d", c.Started != nil && *c.Started, c.Ready, c.RestartCount)
	return b.String()
}

// quoted is a termination message as traces show it: a long one is cut.
func quoted(message string) string {
	switch n := len(message); {
	case n == 0:
		return ""
	case n > 40:
		message = fmt.Sprintf("%s...[%d bytes]", message[:20], n)
	}
	return fmt.Sprintf(",\"%s\"", message)
}

// config is what of a container's configuration a trace shows.
func config(r pod.CreateRequest) any {
	env := make([]string, len(r.Env))
	for i, v := range r.Env {
		env[i] = v.Name + "=" + v.Value
	}
	return map[string]any{"command": r.Container.Command, "args": r.Container.Args, "env": env}
}
