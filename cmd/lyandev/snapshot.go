package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/snapshot"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newSnapshotCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "snapshot", Usage: "save and restore the volumes of stateful services",
		Subcommands: []*cli.Command{
			{
				Name: "save", Usage: "copy the volumes of running services", ArgsUsage: "NAME [SERVICE...]",
				Flags:  append(output.Flags(), &cli.BoolFlag{Name: "replace", Usage: "replace an existing snapshot of that name"}),
				Action: func(c *cli.Context) error { return runSnapshotSave(c, st) },
			},
			{
				Name: "ls", Aliases: []string{"list"}, Usage: "list the snapshots", Flags: listFlags(output.QuietFlag("")),
				Action: func(c *cli.Context) error { return runSnapshotLs(c, st) },
			},
			{
				Name: "restore", Usage: "overwrite the services' volumes with a snapshot; their current data is lost", ArgsUsage: "NAME [SERVICE...]",
				Flags: append(output.Flags(),
					&cli.DurationFlag{Name: "timeout", Value: 3 * time.Minute, Usage: "how long to wait for the stack to become ready again"},
					&cli.BoolFlag{Name: "no-wait", Usage: "do not wait until the stack is ready"},
				),
				Action: func(c *cli.Context) error { return runSnapshotRestore(c, st) },
			},
			{
				Name: "rm", Aliases: []string{"delete", "remove"}, Usage: "delete snapshots", ArgsUsage: "NAME...",
				Action: func(c *cli.Context) error { return runSnapshotRm(c, st) },
			},
		},
	}
}

// named returns the snapshot's name and the services from the arguments.
func named(c *cli.Context) (name string, services []string, err error) {
	name = c.Args().First()
	return name, c.Args().Tail(), withCode(exitUsage, snapshot.CheckName(name))
}

// copying returns the snapshot configuration of an instance for use without a running supervisor.
func copying(c *cli.Context, st *ui.Streams, t *target, eng *engine.Docker, allowed func() error) (snapshot.Config, error) {
	s, err := newSupervisor(c, eng, t.instance, logger(c, st), allowed)
	if err != nil {
		return snapshot.Config{}, err
	}
	return s.Snapshots(), nil
}

func runSnapshotSave(c *cli.Context, st *ui.Streams) error {
	how, err := outputOf(c, st)
	if err != nil {
		return err
	}
	name, services, err := named(c)
	if err != nil {
		return err
	}
	t, err := findTarget(c, nil)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt)
	defer stop()
	req := api.SnapshotRequest{Services: services, Replace: c.Bool("replace")}
	m := new(snapshot.Meta)
	err = ensureSupervisor(c, t, "")
	switch {
	case err == nil:
		if err = knownToSnapshot(ctx, t, services); err == nil {
			err = t.client.SaveSnapshot(ctx, name, req, m)
		}
	case errors.Is(err, errNotUp):
		err = offline(c, st, t, func(cp snapshot.Config, all []snapshot.Source, leftOut []string) error {
			m, err = cp.Save(ctx, snapshot.SaveRequest{Name: name, Sources: all, Replace: req.Replace, LeftOut: leftOut})
			return err
		}, services)
	}
	if err != nil {
		return err
	}
	if how.ForProgram() {
		return output.Object(st.Out, m, how)
	}
	fmt.Fprintf(st.Err, "saved %s: %s of %s in %s", st.Paint(ui.Bold, name), size(m.Bytes), claims(m), short(m.Took))
	if m.Frozen > 0 {
		fmt.Fprintf(st.Err, "; writes were paused for %s", short(m.Frozen))
	}
	fmt.Fprintln(st.Err)
	if len(m.LeftOut) > 0 {
		fmt.Fprintf(st.Err, "%s the snapshot does not have %s: only volumes of services with Kubernetes' semantics are copied\n",
			st.Paint(ui.Yellow, "warning:"), strings.Join(m.LeftOut, ", "))
	}
	return nil
}

// knownToSnapshot checks that the services are in the running stack.
func knownToSnapshot(ctx context.Context, t *target, names []string) error {
	if len(names) == 0 {
		return nil
	}
	s, err := t.client.State(ctx)
	if err != nil {
		return err
	}
	var known []string
	for _, w := range s.Workloads {
		known = append(known, w.Name)
	}
	return allKnown(names, known)
}

func allKnown(names, known []string) error {
	for _, n := range names {
		if !slices.Contains(known, n) {
			return unknownName("service", n, known)
		}
	}
	return nil
}

// offline calls do for the volumes of an instance that is not running, while holding the instance's lock.
func offline(c *cli.Context, st *ui.Streams, t *target, do func(cp snapshot.Config, all []snapshot.Source, leftOut []string) error, names []string) error {
	stack, err := loadStack(c, "")
	if err != nil {
		return err
	}
	var known []string
	for _, w := range stack.Workloads {
		known = append(known, w.Name())
	}
	if err := allKnown(names, known); err != nil {
		return err
	}
	all, err := snapshot.Sources(stack, nil, snapshot.Group(stack, names))
	if err != nil {
		return err
	}
	lock, err := t.instance.Lock()
	if err != nil {
		return err
	}
	defer lock.Release()
	eng, err := connect(c.Context)
	if err != nil {
		return err
	}
	defer eng.Close()
	cp, err := copying(c, st, t, eng, lock.Check)
	if err != nil {
		return err
	}
	return do(cp, all, snapshot.LeftOut(stack, names))
}

// restoredJSON is the JSON form of a restore.
type restoredJSON struct {
	*snapshot.Restored
	Took time.Duration `json:"took"`
}

func runSnapshotRestore(c *cli.Context, st *ui.Streams) error {
	how, err := outputOf(c, st)
	if err != nil {
		return err
	}
	name, services, err := named(c)
	if err != nil {
		return err
	}
	t, err := findTarget(c, nil)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt)
	defer stop()
	began := time.Now()
	done := new(snapshot.Restored)
	err = ensureSupervisor(c, t, "")
	switch {
	case err == nil:
		if err = t.client.RestoreSnapshot(ctx, name, api.SnapshotRequest{Services: services}, done); err == nil && !c.Bool("no-wait") {
			err = waitReady(ctx, t, c.Duration("timeout"))
		}
	case errors.Is(err, errNotUp):
		err = offline(c, st, t, func(cp snapshot.Config, all []snapshot.Source, _ []string) error {
			done, err = restoreOffline(ctx, cp, name, all)
			return err
		}, services)
	}
	if err != nil {
		if unknown := knownSnapshots(c, []string{name}); unknown != nil && withExit(unknown) == exitUsage {
			return unknown
		}
		return err
	}
	if how.ForProgram() {
		return output.Object(st.Out, restoredJSON{done, time.Since(began)}, how)
	}
	fmt.Fprintf(st.Err, "restored %s: %s in %s", st.Paint(ui.Bold, name), size(done.Bytes), short(done.Copying))
	if done.Stopped > 0 {
		fmt.Fprintf(st.Err, "; downtime %s, stack ready after %s", short(done.Stopped), short(time.Since(began)))
	}
	fmt.Fprintln(st.Err)
	for _, r := range done.Claims {
		if r.From == "" {
			fmt.Fprintf(st.Err, "  %s is not in the snapshot: its volume was emptied and is filled by replication\n", r.Workload)
		}
	}
	return nil
}

// restoreOffline restores the volumes of an instance that is not running.
func restoreOffline(ctx context.Context, cp snapshot.Config, name string, all []snapshot.Source) (*snapshot.Restored, error) {
	m, err := cp.Find(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("cannot restore the snapshot: %w", err)
	}
	list, err := snapshot.PlanRestore(m, all, "")
	if err != nil {
		return nil, err
	}
	if err := cp.CheckVersions(ctx, m, list, all); err != nil {
		return nil, err
	}
	if list, err = cp.Existing(ctx, list); err != nil {
		return nil, err
	}
	began := time.Now()
	done := &snapshot.Restored{Name: name, Claims: list}
	done.Bytes, err = cp.Restore(ctx, m, list)
	done.Copying = time.Since(began)
	return done, err
}

// waitReady blocks until the stack is ready, or for limit; the error then has exitNotReady.
func waitReady(ctx context.Context, t *target, limit time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not ready after %s", limit))
	defer cancel()
	message := ""
	err := t.client.WatchState(ctx, func(s *state.Status) bool {
		message = s.Message
		return s.Phase != state.Ready
	})
	if err != nil && ctx.Err() != nil {
		return withCode(exitNotReady, fmt.Errorf("the snapshot was restored, but the stack is not ready: %w: %s", context.Cause(ctx), message))
	}
	return err
}

var snapshotList = output.List[snapshot.Meta]{
	Columns: []output.Column[snapshot.Meta]{
		{Title: "NAME", Cell: func(m snapshot.Meta) string { return m.Name }},
		{Title: "AGE", Cell: func(m snapshot.Meta) string { return ui.Age(m.Created, time.Now()) }},
		{Title: "SIZE", Cell: func(m snapshot.Meta) string { return size(m.Bytes) }},
		{Title: "TOOK", Cell: func(m snapshot.Meta) string { return short(m.Took) }},
		{Title: "PROFILE", Cell: func(m snapshot.Meta) string { return m.Profile }},
		{Title: "HOLDS", Cell: func(m snapshot.Meta) string { return claims(&m) }},
	},
	Name:  func(m snapshot.Meta) string { return "snapshot/" + m.Name },
	Quiet: func(m snapshot.Meta) string { return m.Name },
}

func runSnapshotLs(c *cli.Context, st *ui.Streams) error {
	how, err := listOutput(c, st)
	if err != nil {
		return err
	}
	list, err := snapshots(c)
	if err != nil {
		return err
	}
	return snapshotList.Print(st.Out, list, how)
}

func snapshots(c *cli.Context) ([]snapshot.Meta, error) {
	t, err := findTarget(c, nil)
	if err != nil {
		return nil, err
	}
	return snapshotsOf(c.Context, t)
}

// snapshotsOf returns the snapshots of an instance, from the engine.
func snapshotsOf(ctx context.Context, t *target) ([]snapshot.Meta, error) {
	eng, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	defer eng.Close()
	cp := snapshot.Config{Engine: eng, Project: t.instance.Name}
	return cp.List(ctx)
}

// knownSnapshots returns an error with exitUsage if one of the names is not that of a snapshot.
func knownSnapshots(c *cli.Context, names []string) error {
	list, err := snapshots(c)
	if err != nil {
		return err
	}
	var known []string
	for _, m := range list {
		known = append(known, m.Name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return unknownName("snapshot", name, known)
		}
	}
	return nil
}

func runSnapshotRm(c *cli.Context, st *ui.Streams) error {
	t, eng, err := openTarget(c)
	if err != nil {
		return err
	}
	defer eng.Close()
	cp := snapshot.Config{Engine: eng, Project: t.instance.Name}
	if err := knownSnapshots(c, c.Args().Slice()); err != nil { // before the first is removed
		return err
	}
	for _, name := range c.Args().Slice() {
		if err := cp.Remove(c.Context, name); err != nil {
			return err
		}
		fmt.Fprintf(st.Err, "removed %s\n", name)
	}
	return nil
}

// claims lists a snapshot's contents: "lyanna-mariadb-master (mariadb 11.8), redis-master (redis 8.0)".
func claims(m *snapshot.Meta) string {
	var out []string
	for _, c := range m.Claims {
		text := c.Workload
		if c.Product != "" {
			text += " (" + strings.TrimSpace(c.Product+" "+c.Version) + ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func size(n int64) string { return units.HumanSizeWithPrecision(float64(n), 3) }

func short(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
