package supervisor

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/controller"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/state"
)

// tableServer is an agent that answers with a table, and its address. It must be made outside of a synctest bubble.
func tableServer(t *testing.T, table *agent.Table) netip.AddrPort {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(agent.Health{}) })
	mux.HandleFunc("GET /table", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(table) })
	srv := httptest.NewUnstartedServer(mux)
	srv.Config.SetKeepAlivesEnabled(false) // an idle connection would keep virtual time from passing
	srv.Start()
	t.Cleanup(srv.Close)
	return netip.MustParseAddrPort(srv.Listener.Addr().String())
}

// addAgent puts an agent into the engine whose control port is at an address.
func (r *rig) addAgent(at netip.AddrPort) {
	r.t.Helper()
	id, err := r.CreateContainer(r.t.Context(), engine.ContainerSpec{
		Name: "s-agent", Image: "img:1", Labels: r.s.podnet.Labels("agent"), Network: r.s.podnet.Name(), IP: r.s.podnet.DNS(),
		Publish: []engine.PortBinding{{HostIP: at.Addr(), HostPort: at.Port(), ContainerPort: agent.ControlPort}},
	})
	if err == nil {
		err = r.StartContainer(r.t.Context(), id)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// successor is the supervisor that comes after the rig's was killed. It has adopted what runs; its loop does not run yet.
func (r *rig) successor() *Supervisor {
	r.t.Helper()
	r.stop()
	next := New(Config{Instance: r.s.cfg.Instance, Engine: r.Engine, Log: slog.New(slog.DiscardHandler)})
	if err := next.adopt(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return next
}

// follow runs a supervisor's loop and workers while f runs.
func (r *rig) follow(s *Supervisor, f func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan error, 2)
	go func() { ended <- s.loop(ctx) }()
	go func() { ended <- s.pods.Run(ctx) }()
	f()
	cancel()
	<-ended
	<-ended
	s.pods.Wait()
}

func isReady(p *corev1.Pod) bool {
	c := pod.FindCondition(&p.Status, corev1.PodReady)
	return c != nil && c.Status == corev1.ConditionTrue
}

// TestReadinessAtAdoption: the pods that the agent's table calls ready are ready from the start, and the stack with them,
// though no probe has been tried yet; a pod that the table does not call ready is not.
func TestReadinessAtAdoption(t *testing.T) {
	table := &agent.Table{}
	at := tableServer(t, table)
	stack := starting(t)
	onRig(t, stack, func(r *rig) {
		if err := r.s.saveStack(stack); err != nil {
			t.Fatal(err)
		}
		unready := ""
		for _, p := range r.phase(state.Ready).Pods {
			if p.Labels[services.WorkloadLabel] == "web" && unready == "" {
				unready = p.Name
			}
			table.Pods = append(table.Pods, agent.Pod{Name: p.Name, UID: string(p.UID), Ready: p.Name != unready})
		}
		r.addAgent(at)
		before := len(r.Calls("CreateContainer", "StartContainer", "StopContainer", "KillContainer"))
		next := r.successor()
		if n := len(next.cluster.Pods()); n != 4 {
			t.Fatalf("%d pods were adopted", n)
		}
		for _, p := range next.cluster.Pods() {
			if isReady(p) != (p.Name != unready) {
				t.Errorf("%s was adopted as ready: %v", p.Name, isReady(p))
			}
		}
		r.follow(next, func() {
			r.pass(time.Minute)
			if snap := next.Store().Latest(); snap.Phase != state.Ready {
				t.Errorf("the stack is %s: %s", snap.Phase, snap.Message)
			}
		})
		if got := r.Calls("CreateContainer", "StartContainer", "StopContainer", "KillContainer")[before:]; len(got) != 0 {
			t.Errorf("adoption did %v", got)
		}
	})
}

// TestSavedStateAtAdoption: roles and deletions under way are saved as they come, and the next supervisor goes on with them.
func TestSavedStateAtAdoption(t *testing.T) {
	onRig(t, starting(t), func(r *rig) {
		var db, api *corev1.Pod
		err := r.s.change(r.t.Context(), "test", func() error {
			pods := podsByWorkload(r.s.cluster.Pods())
			db, api = pods["db"], pods["api"]
			r.s.deletePod(api, "test", time.Now())
			_, err := r.s.cluster.SetRole(db.UID, "master")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		r.pass(0)
		next := r.successor()
		if role := next.cluster.Pod(db.UID).Labels[services.RoleLabel]; role != "master" {
			t.Errorf("the role of db is %q", role)
		}
		if next.cluster.Pod(api.UID).DeletionTimestamp == nil {
			t.Error("the deletion of api is forgotten")
		}
		r.follow(next, func() { r.pass(time.Minute) })
		if p := next.cluster.Pod(api.UID); p != nil {
			t.Errorf("api is still there: %v", p.DeletionTimestamp)
		}
	})
}

// TestNothingIsStoppedBeforeTheTableIsPushed: a pod that is to go leaves the endpoint table first, and only then its worker
// hears of it.
func TestNothingIsStoppedBeforeTheTableIsPushed(t *testing.T) {
	onRig(t, starting(t), func(r *rig) {
		name := ""
		if err := r.s.change(r.t.Context(), "test", func() error {
			p := r.s.cluster.PodsOf("api")[0]
			name = p.Name
			r.s.perform(controller.DeletePod{Pod: p}, time.Now())
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		r.pass(time.Minute) // nobody pushes
		if got := r.Calls("StopContainer", "KillContainer"); len(got) != 0 {
			t.Fatalf("before the push: %v", got)
		}
		if p := r.s.Store().Latest().Pod(name); p == nil || p.DeletionTimestamp == nil {
			t.Fatalf("the pod is not known to be ending: %v", p)
		}
		ctx, cancel := context.WithCancel(r.t.Context())
		pushed := make(chan error, 1)
		go func() { pushed <- r.s.podnet.Run(ctx) }()
		r.pass(time.Minute)
		if p := r.s.Store().Latest().Pod(name); p != nil {
			t.Error("the pod is still there after the push")
		}
		cancel()
		<-pushed
	})
}

// TestOperatorsReachAdoptedPods before the first look has published them: an operator that cannot reach its pods says that they
// are not right, and the master would leave the endpoint table at every change of supervisors.
func TestOperatorsReachAdoptedPods(t *testing.T) {
	onRig(t, starting(t), func(r *rig) {
		next := r.successor()
		for _, p := range next.cluster.Pods() {
			got := next.podOf(p.Name)
			if got == nil || got.UID != p.UID || len(got.Status.ContainerStatuses) != 1 || got.Status.ContainerStatuses[0].State.Running == nil {
				t.Errorf("operators see of %s: %v", p.Name, got)
			}
		}
		if next.podOf("absent") != nil {
			t.Error("there is a pod that nobody made")
		}
		r.follow(next, func() { r.pass(time.Second) })
	})
}
