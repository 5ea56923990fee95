package main

import (
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/provider"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// plannedUp is what `up` would do.
type plannedUp struct {
	Changes []profiles.Change `json:"changes"`
	// Builds are the images that are built if their sources have changed. Pulls are those that are not on this machine; they are
	// missing from the plan if no engine answers.
	Builds []string `json:"builds,omitempty"`
	Pulls  []string `json:"pulls,omitempty"`
	// Providers are the services that a program on the host would provide, Models the models that the Docker Model plugin would make
	// ready. A dry run runs neither, so what they would change in the environment of their users is not among the changes.
	Providers []string `json:"providers,omitempty"`
	Models    []string `json:"models,omitempty"`
}

// dryRun prints what `up` of a stack would do, and changes nothing.
func dryRun(c *cli.Context, st *ui.Streams, t *target, stack *services.Stack, r api.ApplyRequest) error {
	running, err := supervisor.SavedStack(t.instance)
	if err != nil {
		return err
	}
	planned, err := supervisor.Planned(running, stack, t.instance.Name, r.Only, !r.NoDeps)
	if err != nil {
		return err
	}
	p := plannedUp{Changes: profiles.Diff(running, planned)}
	p.Changes = slices.DeleteFunc(p.Changes, func(x profiles.Change) bool { return x.Kind == "Build" })
	for _, b := range planned.Builds {
		p.Builds = append(p.Builds, b.Image)
	}
	for _, x := range provider.Needed(stack, r.Only) {
		p.Providers = append(p.Providers, x.Name+" by "+x.Type)
	}
	for _, x := range stack.Models {
		p.Models = append(p.Models, x.Model)
	}
	if p.Pulls, err = missingImages(c, stack, r.Only, !r.NoDeps); err != nil {
		fmt.Fprintf(st.Err, "%s which images are pulled is not known: %v\n", st.Paint(ui.Yellow, "note:"), err)
	}
	if c.Bool("json") {
		return printJSON(st.Out, p)
	}
	for _, x := range p.Changes {
		fmt.Fprintln(st.Out, x)
	}
	for _, image := range p.Builds {
		fmt.Fprintf(st.Out, "%-8s %s: if its sources have changed\n", "build", image)
	}
	for _, image := range p.Pulls {
		fmt.Fprintf(st.Out, "%-8s %s\n", "pull", image)
	}
	for _, x := range p.Providers {
		fmt.Fprintf(st.Out, "%-8s %s: not run here, so what it would change is not known\n", "provide", x)
	}
	for _, x := range p.Models {
		fmt.Fprintf(st.Out, "%-8s %s: not made ready here\n", "model", x)
	}
	if len(p.Changes)+len(p.Builds)+len(p.Pulls)+len(p.Providers)+len(p.Models) == 0 {
		fmt.Fprintln(st.Out, "nothing to do: what runs is what the file says")
	}
	return nil
}

// missingImages are the images of services, and with deps of what they depend on, that have to be pulled.
func missingImages(c *cli.Context, stack *services.Stack, only []string, deps bool) ([]string, error) {
	list, err := pullsOf(stack, only, deps)
	if err != nil {
		return nil, err
	}
	eng, err := connect(c.Context)
	if err != nil {
		return nil, err
	}
	defer eng.Close()
	var out []string
	for _, p := range list {
		if _, err := eng.InspectImage(c.Context, p.image); engine.IsNotFound(err) {
			out = append(out, p.image)
		} else if err != nil {
			return nil, err
		}
	}
	return out, nil
}
