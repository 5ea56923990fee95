package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lyandev/lyandev/supervisor/pod"
)

// How long the scripted engine takes (see the traces' README), and when it lists its containers: the recorded kubelet
// saw changes only in a list it took every 1.002 s, first at 0.459 s.
const (
	sandboxTakes = 100 * time.Millisecond
	startTakes   = 50 * time.Millisecond
	termTakes    = 50 * time.Millisecond
	firstList    = 459 * time.Millisecond
	listEvery    = 1002 * time.Millisecond
)

// engine is the scripted engine: a pod.Runtime.
type engine struct {
	s   *scenario
	log *recorder
	// relist is false for an engine whose changes are seen at once.
	relist bool
	// notify tells the worker of an event.
	notify func(pod.ContainerEvent)

	mu         sync.Mutex
	containers map[string]*container
	order      []string
	sandbox    *pod.Sandbox
	// creates counts the calls to create an instance of each container, failed ones too.
	creates map[string]int
	images  map[string]*image
	// list is the last list taken, at listed; renewed is closed at the next one. changed is when the worker last changed
	// anything or looked.
	list    pod.Observed
	listed  time.Time
	changed time.Time
	renewed chan struct{}
	// looks counts the calls of Status; trouble, if set, is their answer.
	looks   int
	trouble error
}

// down lets the engine answer with an error, or (nil) again as it should.
func (e *engine) down(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.trouble = err
}

// container is one scripted instance.
type container struct {
	pod.Instance
	request pod.CreateRequest
	does    behavior
	// calls counts the calls of each command line.
	calls map[string]int
	gone  chan struct{}
}

func newEngine(s *scenario, log *recorder, relist bool) *engine {
	e := &engine{
		s: s, log: log, relist: relist, containers: map[string]*container{}, images: map[string]*image{},
		creates: map[string]int{}, renewed: make(chan struct{}),
	}
	for ref, img := range s.Images {
		e.images[ref] = &img
	}
	return e
}

// run takes lists until ctx ends, and tells what they show.
func (e *engine) run(ctx context.Context) {
	wait := firstList
	for e.relist {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = listEvery
		for _, ev := range e.takeList() {
			e.notify(ev)
		}
	}
}

func (e *engine) takeList() []pod.ContainerEvent {
	e.mu.Lock()
	defer e.mu.Unlock()
	before := map[string]pod.State{}
	lived := e.list.Sandbox != nil && e.list.Sandbox.Ready
	for _, i := range e.list.Instances {
		before[i.ID] = i.State
	}
	e.list, e.listed = e.live(), time.Now()
	close(e.renewed)
	e.renewed = make(chan struct{})
	var events []pod.ContainerEvent
	if sb := e.list.Sandbox; lived && !sb.Ready {
		events = append(events, pod.ContainerEvent{Type: pod.ContainerDied, ID: sb.ID})
	}
	for _, i := range e.list.Instances {
		if before[i.ID] == i.State {
			continue
		}
		switch i.State {
		case pod.Running:
			events = append(events, pod.ContainerEvent{Type: pod.ContainerStarted, ID: i.ID})
		case pod.Exited:
			events = append(events, pod.ContainerEvent{Type: pod.ContainerDied, ID: i.ID})
		}
	}
	return events
}

// live is what there is; e.mu is held.
func (e *engine) live() pod.Observed {
	var o pod.Observed
	if e.sandbox != nil {
		sb := *e.sandbox
		o.Sandbox = &sb
	}
	for _, id := range e.order {
		if c := e.containers[id]; c != nil {
			o.Instances = append(o.Instances, c.Instance)
		}
	}
	return o
}

// Status is the last list, or the next one if the worker has changed something or looked since.
func (e *engine) Status(ctx context.Context, _ *corePod) (pod.Observed, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.relist && !e.changed.IsZero() && !e.listed.After(e.changed) {
		renewed := e.renewed
		e.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-renewed:
		}
		e.mu.Lock()
		if ctx.Err() != nil {
			return pod.Observed{}, ctx.Err()
		}
	}
	if e.looks++; e.trouble != nil {
		return pod.Observed{}, e.trouble
	}
	first := e.changed.IsZero()
	e.changed = time.Now()
	if !e.relist || first {
		return e.live(), nil
	}
	return e.list, nil
}

// touch says that the worker has changed something; e.mu is held.
func (e *engine) touch() { e.changed = time.Now() }

func (e *engine) RunSandbox(ctx context.Context, _ *corePod, attempt int) (string, error) {
	if err := pause(ctx, sandboxTakes); err != nil {
		return "", err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	defer e.touch()
	e.sandbox = &pod.Sandbox{ID: fmt.Sprintf("sb%d", attempt+1), Ready: true, Attempt: attempt, IP: fmt.Sprintf("10.0.0.%d", attempt+1), Created: time.Now()}
	e.log.add(event{Event: "sandboxRun", ID: e.sandbox.ID})
	return e.sandbox.IP, nil
}

func (e *engine) StopSandbox(context.Context, *corePod) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.sandbox != nil && e.sandbox.Ready {
		e.sandbox.Ready = false
		e.log.add(event{Event: "sandboxStop", ID: e.sandbox.ID})
	}
	return nil
}

func (e *engine) RemovePod(context.Context, *corePod) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range e.order {
		if c := e.containers[id]; c != nil {
			e.log.add(event{Event: "remove", Container: c.Container, ID: id})
		}
	}
	clear(e.containers)
	e.order = nil
	return nil
}

func (e *engine) CreateContainer(_ context.Context, r pod.CreateRequest) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	defer e.touch()
	does := e.s.behavior(r.Container.Name, e.creates[r.Container.Name])
	e.creates[r.Container.Name]++
	if does.CreateError != "" {
		return "", errors.New(does.CreateError)
	}
	c := &container{request: r, does: does, calls: map[string]int{}, gone: make(chan struct{})}
	c.Instance = pod.Instance{
		Container: r.Container.Name, ID: fmt.Sprintf("%s-%d", r.Container.Name, r.Attempt), Attempt: r.Attempt, Sandbox: r.Sandbox,
		State: pod.Created, Image: r.Container.Image, ImageID: "sha256:" + r.Container.Image, Created: time.Now(), BackOff: r.BackOff,
	}
	e.containers[c.ID] = c
	e.order = append(e.order, c.ID)
	e.log.add(event{Event: "create", Container: c.Container, ID: c.ID, Attempt: c.Attempt, Config: config(r)})
	return c.ID, nil
}

func (e *engine) StartContainer(ctx context.Context, _ *corePod, id string) error {
	c, err := e.find(id)
	if err != nil {
		return err
	}
	if err := pause(ctx, secs(orElse(c.does.StartTakes, startTakes.Seconds()))); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	defer e.touch()
	if text := c.does.StartError; text != "" {
		e.log.add(event{Event: "start", Container: c.Container, ID: id, Text: "error: " + text})
		c.State, c.ExitCode, c.Reason, c.Message = pod.Exited, 128, "StartError", text
		c.Finished = time.Now()
		close(c.gone)
		return errors.New(text)
	}
	c.State, c.Started = pod.Running, time.Now()
	e.log.add(event{Event: "start", Container: c.Container, ID: id})
	if c.does.ExitAfter != nil {
		time.AfterFunc(secs(*c.does.ExitAfter), func() { e.exit(c, c.does.ExitCode, c.does.Reason) })
	}
	return nil
}

// exit ends an instance, once.
func (e *engine) exit(c *container, code int32, reason string) {
	e.mu.Lock()
	if c.State != pod.Running {
		e.mu.Unlock()
		return
	}
	c.State, c.ExitCode, c.Reason, c.Finished = pod.Exited, code, reason, time.Now()
	file := c.does.Message[max(0, len(c.does.Message)-pod.MaxMessageBytes):]
	c.Message = pod.TerminationMessage(c.request.Pod, c.request.Container, code, file, c.does.Log.tail)
	e.log.add(event{Event: "exit", Container: c.Container, ID: c.ID, Code: &code})
	close(c.gone)
	e.mu.Unlock()
	if !e.relist {
		e.notify(pod.ContainerEvent{Type: pod.ContainerDied, ID: c.ID})
	}
}

func (e *engine) StopContainer(ctx context.Context, _ *corePod, id string, grace time.Duration) error {
	c, err := e.find(id)
	if err != nil {
		return err
	}
	seconds := int64(grace / time.Second)
	e.log.add(event{Event: "stop", Container: c.Container, ID: id, Grace: &seconds})
	term := secs(orElse(c.does.TermAfter, termTakes.Seconds()))
	if !c.does.IgnoreTerm {
		time.AfterFunc(term, func() { e.exit(c, orElse(c.does.TermCode, 143), "") })
	}
	kill := time.AfterFunc(grace, func() { e.exit(c, 137, "") })
	defer kill.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-c.gone:
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.touch()
	return nil
}

func (e *engine) RemoveContainer(_ context.Context, _ *corePod, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.containers[id]; c != nil {
		e.log.add(event{Event: "remove", Container: c.Container, ID: id})
	}
	delete(e.containers, id)
	e.order = slices.DeleteFunc(e.order, func(k string) bool { return k == id })
	return nil
}

func (e *engine) find(id string) (*container, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.containers[id]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("no such container: %s", id)
}

// pause sleeps, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
