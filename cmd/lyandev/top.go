package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newTopCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "top", Usage: "list the processes in the running containers", ArgsUsage: "[SERVICE|POD...]",
		Description: "For CPU and memory, see lyandev stats.",
		Flags:       append(output.Flags(), &cli.BoolFlag{Name: "no-headers", Usage: "print the table without its titles"}),
		Action: func(c *cli.Context) error {
			how, err := outputOf(c, st)
			if err != nil {
				return err
			}
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
			return printTop(st, tables, how)
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

// process is a process of a container.
type process struct {
	in     podProcesses
	values map[string]string
}

// printTop prints the processes in one table, with the columns that the engine says of the first container.
func printTop(st *ui.Streams, tables []podProcesses, how output.Options) error {
	if how.ForProgram() {
		return output.Object(st.Out, tables, how)
	}
	if len(tables) == 0 {
		return nil
	}
	columns := []output.Column[process]{
		{Title: "POD", Cell: func(p process) string { return p.in.Pod }}, {Title: "CONTAINER", Cell: func(p process) string { return p.in.Container }},
	}
	for _, title := range tables[0].titles {
		columns = append(columns, output.Column[process]{Title: title, Cell: func(p process) string { return p.values[title] }})
	}
	var rows []process
	for _, p := range tables {
		for _, values := range p.Processes {
			rows = append(rows, process{p, values})
		}
	}
	return output.List[process]{Columns: columns}.Print(st.Out, rows, how)
}
