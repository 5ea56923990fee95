package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/supervisor/disk"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newPruneCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "prune", Usage: "remove what lyandev has on the disk and nobody needs",
		Description: "Lists what would be removed, with sizes, and asks. Only what carries lyandev's labels is touched: built images that a newer\n" +
			"build has replaced or whose project's directory is gone, and images of lyandev itself, each if no container uses it. Images\n" +
			"of the last 10 minutes stay. More only on request, with the flags below. Never a volume of an instance that still exists.\n" +
			"\n" +
			"Examples:\n" +
			"  lyandev prune --dry-run\n" +
			"  lyandev prune --snapshots --yes\n" +
			"  lyandev prune --volumes --snapshots",
		Flags: listFlags(
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "also images that the next up of an instance would use: it builds them again"},
			&cli.BoolFlag{Name: "volumes", Usage: "also volumes and state of instances whose directory does not exist any more: their data is lost"},
			&cli.BoolFlag{Name: "snapshots", Usage: "also snapshots that test runs have made, and all of instances whose directory does not exist any more"},
			&cli.BoolFlag{Name: "build-cache", Usage: "also the engine's build cache that no build uses, of all tools: nothing tells whose it is"},
			&cli.BoolFlag{Name: "dry-run", Usage: "only list what would be removed"},
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask"},
		),
		Action: func(c *cli.Context) error {
			how, err := listOutput(c, st)
			if err != nil {
				return err
			}
			eng, err := connect(c.Context)
			if err != nil {
				return err
			}
			defer eng.Close()
			p := pruner{
				st: st, eng: eng, reg: instance.Open(), dryRun: c.Bool("dry-run"), yes: c.Bool("yes"), how: how,
				options: disk.Options{All: c.Bool("all"), Volumes: c.Bool("volumes"), Snapshots: c.Bool("snapshots"), BuildCache: c.Bool("build-cache")},
			}
			return p.run(c.Context)
		},
	}
}

// pruner is one run of prune.
type pruner struct {
	st           *ui.Streams
	eng          diskEngine
	reg          *instance.Registry
	options      disk.Options
	dryRun       bool
	yes          bool
	how          output.Options
	removed      []disk.Item
	removedBytes int64
}

// forProgram reports whether standard output gets only JSON, YAML or names.
func (p *pruner) forProgram() bool { return p.how.ForProgram() || p.how.Format == output.Name }

// run lists, asks and removes. What has changed while somebody was asked is looked at again.
func (p *pruner) run(ctx context.Context) error {
	agreed, kept, err := p.plan(ctx)
	if err != nil {
		return err
	}
	if err := p.list(agreed, kept); err != nil || p.dryRun || len(agreed) == 0 {
		return err
	}
	if !p.yes {
		if !p.st.InTTY || !p.st.ErrTTY {
			return withCode(exitUsage, errors.New("cannot ask whether to remove this, because there is no terminal; --yes removes it, --dry-run only lists it"))
		}
		if !p.asked(len(agreed)) {
			fmt.Fprintln(p.st.Err, "nothing was removed")
			return nil
		}
	}
	now, _, err := p.plan(ctx)
	if err != nil {
		return err
	}
	err = p.remove(ctx, disk.Both(agreed, now))
	if p.forProgram() {
		return errors.Join(err, pruneItems.Print(p.st.Out, p.removed, p.how))
	}
	fmt.Fprintf(p.st.Err, "removed %d of %d, %s freed\n", len(p.removed), len(agreed), size(p.removedBytes))
	return err
}

func (p *pruner) plan(ctx context.Context) ([]disk.Item, []disk.Kept, error) {
	f, err := diskFacts(ctx, p.eng, p.reg, time.Now())
	if err != nil {
		return nil, nil, err
	}
	items, kept := disk.Plan(f, p.options)
	return items, kept, nil
}

var pruneItems = output.List[disk.Item]{Columns: []output.Column[disk.Item]{
	{Title: "KIND", Cell: func(x disk.Item) string { return string(x.Kind) }},
	{Title: "NAME", Cell: func(x disk.Item) string { return x.Name }},
	{Title: "INSTANCE", Cell: func(x disk.Item) string { return x.Instance }},
	{Title: "SIZE", Cell: func(x disk.Item) string { return sizeOr(x.Bytes) }},
	{Title: "WHY", Cell: func(x disk.Item) string { return x.Why }},
}, Name: func(x disk.Item) string { return string(x.Kind) + "/" + x.Name }}

// list prints what would be removed: as JSON or on standard output with --dry-run, else beside the question.
func (p *pruner) list(items []disk.Item, kept []disk.Kept) error {
	for _, k := range kept {
		fmt.Fprintf(p.st.Err, "%s %s: %s\n", p.st.Paint(ui.Yellow, "kept:"), k.Name, k.Why)
	}
	switch {
	case p.forProgram() && (p.dryRun || len(items) == 0):
		return pruneItems.Print(p.st.Out, items, p.how)
	case p.forProgram():
		return nil
	case len(items) == 0:
		fmt.Fprintln(p.st.Err, "there is nothing to remove")
		return nil
	}
	out := p.st.Err
	if p.dryRun {
		out = p.st.Out
	}
	var total int64
	for _, x := range items {
		total += max(x.Bytes, 0)
	}
	if err := pruneItems.Print(out, items, p.how); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%d to remove, %s\n", len(items), size(total))
	return err
}

func (p *pruner) asked(n int) bool {
	fmt.Fprintf(p.st.Err, "Remove these %d? This cannot be undone. [y/N] ", n)
	answer, _ := bufio.NewReader(p.st.In).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

// remove removes the items one after the other. One that cannot be removed is an error and does not keep the others.
func (p *pruner) remove(ctx context.Context, items []disk.Item) error {
	var errs []error
	for _, x := range items {
		if ctx.Err() != nil {
			return errors.Join(append(errs, context.Cause(ctx))...)
		}
		if err := removeItem(ctx, p.eng, p.reg, x); err != nil {
			errs = append(errs, err)
			continue
		}
		p.removed = append(p.removed, x)
		p.removedBytes += max(x.Bytes, 0)
		if !p.forProgram() {
			fmt.Fprintf(p.st.Err, "removed %s %s\n", x.Kind, x.Name)
		}
	}
	return errors.Join(errs...)
}
