package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/docker/api/types/image"
)

// InspectImage implements Images.
func (d *Docker) InspectImage(ctx context.Context, ref string) (Image, error) {
	i, err := within(ctx, answerLimit, func(ctx context.Context) (image.InspectResponse, error) { return d.api.ImageInspect(ctx, ref) })
	if err != nil {
		return Image{}, wrap(err, "inspect image %s", ref)
	}
	out := Image{
		ID: i.ID, Tags: i.RepoTags, Digests: i.RepoDigests, Created: parseTime(i.Created), Size: i.Size,
		OS: i.Os, Arch: i.Architecture, Variant: i.Variant, LastTagged: i.Metadata.LastTagTime.UTC(),
	}
	if c := i.Config; c != nil {
		out.Labels, out.User, out.Entrypoint, out.Cmd = c.Labels, c.User, c.Entrypoint, c.Cmd
		out.WorkingDir, out.Env, out.StopSignal = c.WorkingDir, c.Env, c.StopSignal
		for v := range c.Volumes {
			out.Volumes = append(out.Volumes, v)
		}
	}
	return out, nil
}

// PullImage implements Images.
func (d *Docker) PullImage(ctx context.Context, ref string, opts PullOptions) error {
	auth, noAuth := registryAuth(ref)
	err := d.pull(ctx, ref, image.PullOptions{RegistryAuth: auth, Platform: opts.Platform}, opts.Out)
	if err != nil && noAuth != nil { // a public image needs no credentials
		err = fmt.Errorf("%w (%w)", err, noAuth)
	}
	return wrap(err, "pull image %s", ref)
}

func (d *Docker) pull(ctx context.Context, ref string, opts image.PullOptions, out io.Writer) error {
	rc, err := d.api.ImagePull(ctx, ref, opts)
	if err != nil {
		return err
	}
	defer rc.Close()
	return readProgress(rc, out)
}

// ImportImage implements Images.
func (d *Docker) ImportImage(ctx context.Context, ref string, changes []string, tar io.Reader) (string, error) {
	rc, err := d.api.ImageImport(ctx, image.ImportSource{Source: tar, SourceName: "-"}, ref, image.ImportOptions{Changes: changes})
	if err != nil {
		return "", wrap(err, "import image %s", ref)
	}
	defer rc.Close()
	if err := readProgress(rc, nil); err != nil {
		return "", wrap(err, "import image %s", ref)
	}
	i, err := d.InspectImage(ctx, ref)
	return i.ID, err
}

// ListImages implements Images.
func (d *Docker) ListImages(ctx context.Context, labels map[string]string) ([]Image, error) {
	list, err := within(ctx, answerLimit, func(ctx context.Context) ([]image.Summary, error) {
		return d.api.ImageList(ctx, image.ListOptions{Filters: labelFilter(labels)})
	})
	if err != nil {
		return nil, wrap(err, "list images")
	}
	out := make([]Image, 0, len(list))
	for _, i := range list {
		out = append(out, Image{
			ID: i.ID, Tags: i.RepoTags, Digests: i.RepoDigests, Labels: i.Labels, Size: i.Size,
			Created: time.Unix(i.Created, 0).UTC(),
		})
	}
	return out, nil
}

// TagImage implements Images.
func (d *Docker) TagImage(ctx context.Context, id, ref string) error {
	err := do(ctx, answerLimit, func(ctx context.Context) error { return d.api.ImageTag(ctx, id, ref) })
	return wrap(err, "tag image %s as %s", short(id), ref)
}

// RemoveImage implements Images.
func (d *Docker) RemoveImage(ctx context.Context, ref string) error {
	_, err := within(ctx, workLimit, func(ctx context.Context) ([]image.DeleteResponse, error) {
		return d.api.ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: true})
	})
	if IsNotFound(err) || IsConflict(err) {
		return nil
	}
	return wrap(err, "remove image %s", ref)
}

// progressGap is the minimum time between two progress lines.
const progressGap = time.Second

// readProgress reads the engine's stream of JSON messages to its end. Errors are inside the stream, with HTTP status 200. The
// progress of all layers together is written to out, at most one line per second.
func readProgress(r io.Reader, out io.Writer) error {
	dec, sum := json.NewDecoder(r), transfer{layers: map[string][2]int64{}}
	var told time.Time
	for {
		var m progressMessage
		if err := dec.Decode(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if m.Error != "" {
			return errors.New(m.Error)
		}
		if out == nil || m.Status == "" {
			continue
		}
		if m.Detail.Total == 0 {
			fmt.Fprintln(out, strings.TrimSpace(m.ID+" "+m.Status))
		} else if sum.note(m) && time.Since(told) >= progressGap {
			told = time.Now()
			fmt.Fprintln(out, sum.String())
		}
	}
}

// progressMessage is one message of the engine about a pull or an import.
type progressMessage struct {
	ID, Status, Error string
	Detail            struct{ Current, Total int64 } `json:"progressDetail"`
}

// transfer is the progress of each layer: done and total, in bytes.
type transfer struct{ layers map[string][2]int64 }

// note records a message. It returns false if the message is not about transferred bytes.
func (t *transfer) note(m progressMessage) bool {
	if m.Status != "Downloading" {
		return false
	}
	t.layers[m.ID] = [2]int64{m.Detail.Current, m.Detail.Total}
	return true
}

func (t *transfer) String() string {
	var done, total int64
	for _, l := range t.layers {
		done, total = done+l[0], total+l[1]
	}
	return fmt.Sprintf("downloading, %d%% of %.1f MB", done*100/max(total, 1), float64(total)/1e6)
}
