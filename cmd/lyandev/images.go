package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/distribution/reference"
	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newImagesCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "images", Usage: "list the images of the containers", ArgsUsage: "[SERVICE|POD...]",
		Description: "For the images that the file names, see lyandev config --images.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print only the IDs"},
			&cli.StringFlag{Name: "format", Value: "table", Usage: "`table` or json"},
			jsonFlag(),
		},
		Action: func(c *cli.Context) error {
			asJSON, err := wantsJSON(c, "table")
			if err != nil {
				return err
			}
			t, eng, err := openTarget(c)
			if err != nil {
				return err
			}
			defer eng.Close()
			list, err := chooseContainers(c.Context, eng, t.instance.Name, choice{names: c.Args().Slice(), ended: true}, knownServices(c.Context, t))
			if err != nil {
				return err
			}
			rows, err := imagesOf(c.Context, eng, list)
			if err != nil {
				return err
			}
			return printImages(st, rows, asJSON, c.Bool("quiet"))
		},
	}
}

// wantsJSON reports whether --json or --format json was given; the error is for a format that is neither json nor the other.
func wantsJSON(c *cli.Context, other string) (bool, error) {
	switch f := c.String("format"); f {
	case other:
		return c.Bool("json"), nil
	case "json":
		return true, nil
	default:
		return false, withCode(exitUsage, fmt.Errorf("cannot use --format %q: it must be %s or json", f, other))
	}
}

// containerImage is the image of a container, with the names of docker compose images --format json.
type containerImage struct {
	ID            string
	ContainerName string
	Service       string
	Repository    string
	Tag           string
	Size          int64
	Created       time.Time
}

func imagesOf(ctx context.Context, eng engine.Engine, list []engine.Container) ([]containerImage, error) {
	out := []containerImage{}
	for _, c := range list {
		row := containerImage{ID: c.ImageID, ContainerName: c.Labels[services.PodLabel], Service: serviceOf(c), Repository: "<none>", Tag: "<none>"}
		if name := c.Labels[services.ContainerLabel]; name != row.Service {
			row.ContainerName += "/" + name
		}
		img, err := eng.InspectImage(ctx, c.ImageID)
		switch {
		case engine.IsNotFound(err): // removed while the container runs
		case err != nil:
			return nil, err
		default:
			row.Size, row.Created = img.Size, img.Created
			ref := c.Image
			if strings.HasPrefix(ref, "sha256:") && len(img.Tags) > 0 {
				ref = img.Tags[0]
			}
			if n, err := reference.ParseNormalizedNamed(ref); err == nil {
				row.Repository, row.Tag = reference.FamiliarName(n), "latest"
				if t, ok := n.(reference.Tagged); ok {
					row.Tag = t.Tag()
				}
			}
		}
		out = append(out, row)
	}
	return out, nil
}

func printImages(st *ui.Streams, rows []containerImage, asJSON, quiet bool) error {
	if quiet {
		seen := map[string]bool{}
		for _, r := range rows {
			if !seen[r.ID] {
				fmt.Fprintln(st.Out, strings.TrimPrefix(r.ID, "sha256:"))
			}
			seen[r.ID] = true
		}
		return nil
	}
	if asJSON {
		return json.NewEncoder(st.Out).Encode(rows)
	}
	w := tabwriter.NewWriter(st.Out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "CONTAINER\tREPOSITORY\tTAG\tIMAGE ID\tSIZE\tCREATED")
	for _, r := range rows {
		id := strings.TrimPrefix(r.ID, "sha256:")
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s ago\n", r.ContainerName, r.Repository, r.Tag, id[:min(12, len(id))], size(r.Size), ui.Age(r.Created, time.Now()))
	}
	return w.Flush()
}
