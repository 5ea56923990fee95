package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// parallelPulls is how many images are pulled at a time.
const parallelPulls = 4

func newPullCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "pull", Usage: "pull the images of services", ArgsUsage: "[SERVICE...]",
		Description: "Images that the file builds are left out. Running containers keep theirs until the next up.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "policy", Value: "always", Usage: "pull `always`, or only what is missing"},
			&cli.BoolFlag{Name: "include-deps", Usage: "pull the images of what the services depend on too"},
			&cli.BoolFlag{Name: "ignore-pull-failures", Usage: "pull what can be pulled, and exit with 0"},
			&cli.BoolFlag{Name: "ignore-buildable", Usage: "accepted as in docker compose: images that are built are never pulled"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "do not show progress"},
		},
		Action: func(c *cli.Context) error {
			if p := c.String("policy"); p != "always" && p != "missing" {
				return withCode(exitUsage, fmt.Errorf("cannot use --policy %q: it must be always or missing", p))
			}
			stack, err := loadActive(c, chosenProfile(c), nil)
			if err != nil {
				return err
			}
			list, err := pullsOf(stack, c.Args().Slice(), c.Bool("include-deps"))
			if err != nil {
				return err
			}
			eng, err := connect(c.Context)
			if err != nil {
				return err
			}
			defer eng.Close()
			out := st.Err
			if c.Bool("quiet") {
				out = io.Discard
			}
			err = pullAll(c.Context, eng, list, pullOptions{onlyMissing: c.String("policy") == "missing", parallel: c.Int("parallel")}, out)
			if err != nil && c.Bool("ignore-pull-failures") && c.Context.Err() == nil {
				fmt.Fprintf(st.Err, "%s %v\n", st.Paint(ui.Yellow, "warning:"), err)
				return nil
			}
			return err
		},
	}
}

// imagePull is an image to pull, for a platform ("" is the engine's).
type imagePull struct{ image, platform string }

// pullsOf returns the images of services that the stack does not build; no names means all services. With deps, those of what the
// services depend on are among them.
func pullsOf(stack *services.Stack, names []string, deps bool) ([]imagePull, error) {
	var wanted []string
	for _, n := range names {
		w := stack.Find(n)
		if w == nil {
			return nil, unknownName("service", n, stack.DisplayNames())
		}
		if deps {
			wanted = stack.WithDependencies(wanted, w)
		} else {
			wanted = append(wanted, w.Name())
		}
	}
	var out []imagePull
	for _, w := range stack.Workloads {
		if len(names) > 0 && !slices.Contains(wanted, w.Name()) {
			continue
		}
		spec := w.PodSpec()
		for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
			built := slices.ContainsFunc(stack.Builds, func(b *services.Build) bool { return b.Image == c.Image })
			p := imagePull{c.Image, platformOf(w)}
			if !built && c.Image != "" && c.ImagePullPolicy != corev1.PullNever && !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out, nil
}

// platformOf is the platform that the file sets for a plain service, else "".
func platformOf(w *services.Workload) string {
	s, plain := w.Object.(*services.ComposeService)
	if !plain {
		return ""
	}
	c, err := compose.Decode(s.Spec.Template.Annotations[compose.Annotation], "")
	if err != nil {
		return ""
	}
	return c.Platform
}

// puller is the part of engine.Engine that pulls images.
type puller interface {
	InspectImage(ctx context.Context, ref string) (engine.Image, error)
	PullImage(ctx context.Context, ref string, opts engine.PullOptions) error
}

// pullOptions choose how pullAll pulls.
type pullOptions struct {
	// onlyMissing leaves out images that are there.
	onlyMissing bool
	// parallel is how many are pulled at a time; below 1 it is parallelPulls.
	parallel int
}

// pullAll pulls images, several at a time, and returns all errors.
func pullAll(ctx context.Context, eng puller, list []imagePull, o pullOptions, out io.Writer) error {
	out = &oneAtATime{to: out}
	errs := make([]error, len(list))
	var g errgroup.Group
	g.SetLimit(parallelPulls)
	if o.parallel > 0 {
		g.SetLimit(o.parallel)
	}
	for i, p := range list {
		g.Go(func() error {
			if o.onlyMissing {
				if _, err := eng.InspectImage(ctx, p.image); !engine.IsNotFound(err) {
					errs[i] = err
					return nil
				}
			}
			w := &lineWriter{prefix: p.image + ": ", to: out}
			if errs[i] = eng.PullImage(ctx, p.image, engine.PullOptions{Platform: p.platform, Out: w}); errs[i] == nil {
				fmt.Fprintln(w, "pulled")
			}
			return nil
		})
	}
	_ = g.Wait()
	return errors.Join(errs...)
}

// oneAtATime lets several goroutines write to one writer.
type oneAtATime struct {
	mu sync.Mutex
	to io.Writer
}

func (w *oneAtATime) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}
