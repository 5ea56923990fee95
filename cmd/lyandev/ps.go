package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func compare(a, b string) int { return cmp.Compare(a, b) }

func newPsCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "ps", Usage: "list the pods", ArgsUsage: "[SERVICE|POD...]",
		Description: "Lists what runs; with --all also containers of plain services that have ended, and those of `lyandev run`. Pods of services\n" +
			"with Kubernetes' semantics are always in the table, also those that have ended, as with kubectl. -o json lists all pods.\n\n" +
			"--quiet, --services and --format list containers as docker compose ps does. The fields of --format json and of Go templates are\n" +
			strings.Join(fieldsOf(psContainerLine{}), ", ") + ".",
		Flags: listFlags(
			output.WatchFlag(),
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "also containers that have ended, and those of run"},
			output.QuietFlag("print only the IDs of the containers"),
			&cli.BoolFlag{Name: "services", Usage: "print only the names of the services"},
			&cli.StringFlag{Name: "format", Value: "table", Usage: "table, json (one line of JSON per container), a Go `TEMPLATE`, or 'table TEMPLATE'"},
			&cli.StringSliceFlag{Name: "status", Usage: "only containers in `STATE`: " + strings.Join(composeStates, ", ")},
			&cli.StringSliceFlag{Name: "filter", Usage: "the same as --status: `status=STATE`"},
			&cli.BoolFlag{Name: "no-trunc", Usage: "with --format: whole IDs"},
			&cli.BoolFlag{Name: "orphans", Value: true, Usage: "also containers of services that have left the file and are about to be removed"},
		),
		Action: func(c *cli.Context) error {
			how, err := listOutput(c, st)
			if err != nil {
				return err
			}
			o := psOptions{
				how: how, watch: c.Bool("watch"), all: c.Bool("all"), quiet: c.Bool("quiet"), services: c.Bool("services"), whole: c.Bool("no-trunc"),
				orphans: c.Bool("orphans"), status: c.StringSlice("status"), names: c.Args().Slice(),
			}
			if err := o.parse(c.String("format"), c.StringSlice("filter")); err != nil {
				return withCode(exitUsage, err)
			}
			return runPs(c, st, o)
		},
	}
}

type psOptions struct {
	how                  output.Options
	watch                bool
	all, quiet, services bool
	// whole prints whole IDs. orphans includes pods of services that have left the stack.
	whole, orphans bool
	// format is nil for the table of pods.
	format        *rowFormat
	status, names []string
}

// parse parses the values of --format, --filter and --status.
func (o *psOptions) parse(format string, filters []string) (err error) {
	for _, f := range filters {
		name, value, _ := strings.Cut(f, "=")
		if name != "status" {
			return fmt.Errorf("cannot use --filter %q: it must be status=STATE", f)
		}
		o.status = append(o.status, value)
	}
	for _, s := range o.status {
		if !slices.Contains(composeStates, s) {
			return fmt.Errorf("cannot use --status %q: it must be one of %s", s, strings.Join(composeStates, ", "))
		}
	}
	o.format, err = parseFormat(format, psContainerLine{})
	return err
}

// psPod is the JSON form of one pod.
type psPod struct {
	Name       string        `json:"name"`
	Workload   string        `json:"workload"`
	Kind       string        `json:"kind"`
	Role       string        `json:"role,omitempty"`
	Phase      string        `json:"phase"`
	Status     string        `json:"status"`
	Ready      bool          `json:"ready"`
	Restarts   int32         `json:"restarts"`
	IP         string        `json:"ip"`
	Created    time.Time     `json:"created"`
	Containers []psContainer `json:"containers"`
}

type psContainer struct {
	Name     string `json:"name"`
	Image    string `json:"image"`
	ID       string `json:"id"`
	State    string `json:"state"`
	Reason   string `json:"reason,omitempty"`
	Ready    bool   `json:"ready"`
	Restarts int32  `json:"restarts"`
	ExitCode *int32 `json:"exitCode,omitempty"`
}

func runPs(c *cli.Context, st *ui.Streams, o psOptions) error {
	t, err := findTarget(c, nil)
	if err != nil {
		return err
	}
	snap, err := t.client.State(c.Context)
	if errors.Is(err, api.ErrNoSupervisor) {
		snap, err = observe(c, t)
	}
	if err != nil {
		return err
	}
	if err := checkPods(snap, o.names); err != nil {
		return err
	}
	if o.watch {
		return watchPods(c, st, t, o)
	}
	if o.how.ForProgram() || o.how.Format == output.Name {
		return podList(snap).Print(st.Out, o.allPods(snap), o.how)
	}
	var runs []engine.Container
	if o.all {
		if runs, err = oneOffsOf(c.Context, t, o.names); err != nil {
			fmt.Fprintf(st.Err, "%s the containers of `lyandev run` are not listed: %v\n", st.Paint(ui.Yellow, "warning:"), err)
		}
	}
	if o.quiet || o.services || o.format != nil {
		return printContainers(st, snap, runs, o)
	}
	pods, hidden := o.choose(snap)
	if err := printPods(st, snap, pods, runs, o); err != nil {
		return err
	}
	if hidden > 0 && st.ErrTTY {
		fmt.Fprintf(st.Err, "%d that ended %s not shown; `lyandev ps -a` shows all\n", hidden, isOrAre(hidden))
	}
	warnEngine(st, snap)
	return nil
}

func isOrAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// choose returns the pods of the table, and how many were left out because they have ended.
func (o psOptions) choose(snap *state.Status) (pods []psPod, hidden int) {
	for _, p := range snap.Pods {
		if !o.wants(snap, p) || !o.hasState(p) {
			continue
		}
		if len(o.status) == 0 && !o.all && services.PlainPod(p) && ended(p) {
			hidden++
			continue
		}
		pods = append(pods, describePod(snap, p))
	}
	return pods, hidden
}

// allPods are the pods that the command line asks for, also those that have ended.
func (o psOptions) allPods(snap *state.Status) []psPod {
	pods := []psPod{}
	for _, p := range snap.Pods {
		if o.wants(snap, p) && o.hasState(p) {
			pods = append(pods, describePod(snap, p))
		}
	}
	return pods
}

func describePod(snap *state.Status, p *corev1.Pod) psPod {
	w, _ := snap.Workload(p.Labels[services.WorkloadLabel])
	out := psPod{
		Name: p.Name, Workload: p.Labels[services.WorkloadLabel], Kind: cmp.Or(w.Kind, kindOf(p)), Role: p.Labels[services.RoleLabel],
		Phase: cmp.Or(string(p.Status.Phase), "Pending"), Status: ui.PodStatus(p), Ready: state.PodReady(p), Restarts: ui.Restarts(p),
		IP: p.Status.PodIP, Created: p.CreationTimestamp.Time, Containers: []psContainer{},
	}
	for _, s := range p.Status.ContainerStatuses {
		out.Containers = append(out.Containers, describeContainer(p, s))
	}
	return out
}

// kindOf returns the kind of a pod's owner; it is used when the pod's workload is no longer in the stack.
func kindOf(p *corev1.Pod) string {
	switch r := metav1.GetControllerOf(p); {
	case r == nil:
		return "Pod"
	case r.Kind == "ReplicaSet" && p.Labels["pod-template-hash"] != "":
		return "Deployment"
	default:
		return r.Kind
	}
}

func describeContainer(p *corev1.Pod, s corev1.ContainerStatus) psContainer {
	c := psContainer{Name: s.Name, Image: imageOf(p, s), ID: s.ContainerID, Ready: s.Ready, Restarts: s.RestartCount}
	switch {
	case s.State.Running != nil:
		c.State = "running"
	case s.State.Terminated != nil:
		c.State, c.Reason, c.ExitCode = "terminated", s.State.Terminated.Reason, &s.State.Terminated.ExitCode
	default:
		c.State = "waiting"
		if s.State.Waiting != nil {
			c.Reason = s.State.Waiting.Reason
		}
	}
	return c
}

// imageOf returns the image reference as written in the file. In the pod, a built image is pinned to its ID.
func imageOf(p *corev1.Pod, s corev1.ContainerStatus) string {
	if ref := p.Annotations["dev.lyandev.image/"+s.Name]; ref != "" {
		return ref
	}
	return s.Image
}

// observe returns a snapshot of the running pods, read from the engine without a supervisor.
func observe(c *cli.Context, t *target) (*state.Status, error) {
	eng, err := connect(c.Context)
	if err != nil {
		return nil, err
	}
	defer eng.Close()
	return supervisor.Observe(c.Context, eng, t.instance)
}
