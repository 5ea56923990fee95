package mariadb

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// look fills the round's facts: it queries all servers in parallel, then writes the heartbeat on the master and waits for it
// on the slaves.
func (o *Operator) look(ctx context.Context, r *round) error {
	f := &r.facts
	f.Servers, f.Now = nil, time.Now()
	var wg sync.WaitGroup
	for _, pod := range r.view.Pods {
		server, s := o.begin(r, pod)
		f.Servers = append(f.Servers, server)
		if server.Trouble == "" {
			wg.Go(func() { o.lookAt(ctx, s, server) })
		}
	}
	wg.Wait()
	o.remember(f)
	if m := f.Server(elect(f).Master); m != nil {
		o.beat(ctx, r, m)
	}
	return nil
}

// begin returns the facts of a pod that are known without a query.
func (o *Operator) begin(r *round, pod *corev1.Pod) (*Server, *session) {
	container, port := serverOf(r.view, pod)
	server := &Server{Pod: pod.Name, Port: port, Host: pod.Status.PodIP}
	if server.Host == "" && r.view.Addr != nil {
		server.Host, _ = r.view.Addr(pod.Name)
	}
	env, err := r.view.Env(pod.Name, container)
	server.Declared = mode(env)
	if w := workloadOf(r.view, pod); w != nil {
		if role := Role(w.Options["role"]); role != "" {
			server.Declared = role
		}
		server.Port = portOf(w.Options["port"], port)
	}
	o.mu.Lock()
	m := o.recall(pod.Name)
	server.Job, server.Strikes, server.Mismatch = m.job, m.strikes, m.mismatch
	o.mu.Unlock()
	switch {
	case err != nil:
		server.Trouble, server.Error = NotStarted, fmt.Sprintf("its environment cannot be resolved: %v", err)
	case server.Host == "":
		server.Trouble, server.Error = NotStarted, "it has no address yet"
	case pod.Status.Phase == corev1.PodPending, pod.Status.Phase == corev1.PodSucceeded, pod.Status.Phase == corev1.PodFailed:
		server.Trouble, server.Error = NotStarted, "the pod is "+string(pod.Status.Phase)
	}
	s := r.sessions[pod.Name]
	if s == nil {
		s = &session{view: r.view, pod: pod.Name, container: container}
		r.sessions[pod.Name] = s
	}
	s.host, s.port = server.Host, server.Port
	return server, s
}

// workloadOf returns the workload of a pod: by owner reference (without the suffix of a ReplicaSet), else by selector labels,
// else by name.
func workloadOf(view services.View, pod *corev1.Pod) *services.Workload {
	var best *services.Workload
	for _, w := range view.Workloads {
		name := w.Name()
		for _, ref := range pod.OwnerReferences {
			if ref.Name == name {
				return w
			}
		}
		if pod.Name == name || len(pod.Name) > len(name) && pod.Name[:len(name)+1] == name+"-" {
			if best == nil || len(best.Name()) < len(name) {
				best = w
			}
		}
	}
	return best
}

// lookAt queries one server, within lookDeadline.
func (o *Operator) lookAt(ctx context.Context, s *session, server *Server) {
	ctx, cancel := context.WithTimeout(ctx, lookDeadline)
	defer cancel()
	err := o.ensureConnected(ctx, s)
	if err == nil {
		err = s.look(ctx, server)
	}
	if err != nil {
		server.Trouble, server.Error = troubleOf(err), err.Error()
		s.close()
		s.db = nil
		return
	}
	server.Reached = true
}

// execEvery is the minimum interval between attempts to create an account over the socket.
const execEvery = 5 * time.Second

func (o *Operator) ensureConnected(ctx context.Context, s *session) error {
	if s.db != nil {
		return nil
	}
	o.mu.Lock()
	m := o.recall(s.pod)
	known := m.account
	mayExec := time.Since(m.execAt) > execEvery
	o.mu.Unlock()
	env, err := s.view.Env(s.pod, s.container)
	if err != nil {
		return fmt.Errorf("cannot read the environment of pod %s: %w", s.pod, err)
	}
	if s.creds, err = readCredentials(ctx, s.view, s.pod, s.container, env); err != nil {
		return err
	}
	err = s.connect(ctx, known, mayExec)
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil {
		m.account = s.as
	} else if refusedAccess(err) {
		m.execAt = time.Now()
	}
	return err
}

// remember keeps the topology with the highest epoch, also while its master is unreachable.
func (o *Operator) remember(f *Facts) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.memory.since.IsZero() {
		o.memory.since = f.Now
	}
	f.Since = o.memory.since
	f.Remembered = o.memory.best
	for _, s := range f.Servers {
		if s.Reached && s.Topology.Epoch > o.memory.best.Epoch {
			o.memory.best = s.Topology
		}
	}
	if named := f.Server(o.memory.best.Master); named != nil && named.Reached && named.Topology.Epoch < o.memory.best.Epoch {
		o.memory.best = named.Topology
	}
}

// beat writes the heartbeat on an open master and waits for it on its slaves.
func (o *Operator) beat(ctx context.Context, r *round, m *Server) {
	if !m.Reached || m.ReadOnly || m.Topology.Epoch == 0 || m.Seeding {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookDeadline)
	defer cancel()
	stamp := time.Now().UnixMicro()
	at, err := r.sessions[m.Pod].writeBeat(ctx, stamp)
	if err != nil {
		m.Beat.Err = err.Error()
		return
	}
	if m.LogBin {
		m.BinlogPos = at
	}
	m.Beat = Beat{Seen: true, Arrived: true}
	var wg sync.WaitGroup
	for _, s := range r.facts.Servers {
		if s == m || !s.Reached || s.Seeding || len(s.Channels) == 0 {
			continue
		}
		wg.Go(func() {
			b, err := r.sessions[s.Pod].readBeat(ctx, stamp, at)
			if err != nil {
				o.log().Debug("cannot read the heartbeat", "pod", s.Pod, "err", err)
				return
			}
			s.Beat = b
		})
	}
	wg.Wait()
}
