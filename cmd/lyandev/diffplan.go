package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/adrg/xdg"
	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/upplan"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/provider"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// planUp says what `up` of a stack would do. It changes nothing. Without an engine images are left out, and that is said.
func planUp(c *cli.Context, st *ui.Streams, t *target, stack *services.Stack, r api.ApplyRequest) (*upplan.Plan, error) {
	before, err := supervisor.SavedStack(t.instance)
	if err != nil {
		return nil, err
	}
	eng, noEngine := connect(c.Context)
	if noEngine == nil {
		defer eng.Close()
	}
	now, err := whatRuns(c, t, eng, noEngine, before != nil)
	if err != nil {
		return nil, err
	}
	var images []upplan.Image
	o := supervisor.PlanOptions{Only: r.Only, NoDeps: r.NoDeps, NoRecreate: r.NoRecreate}
	if noEngine == nil {
		o.Images = func(builds []*services.Build) (ids map[string]string, err error) {
			ids, images, err = checkImages(c, st, eng, builds, r)
			return ids, err
		}
	}
	planned, err := supervisor.Planned(t.instance, before, stack, now.Pods, o)
	if err != nil {
		return nil, err
	}
	bindAsNow(before, planned.Stack, now.Bound)
	p := upplan.New(upplan.Look{Before: before, After: planned.Stack, Pods: now.Pods, Again: planned.Again, Adopted: now.Applied == 0})
	p.Images = images
	if noEngine != nil {
		fmt.Fprintf(st.Err, "%s which images are built and pulled is not known: %v\n", st.Paint(ui.Yellow, "note:"), noEngine)
	} else if err := addPulls(c.Context, eng, &p, stack, r); err != nil {
		return nil, err
	}
	for _, x := range provider.Needed(stack, r.Only) {
		p.Providers = append(p.Providers, x.Name+" by "+x.Type)
	}
	for _, x := range stack.Models {
		p.Models = append(p.Models, x.Model)
	}
	return &p, nil
}

// whatRuns is the state of an instance, with or without a supervisor; some is false if nothing of it can run. noEngine is why there is no
// engine to ask, nil if there is one.
func whatRuns(c *cli.Context, t *target, eng *engine.Docker, noEngine error, some bool) (*state.Status, error) {
	now, err := t.client.State(c.Context)
	switch {
	case !errors.Is(err, api.ErrNoSupervisor):
		return now, err
	case !some:
		return &state.Status{}, nil
	case noEngine != nil:
		return nil, noEngine
	}
	return supervisor.Observe(c.Context, eng, t.instance)
}

// checkImages returns the IDs that the images of builds would have, by reference, and those that would be built.
func checkImages(c *cli.Context, st *ui.Streams, eng *engine.Docker, builds []*services.Build, r api.ApplyRequest) (map[string]string, []upplan.Image, error) {
	ids := map[string]string{}
	if r.NoBuild {
		for _, b := range builds {
			if i, err := eng.InspectImage(c.Context, b.Image); err == nil {
				ids[b.Image] = i.ID // up refuses to go on without the image, and says which
			} else if !engine.IsNotFound(err) {
				return nil, nil, err
			}
		}
		return ids, nil, nil
	}
	b := &build.Builder{API: eng.API(), Images: eng, CacheDir: filepath.Join(xdg.CacheHome, "lyandev"), Log: logger(c, st)}
	list, err := b.Check(c.Context, builds, build.Options{Force: r.Build, Refs: build.RefsOf(builds)})
	if err != nil {
		return nil, nil, err
	}
	var images []upplan.Image
	for _, v := range list {
		if ids[v.Image] = v.ImageID; !v.Current {
			ids[v.Image] = upplan.NewImageID(v.Image)
			images = append(images, upplan.Image{Image: v.Image, Action: upplan.Build, Because: v.Because})
		}
	}
	return ids, images, nil
}

// addPulls adds the images that have to be pulled.
func addPulls(ctx context.Context, eng *engine.Docker, p *upplan.Plan, stack *services.Stack, r api.ApplyRequest) error {
	list, err := pullsOf(stack, r.Only, !r.NoDeps)
	if err != nil {
		return err
	}
	for _, x := range list {
		why := ""
		if _, err := eng.InspectImage(ctx, x.image); engine.IsNotFound(err) {
			why = "it is not on this machine"
		} else if err != nil {
			return err
		}
		if why != "" && !slices.ContainsFunc(p.Images, func(i upplan.Image) bool { return i.Image == x.image }) {
			p.Images = append(p.Images, upplan.Image{Image: x.image, Action: upplan.Pull, Because: []string{why}})
		}
	}
	return nil
}

// bindAsNow puts the numbers of the host ports that are bound in the place of the file's, also in the planned stack where the file has
// not changed.
func bindAsNow(before, planned *services.Stack, bound []services.HostPort) {
	if before == nil || len(bound) != len(before.HostPorts) {
		return
	}
	key := func(h services.HostPort) services.HostPort {
		h.Source, h.Namespace = "", cmp.Or(h.Namespace, "default")
		return h
	}
	for i, h := range planned.HostPorts {
		if j := slices.IndexFunc(before.HostPorts, func(o services.HostPort) bool { return key(o) == key(h) }); j >= 0 {
			planned.HostPorts[i] = bound[j]
		}
	}
	before.HostPorts = bound
}
