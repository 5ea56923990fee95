package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/supervisor/disk"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newDfCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "df", Usage: "show what lyandev has on the disk, by instance",
		Description: "Images that lyandev has built, volumes, snapshots, logs and state directories of all instances of this machine; only what\n" +
			"carries lyandev's labels. IMAGES is what their removal would free: layers that no other image has. The build cache is the\n" +
			"engine's: nothing tells whose build made which part. Logs of containers are counted if this user may read them (as root).\n" +
			"`lyandev prune` removes what nobody needs.\n" +
			"\n" +
			"Examples:\n" +
			"  lyandev df\n" +
			"  lyandev df -v\n" +
			"  lyandev df -o json",
		Flags: listFlags(&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "list every image, volume and snapshot"}),
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
			f, err := diskFacts(c.Context, eng, instance.Open(), time.Now())
			if err != nil {
				return err
			}
			d := dfOf(f, c.Bool("verbose"))
			if how.ForProgram() {
				return output.Object(st.Out, d, how)
			}
			return d.print(st.Out, how)
		},
	}
}

// df is what lyandev has on the disk. Sizes are in bytes, -1 if not known. Objects are listed with --verbose.
type df struct {
	Instances        []disk.Row `json:"instances"`
	BuildCache       int64      `json:"buildCache"`
	UnusedBuildCache int64      `json:"unusedBuildCache"`
	Objects          []dfObject `json:"objects,omitempty"`
}

// dfObject is one image, volume or volume of a snapshot.
type dfObject struct {
	Kind     disk.Kind `json:"kind"`
	Name     string    `json:"name"`
	Instance string    `json:"instance,omitempty"`
	Bytes    int64     `json:"bytes"`
}

func dfOf(f disk.Facts, verbose bool) df {
	d := df{Instances: append([]disk.Row{}, disk.Usage(f)...), BuildCache: f.BuildCache, UnusedBuildCache: f.UnusedCache}
	if !verbose {
		return d
	}
	for _, i := range f.Images {
		d.Objects = append(d.Objects, dfObject{disk.KindImage, disk.ImageName(i), i.Project, i.Bytes})
	}
	for _, v := range f.Volumes {
		kind, name := disk.KindVolume, v.Name
		if v.Snapshot != "" {
			kind, name = disk.KindSnapshot, v.Snapshot+" ("+v.Name+")"
		}
		d.Objects = append(d.Objects, dfObject{kind, name, v.Instance, v.Bytes})
	}
	slices.SortStableFunc(d.Objects, func(a, b dfObject) int { return int(min(max(b.Bytes-a.Bytes, -1), 1)) })
	return d
}

var (
	dfRows = output.List[disk.Row]{Columns: []output.Column[disk.Row]{
		{Title: "INSTANCE", Cell: func(r disk.Row) string { return r.Instance }},
		{Title: "IMAGES", Cell: func(r disk.Row) string { return size(r.Images) }},
		{Title: "VOLUMES", Cell: func(r disk.Row) string { return size(r.Volumes) }},
		{Title: "SNAPSHOTS", Cell: func(r disk.Row) string { return size(r.Snapshots) }},
		{Title: "LOGS", Cell: func(r disk.Row) string { return size(r.Logs) }},
		{Title: "STATE", Cell: func(r disk.Row) string { return size(r.State) }},
		{Title: "DIRECTORY", Cell: func(r disk.Row) string {
			if r.Gone {
				return dash(r.Dir) + " (gone)"
			}
			return r.Dir
		}},
	}, Quiet: func(r disk.Row) string { return r.Instance }}
	dfObjects = output.List[dfObject]{Columns: []output.Column[dfObject]{
		{Title: "KIND", Cell: func(x dfObject) string { return string(x.Kind) }},
		{Title: "NAME", Cell: func(x dfObject) string { return x.Name }},
		{Title: "INSTANCE", Cell: func(x dfObject) string { return x.Instance }},
		{Title: "SIZE", Cell: func(x dfObject) string { return sizeOr(x.Bytes) }},
	}}
)

func (d df) print(out io.Writer, how output.Options) error {
	if err := dfRows.Print(out, d.Instances, how); err != nil || how.Format == output.Name {
		return err
	}
	fmt.Fprintf(out, "\nBuild cache of the engine, of all builds: %s, %s of it not in use\n", size(d.BuildCache), size(d.UnusedBuildCache))
	if len(d.Objects) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	return dfObjects.Print(out, d.Objects, how)
}

// sizeOr is a size, "-" if it is not known.
func sizeOr(n int64) string {
	if n < 0 {
		return "-"
	}
	return size(n)
}
