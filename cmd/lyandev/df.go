package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

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
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "list every image, volume and snapshot"},
			outputFlag(), jsonFlag(),
		},
		Action: func(c *cli.Context) error {
			asJSON, err := wantsOutputJSON(c)
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
			if asJSON {
				return printJSON(st.Out, d)
			}
			return d.print(st.Out)
		},
	}
}

// outputFlag is -o for commands that print a table or JSON.
func outputFlag() cli.Flag {
	return &cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FORMAT`: json; default: a table"}
}

// wantsOutputJSON reads --output and --json.
func wantsOutputJSON(c *cli.Context) (bool, error) {
	switch o := c.String("output"); o {
	case "json":
		return true, nil
	case "", "table":
		return c.Bool("json"), nil
	default:
		return false, withCode(exitUsage, fmt.Errorf("cannot use --output %q: it must be json or table", o))
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

func (d df) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "INSTANCE\tIMAGES\tVOLUMES\tSNAPSHOTS\tLOGS\tSTATE\tDIRECTORY")
	for _, r := range d.Instances {
		dir := dash(r.Dir)
		if r.Gone {
			dir += " (gone)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", dash(r.Instance), size(r.Images), size(r.Volumes), size(r.Snapshots), size(r.Logs), size(r.State), dir)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nBuild cache of the engine, of all builds: %s, %s of it not in use\n", size(d.BuildCache), size(d.UnusedBuildCache))
	if len(d.Objects) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	fmt.Fprintln(w, "KIND\tNAME\tINSTANCE\tSIZE")
	for _, x := range d.Objects {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", x.Kind, x.Name, dash(x.Instance), sizeOr(x.Bytes))
	}
	return w.Flush()
}

// sizeOr is a size, "-" if it is not known.
func sizeOr(n int64) string {
	if n < 0 {
		return "-"
	}
	return size(n)
}
