package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newTopCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "top", Usage: "list the processes in the running containers", ArgsUsage: "[SERVICE|POD...]",
		Description: "For CPU and memory, see lyandev stats.",
		Flags:       []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error {
			t, eng, err := openTarget(c)
			if err != nil {
				return err
			}
			defer eng.Close()
			list, err := chooseContainers(c.Context, eng, t.instance.Name, choice{names: c.Args().Slice()}, knownServices(c.Context, t))
			if err != nil {
				return err
			}
			tables, err := topOf(c.Context, eng, list)
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return printJSON(st.Out, tables)
			}
			return printTop(st, tables)
		},
	}
}

// podProcesses are the processes of one container.
type podProcesses struct {
	Pod       string              `json:"pod"`
	Container string              `json:"container"`
	Processes []map[string]string `json:"processes"`
	titles    []string
}

// topOf lists the processes of containers. One that has ended meanwhile is left out.
func topOf(ctx context.Context, eng engine.Engine, list []engine.Container) ([]podProcesses, error) {
	out := []podProcesses{}
	for _, c := range list {
		top, err := eng.Top(ctx, c.ID, nil)
		if engine.IsNotFound(err) || engine.IsConflict(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		p := podProcesses{Pod: c.Labels[services.PodLabel], Container: c.Labels[services.ContainerLabel], titles: top.Titles, Processes: []map[string]string{}}
		for _, row := range top.Rows {
			values := map[string]string{}
			for i, title := range top.Titles {
				values[title] = row[i]
			}
			p.Processes = append(p.Processes, values)
		}
		out = append(out, p)
	}
	return out, nil
}

func printTop(st *ui.Streams, tables []podProcesses) error {
	w := tabwriter.NewWriter(st.Out, 0, 4, 2, ' ', 0)
	for i, p := range tables {
		if i == 0 {
			fmt.Fprintf(w, "POD\tCONTAINER\t%s\n", strings.Join(p.titles, "\t"))
		}
		for _, values := range p.Processes {
			row := []string{p.Pod, p.Container}
			for _, title := range p.titles {
				row = append(row, oneLine(values[title]))
			}
			fmt.Fprintln(w, strings.Join(row, "\t"))
		}
	}
	return w.Flush()
}
