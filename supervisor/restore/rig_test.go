package restore

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/snapshot"
)

// rig is a Restorer with a stack and a fake engine, in virtual time. The volumes are directories, and the copy containers
// really copy between them.
type rig struct {
	*enginefake.Engine
	*Restorer
	t *testing.T
	// volumes is the directory that has the volumes as directories.
	volumes string
	// project is another one in every test: package snapshot locks by it, and a lock cannot be shared by bubbles.
	project string
	stack   *services.Stack

	mu sync.Mutex
	// log is what was done to the stack, to the content of volumes and to the pending file, in order.
	log []string
	// fail are the errors of operations, by the beginning of their entry in the log.
	fail map[string]error
	// stopping is how long a Suspend takes.
	stopping time.Duration
}

var projects atomic.Int32

// onRig runs a test on a stack whose services db and cache have a volume each; web has none.
func onRig(t *testing.T, test func(r *rig)) {
	t.Helper()
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{Engine: enginefake.New(), t: t, volumes: root, fail: map[string]error{}, stopping: time.Second}
		r.project = fmt.Sprintf("s%d", projects.Add(1))
		r.stack = &services.Stack{Name: r.project, Workloads: []*services.Workload{withVolume("db"), withVolume("cache"), deployment("web")}}
		r.AddImage("lyandev:1", enginefake.Image{})
		r.AddImage("img:1", enginefake.Image{})
		r.On(r.project+"-porter-*", enginefake.Script{Exec: r.porter})
		r.Restorer = r.successor()
		test(r)
	})
}

// successor is the Restorer of the next supervisor.
func (r *rig) successor() *Restorer {
	return New(Config{
		Stack: r, File: r.file(), Log: slog.New(slog.DiscardHandler),
		Event: func(typ, reason, message string) { _ = r.did("event " + typ + " " + reason) },
		Snapshots: snapshot.Config{
			Engine: r.Engine, Project: r.project, Dir: "/s", Home: r.volumes, InContainer: true,
			Image: func(context.Context) (string, error) { return "lyandev:1", nil },
		},
	})
}

func (r *rig) file() string { return filepath.Join(r.volumes, "restore.json") }

// did notes what is done, whether the pending file is there then, and returns the error that it is to fail with.
func (r *rig) did(what string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := os.Stat(r.file()); err == nil {
		what += " (pending)"
	}
	r.log = append(r.log, what)
	for begin, err := range r.fail {
		if strings.HasPrefix(what, begin) {
			return err
		}
	}
	return nil
}

// failing sets the error of operations; nil heals them.
func (r *rig) failing(begin string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		delete(r.fail, begin)
		return
	}
	r.fail[begin] = err
}

// Sources implements Stack.
func (r *rig) Sources(_ context.Context, names []string) (*services.Stack, []snapshot.Source, error) {
	all, err := snapshot.Sources(r.stack, nil, names)
	return r.stack, all, err
}

// Suspend implements Stack.
func (r *rig) Suspend(ctx context.Context, names []string, why string) error {
	if err := r.did("suspend " + strings.Join(names, " ")); err != nil {
		return err
	}
	select {
	case <-time.After(r.stopping):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return r.did("suspended, " + why)
}

// Resume implements Stack.
func (r *rig) Resume(_ context.Context, names []string) error {
	return r.did("resume " + strings.Join(names, " "))
}

// porter is the process in a copy container: it works on the directories of the volumes that are mounted.
func (r *rig) porter(_ context.Context, x *enginefake.Execution) (int, error) {
	spec, _ := r.Spec(x.Container)
	at := map[string]string{"": ""}
	for _, m := range spec.Mounts {
		at[m.Target] = filepath.Join(r.volumes, m.Volume)
		if err := os.MkdirAll(at[m.Target], 0o700); err != nil {
			return 1, err
		}
	}
	in, out := json.NewDecoder(x.Stdin), json.NewEncoder(x.Stdout)
	for {
		var q snapshot.Request
		if err := in.Decode(&q); err != nil {
			return 0, nil
		}
		var reply bytes.Buffer
		if err := r.did(q.Do + " " + strings.TrimPrefix(filepath.Base(at[q.Dst]), r.project+"_")); err != nil {
			fmt.Fprintf(&reply, "{%q: %q}", "error", err)
		} else {
			q.Src, q.Dst = at[q.Src], at[q.Dst]
			for i, m := range q.All {
				q.All[i] = at[m]
			}
			if err := serve(q, &reply); err != nil {
				return 1, err
			}
		}
		if err := out.Encode(json.RawMessage(reply.Bytes())); err != nil {
			return 1, err
		}
	}
}

// serve has the real copy process answer one request.
func serve(q snapshot.Request, reply io.Writer) error {
	b, err := json.Marshal(q)
	if err != nil {
		return err
	}
	return snapshot.Serve(bytes.NewReader(b), reply)
}

// write puts a file into the volume of a claim.
func (r *rig) write(claim, text string) {
	r.t.Helper()
	dir := filepath.Join(r.volumes, r.project+"_"+claim)
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "data"), []byte(text), 0o600)
	}
	if err == nil {
		err = r.CreateVolume(r.t.Context(), engine.VolumeSpec{Name: r.project + "_" + claim, Labels: map[string]string{services.ProjectLabel: r.project}})
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// holds checks the content of a claim's volume: nothing else may be in it.
func (r *rig) holds(claim, want string) {
	r.t.Helper()
	dir := filepath.Join(r.volumes, r.project+"_"+claim)
	got, _ := os.ReadFile(filepath.Join(dir, "data"))
	list, err := os.ReadDir(dir)
	if err != nil || string(got) != want || len(list) != 1 {
		r.t.Errorf("%s holds %q and %d entries (%v), want %q", claim, got, len(list), err, want)
	}
}

// saved makes the snapshot "base" of what the volumes hold, and then writes something else into them.
func (r *rig) saved() {
	r.t.Helper()
	r.write("db", "db of base")
	r.write("cache", "cache of base")
	_, all, err := r.Sources(r.t.Context(), nil)
	if err == nil {
		_, err = r.cfg.Snapshots.Save(r.t.Context(), snapshot.SaveRequest{Name: "base", Sources: all})
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.write("db", "db of now")
	r.write("cache", "cache of now")
	r.log = nil
}

// wantLog checks what was done since the last check.
func (r *rig) wantLog(want ...string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.log, want) {
		r.t.Errorf("done was\n  %s\nwant\n  %s", strings.Join(r.log, "\n  "), strings.Join(want, "\n  "))
	}
	r.log = nil
}

// wantPending checks whether the file that keeps a restore is there.
func (r *rig) wantPending(want bool) {
	r.t.Helper()
	if _, err := os.Stat(r.file()); (err == nil) != want {
		r.t.Errorf("the pending file is there: %v, want %v", err == nil, want)
	}
}

// wantPorters checks how many copy containers there are.
func (r *rig) wantPorters(n int) {
	r.t.Helper()
	list, err := r.ListContainers(r.t.Context(), map[string]string{snapshot.KindLabel: snapshot.KindPorter})
	if err != nil || len(list) != n {
		r.t.Errorf("%d copy containers are there (%v), want %d", len(list), err, n)
	}
}

// running runs a Restorer while f runs.
func (r *rig) running(next *Restorer, f func()) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- next.Run(ctx) }()
	f()
	cancel()
	if err := <-ended; err != nil {
		r.t.Errorf("Run ended with %v", err)
	}
}

func (r *rig) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func deployment(name string) *services.Workload {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name}}
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "c", Image: "img:1"}}
	return &services.Workload{Object: d, Source: fmt.Sprintf("compose.yaml:%d", len(name))}
}

// withVolume is a workload with a claim of its name.
func withVolume(name string) *services.Workload {
	w := deployment(name)
	spec := w.PodSpec()
	spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "v", MountPath: "/data"}}
	spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name},
	}}}
	return w
}
