package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/snapshot"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// volumeLine is a volume with the names of docker compose volumes --format json.
type volumeLine struct {
	Driver, Labels, Mountpoint, Name string
}

func newVolumesCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "volumes", Usage: "list the Docker volumes of the stack", ArgsUsage: "[SERVICE|POD...]",
		Description: "Also those of services that do not run. With services, only those that their containers mount. `lyandev snapshot ls` lists\n" +
			"snapshots, and `lyandev config --volumes` the volumes that the file names.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print only the names"},
			&cli.StringFlag{Name: "format", Value: "table", Usage: "table, json (one line of JSON per volume), a Go `TEMPLATE`, or 'table TEMPLATE'"},
		},
		Action: func(c *cli.Context) error {
			format, err := parseFormat(c.String("format"), volumeLine{})
			if err != nil {
				return withCode(exitUsage, err)
			}
			t, eng, err := openTarget(c)
			if err != nil {
				return err
			}
			defer eng.Close()
			list, err := volumesOf(c.Context, eng, t.instance)
			if err != nil {
				return err
			}
			if c.NArg() > 0 {
				users, err := chooseContainers(c.Context, eng, t.instance.Name, choice{names: c.Args().Slice(), ended: true}, knownServices(c.Context, t))
				if err != nil {
					return err
				}
				list = slices.DeleteFunc(list, func(v engine.Volume) bool { return !mountedBy(users, v.Name) })
			}
			return printVolumes(st, list, format, c.Bool("quiet"))
		},
	}
}

// volumesOf returns the volumes of an instance, sorted by name: its own and those of Docker Compose that it uses. Snapshots are left out.
func volumesOf(ctx context.Context, eng engine.Volumes, i *instance.Instance) ([]engine.Volume, error) {
	list, err := eng.ListVolumes(ctx, map[string]string{services.ProjectLabel: i.Name})
	if err != nil {
		return nil, err
	}
	ofCompose, err := composeVolumes(ctx, eng, i)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(append(list, ofCompose...), func(v engine.Volume) bool { return v.Labels[snapshot.NameLabel] != "" })
	slices.SortFunc(list, func(a, b engine.Volume) int { return compare(a.Name, b.Name) })
	return list, nil
}

// mountedBy reports whether one of the containers mounts a volume.
func mountedBy(list []engine.Container, volume string) bool {
	return slices.ContainsFunc(list, func(c engine.Container) bool {
		return slices.ContainsFunc(c.Mounts, func(m engine.Mount) bool { return m.Volume == volume })
	})
}

func printVolumes(st *ui.Streams, list []engine.Volume, format *rowFormat, quiet bool) error {
	w := tabwriter.NewWriter(st.Out, 0, 4, 4, ' ', 0)
	if !quiet && format == nil {
		fmt.Fprintln(w, "DRIVER\tVOLUME NAME")
	}
	var rows []any
	for _, v := range list {
		switch {
		case quiet:
			fmt.Fprintln(w, v.Name)
		case format == nil:
			fmt.Fprintf(w, "%s\t%s\n", v.Driver, v.Name)
		default:
			var labels []string
			for k, value := range v.Labels {
				labels = append(labels, k+"="+value)
			}
			slices.Sort(labels)
			rows = append(rows, volumeLine{Driver: v.Driver, Labels: strings.Join(labels, ","), Mountpoint: v.Mountpoint, Name: v.Name})
		}
	}
	if format != nil && !quiet {
		return format.print(st.Out, rows)
	}
	return w.Flush()
}
