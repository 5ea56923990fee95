package main

import (
	"context"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
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
		Flags: listFlags(
			output.QuietFlag(""),
			&cli.StringFlag{Name: "format", Value: "table", Usage: "table, json (one line of JSON per volume), a Go `TEMPLATE`, or 'table TEMPLATE'"},
		),
		Action: func(c *cli.Context) error {
			how, err := listOutput(c, st)
			if err != nil {
				return err
			}
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
			return printVolumes(st, list, format, how)
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

// volumeRow is the JSON form of a volume.
type volumeRow struct {
	Name       string            `json:"name"`
	Driver     string            `json:"driver"`
	Mountpoint string            `json:"mountpoint"`
	Labels     map[string]string `json:"labels,omitempty"`
}

var volumeList = output.List[volumeRow]{
	Columns: []output.Column[volumeRow]{
		{Title: "DRIVER", Cell: func(v volumeRow) string { return v.Driver }},
		{Title: "MOUNTPOINT", Cell: func(v volumeRow) string { return v.Mountpoint }, Wide: true},
		{Title: "VOLUME NAME", Cell: func(v volumeRow) string { return v.Name }},
	},
	Name:  func(v volumeRow) string { return "volume/" + v.Name },
	Quiet: func(v volumeRow) string { return v.Name },
}

func printVolumes(st *ui.Streams, list []engine.Volume, format *rowFormat, how output.Options) error {
	var lines []any
	rows := []volumeRow{}
	for _, v := range list {
		rows = append(rows, volumeRow{v.Name, v.Driver, v.Mountpoint, v.Labels})
		var labels []string
		for k, value := range v.Labels {
			labels = append(labels, k+"="+value)
		}
		slices.Sort(labels)
		lines = append(lines, volumeLine{Driver: v.Driver, Labels: strings.Join(labels, ","), Mountpoint: v.Mountpoint, Name: v.Name})
	}
	if format != nil && !how.Quiet && how.Format == output.Table {
		return format.print(st.Out, lines)
	}
	return volumeList.Print(st.Out, rows, how)
}
