package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newImagesCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "images", Usage: "list the images of the containers", ArgsUsage: "[SERVICE|POD...]",
		Description: "For the images that the file names, see lyandev config --images.",
		Flags: listFlags(
			output.QuietFlag("print only the IDs"),
			&cli.StringFlag{Name: "format", Value: "table", Usage: "`table` or json, with the names of docker compose images"},
		),
		Action: func(c *cli.Context) error {
			how, err := listOutput(c, st)
			if err != nil {
				return err
			}
			compose, err := wantsJSON(c, "table")
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
			return printImages(st, rows, how, compose)
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

// imageLine is the JSON form of the image of a container.
type imageLine struct {
	ID         string    `json:"id"`
	Pod        string    `json:"pod"`
	Service    string    `json:"service"`
	Repository string    `json:"repository"`
	Tag        string    `json:"tag"`
	Size       int64     `json:"sizeBytes"`
	Created    time.Time `json:"created"`
}

var imageList = output.List[imageLine]{
	Columns: []output.Column[imageLine]{
		{Title: "CONTAINER", Cell: func(i imageLine) string { return i.Pod }},
		{Title: "REPOSITORY", Cell: func(i imageLine) string { return i.Repository }, Shrinks: true},
		{Title: "TAG", Cell: func(i imageLine) string { return i.Tag }},
		{Title: "IMAGE ID", Cell: func(i imageLine) string { return output.Digest(i.ID) }},
		{Title: "SIZE", Cell: func(i imageLine) string { return size(i.Size) }},
		{Title: "SERVICE", Cell: func(i imageLine) string { return i.Service }, Wide: true},
		{Title: "CREATED", Cell: func(i imageLine) string { return ui.Age(i.Created, time.Now()) + " ago" }},
	},
	Name: func(i imageLine) string { return "image/" + i.Repository + ":" + i.Tag },
}

// printImages prints the images of containers; with compose as docker compose images --format json does.
func printImages(st *ui.Streams, rows []containerImage, how output.Options, compose bool) error {
	if compose && !how.Quiet && !how.ForProgram() {
		return json.NewEncoder(st.Out).Encode(rows)
	}
	lines := []imageLine{}
	seen := map[string]bool{}
	for _, r := range rows {
		if how.Quiet {
			if !seen[r.ID] {
				fmt.Fprintln(st.Out, strings.TrimPrefix(r.ID, "sha256:"))
			}
			seen[r.ID] = true
		}
		lines = append(lines, imageLine{r.ID, r.ContainerName, r.Service, r.Repository, r.Tag, r.Size, r.Created})
	}
	if how.Quiet {
		return nil
	}
	return imageList.Print(st.Out, lines, how)
}
