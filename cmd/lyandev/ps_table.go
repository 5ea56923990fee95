package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// podList prints the pods of a snapshot, and containers of run.
func podList(snap *state.Status) output.List[psPod] {
	now := time.Now()
	pod := func(p psPod, f func(*corev1.Pod) string, none string) string {
		if x := snap.Pod(p.Name); x != nil {
			return f(x)
		}
		return none
	}
	return output.List[psPod]{
		Columns: []output.Column[psPod]{
			{Title: "NAME", Cell: func(p psPod) string { return pod(p, services.ShownPod, p.Name) }},
			{Title: "READY", Cell: func(p psPod) string { return pod(p, func(x *corev1.Pod) string { return readyOf(snap, x) }, "") }},
			{Title: "STATUS", Cell: func(p psPod) string { return p.Status }, Shrinks: true},
			{Title: "RESTARTS", Cell: func(p psPod) string { return strconv.Itoa(int(p.Restarts)) }},
			{Title: "AGE", Cell: func(p psPod) string { return ui.Age(p.Created, now) }},
			{Title: "IP", Cell: func(p psPod) string { return p.IP }},
			{Title: "ROLE", Cell: func(p psPod) string { return p.Role }},
			{Title: "IMAGES", Cell: psPod.images, Wide: true},
			{Title: "PORTS", Cell: func(p psPod) string { return pod(p, func(x *corev1.Pod) string { return portsOf(snap, x) }, "") }, Wide: true},
			{Title: "CONTAINER IDS", Cell: psPod.ids, Wide: true},
			{Title: "WORKLOAD", Cell: func(p psPod) string { return ui.Kind(p.Kind) + "/" + pod(p, services.ShownService, p.Workload) }},
		},
		Name: func(p psPod) string { return "pod/" + pod(p, services.ShownPod, p.Name) },
	}
}

func (p psPod) images() string {
	var out []string
	for _, c := range p.Containers {
		out = append(out, output.Digest(c.Image))
	}
	return strings.Join(slices.Compact(out), ",")
}

func (p psPod) ids() string {
	var out []string
	for _, c := range p.Containers {
		id := strings.TrimPrefix(c.ID, "docker://")
		out = append(out, id[:min(12, len(id))])
	}
	return strings.Join(out, ",")
}

// readyOf counts the ready containers of a pod. While no supervisor runs, nobody probes: how many of those that run are ready is not known.
func readyOf(snap *state.Status, p *corev1.Pod) string {
	text := ui.ReadyContainers(p)
	if snap.Phase == state.Stopped && p.Status.Phase == corev1.PodRunning && !services.PlainPod(p) {
		_, all, _ := strings.Cut(text, "/")
		return "?/" + all
	}
	return text
}

// portsOf are the host ports that lead to a pod.
func portsOf(snap *state.Status, p *corev1.Pod) string {
	var out []string
	for _, h := range snap.Bound {
		if leadsTo(snap, h, p) {
			out = append(out, fmt.Sprintf("%s->%d", h.Address(), targetOf(snap, h, p)))
		}
	}
	return strings.Join(out, ",")
}

// printPods prints the table of the pods and of the containers of run, and below it the host ports.
func printPods(st *ui.Streams, snap *state.Status, pods []psPod, runs []engine.Container, o psOptions) error {
	switch {
	case snap.Phase == state.Stopped && len(pods) > 0: // nobody probes them
		fmt.Fprintf(st.Err, "%s this is what Docker knows: %s\n", st.Paint(ui.Yellow, "note:"), snap.Message)
	case snap.Message != "" && st.ErrTTY && snap.Engine == "":
		fmt.Fprintf(st.Err, "%s: %s\n", snap.Phase, snap.Message)
	}
	for _, c := range runs {
		if l := oneOffLine(snap, c); o.statusWanted(l.State) {
			pods = append(pods, psPod{Name: l.Name, Status: l.Status, Created: c.Created, Kind: "run", Workload: l.Service})
		}
	}
	if err := podList(snap).Print(st.Out, pods, o.how); err != nil {
		return err
	}
	for _, h := range snap.Bound {
		if len(o.names) == 0 || slices.ContainsFunc(snap.Pods, func(p *corev1.Pod) bool { return o.wants(snap, p) && leadsTo(snap, h, p) }) {
			fmt.Fprintln(st.Out, hostPortLine(h))
		}
	}
	return nil
}

// watchPods prints the pods, and those that have changed again, as kubectl get -w does, until Ctrl-C or the supervisor's end. A pod that is
// gone is printed once more, as Deleted.
func watchPods(c *cli.Context, st *ui.Streams, t *target, o psOptions) error {
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt)
	defer stop()
	w := podWatch{o: o, shown: map[string]psPod{}}
	w.o.how.Width = 0
	var failed error
	err := t.client.WatchState(ctx, func(s *state.Status) bool {
		if changed := w.changed(s); len(changed) > 0 {
			failed = w.list(s).Print(st.Out, changed, w.o.how)
			w.o.how.NoHeaders = true
		}
		return failed == nil
	})
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(failed, err)
}

// podWatch knows which pods were printed, by name.
type podWatch struct {
	o     psOptions
	shown map[string]psPod
}

// list is podList with columns wide enough for rows that come later.
func (w *podWatch) list(s *state.Status) output.List[psPod] {
	l := podList(s)
	for i, title := range []string{"NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "ROLE"} {
		l.Columns[i].Least = max(len(title), []int{24, 5, 17, 8, 4, 15, 6}[i])
	}
	return l
}

// changed are the pods of a snapshot that are not as they were printed.
func (w *podWatch) changed(s *state.Status) []psPod {
	var pods []psPod
	if w.o.how.ForProgram() {
		pods = w.o.allPods(s)
	} else {
		pods, _ = w.o.choose(s)
	}
	var out []psPod
	now := map[string]bool{}
	for _, p := range pods {
		now[p.Name] = true
		if old, ok := w.shown[p.Name]; !ok || !reflect.DeepEqual(old, p) {
			out, w.shown[p.Name] = append(out, p), p
		}
	}
	for name, p := range w.shown {
		if !now[name] {
			delete(w.shown, name)
			p.Status, p.Phase, p.Ready = "Deleted", "Deleted", false
			out = append(out, p)
		}
	}
	slices.SortStableFunc(out, func(a, b psPod) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
