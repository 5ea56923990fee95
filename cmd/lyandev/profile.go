package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newProfileCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "profile", Usage: "list, show and compare profiles; switch a running stack to another profile",
		Subcommands: []*cli.Command{
			{
				Name: "ls", Usage: "list the profiles of the file", Flags: []cli.Flag{jsonFlag()},
				Action: func(c *cli.Context) error { return runProfileLs(c, st, c.Bool("json")) },
			},
			{
				Name: "show", Usage: "show what a profile runs", ArgsUsage: "[NAME]", Flags: []cli.Flag{jsonFlag()},
				Action: func(c *cli.Context) error { return runProfileShow(c, st, c.Args().First(), c.Bool("json")) },
			},
			{
				Name: "diff", Usage: "show the differences between two profiles", ArgsUsage: "A B", Flags: []cli.Flag{jsonFlag()},
				Action: func(c *cli.Context) error { return runProfileDiff(c, st, c.Bool("json")) },
			},
			newProfileUseCommand(st),
		},
	}
}

// runningProfile returns the profile of the supervised stack, "" if none runs.
func runningProfile(c *cli.Context) string {
	t, err := findTarget(c, nil)
	if err != nil {
		return ""
	}
	if s, err := t.client.State(c.Context); err == nil && len(s.Workloads) > 0 {
		return s.Profile
	}
	return ""
}

func listProfiles(c *cli.Context) ([]profiles.Info, error) {
	list, err := profiles.List(c.Context, profiles.Options{Files: c.StringSlice("file"), Stdin: stdinOnce, Env: os.Environ(), EnvFiles: c.StringSlice("env-file"), WorkDir: c.String("project-directory")})
	return list, withCode(exitUsage, err)
}

func runProfileLs(c *cli.Context, st *ui.Streams, asJSON bool) error {
	list, err := listProfiles(c)
	if err != nil {
		return err
	}
	running := runningProfile(c)
	if asJSON {
		type row struct {
			profiles.Info
			Running bool `json:"running,omitempty"`
		}
		out := []row{}
		for _, p := range list {
			out = append(out, row{p, p.Name == running && running != ""})
		}
		return json.NewEncoder(st.Out).Encode(out)
	}
	w := tabwriter.NewWriter(st.Out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tIS\tEXTENDS\tDESCRIPTION")
	for _, p := range list {
		var is []string
		if p.Name == running && running != "" {
			is = append(is, "running")
		}
		if p.Default {
			is = append(is, "default")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.Name, dash(strings.Join(is, ", ")), dash(strings.Join(p.Extends, ", ")), p.Description)
	}
	return w.Flush()
}

// profileView is the JSON form of a profile's workloads and services.
type profileView struct {
	Name      string              `json:"name"`
	Running   bool                `json:"running"`
	Workloads []profileWorkload   `json:"workloads"`
	Services  []string            `json:"services"`
	HostPorts []services.HostPort `json:"hostPorts,omitempty"`
}

type profileWorkload struct {
	Name      string   `json:"name"`
	Kind      string   `json:"kind"`
	Replicas  int32    `json:"replicas"`
	Operator  string   `json:"operator,omitempty"`
	Images    []string `json:"images"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

func runProfileShow(c *cli.Context, st *ui.Streams, name string, asJSON bool) error {
	running := runningProfile(c)
	if name == "" {
		name = running
	}
	stack, err := loadStack(c, name)
	if err != nil {
		return err
	}
	v := viewProfile(stack, running)
	if asJSON {
		return json.NewEncoder(st.Out).Encode(v)
	}
	title := v.Name
	if v.Running {
		title += " (running)"
	}
	fmt.Fprintln(st.Out, st.Paint(ui.Bold, dash(title)))
	w := tabwriter.NewWriter(st.Out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "WORKLOAD\tKIND\tPODS\tIMAGES\tAFTER")
	for _, x := range v.Workloads {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", x.Name, x.Kind, x.Replicas, strings.Join(x.Images, ", "), dash(strings.Join(x.DependsOn, ", ")))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(st.Out, "services: %s\n", strings.Join(v.Services, ", "))
	for _, h := range v.HostPorts {
		fmt.Fprintln(st.Out, hostPortLine(h))
	}
	return nil
}

// viewProfile returns the view of a stack.
func viewProfile(stack *services.Stack, running string) profileView {
	v := profileView{Name: stack.Profile, Running: running != "" && running == stack.Profile, HostPorts: stack.HostPorts}
	for _, w := range stack.Workloads {
		x := profileWorkload{Name: w.Name(), Kind: w.Kind(), Replicas: w.Replicas(), Operator: w.Operator}
		for _, c := range w.PodSpec().Containers {
			if !slices.Contains(x.Images, c.Image) {
				x.Images = append(x.Images, c.Image)
			}
		}
		for _, d := range w.DependsOn {
			if stack.Workload(d.Workload) != nil {
				x.DependsOn = append(x.DependsOn, d.Workload)
			}
		}
		v.Workloads = append(v.Workloads, x)
	}
	for _, s := range stack.Services {
		v.Services = append(v.Services, s.Name)
	}
	return v
}

func runProfileDiff(c *cli.Context, st *ui.Streams, asJSON bool) error {
	a, err := loadStack(c, c.Args().Get(0))
	if err != nil {
		return err
	}
	b, err := loadStack(c, c.Args().Get(1))
	if err != nil {
		return err
	}
	changes := profiles.Diff(a, b)
	if asJSON {
		if changes == nil {
			changes = []profiles.Change{}
		}
		return json.NewEncoder(st.Out).Encode(changes)
	}
	for _, x := range changes {
		fmt.Fprintln(st.Out, x)
	}
	if len(changes) == 0 {
		fmt.Fprintf(st.Err, "%s and %s do not differ\n", a.Profile, b.Profile)
	}
	return nil
}

func newProfileUseCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "use", Usage: "switch the running stack to another profile; roll back on failure", ArgsUsage: "NAME",
		Description: "Prints the plan and carries it out. Workloads that both profiles share keep running with their addresses. Removed\n" +
			"workloads are stopped only when all remaining ones are ready; their volumes are kept. A master that is removed\n" +
			"hands its role over first. If the new profile is not ready in time, the switch is rolled back. Ctrl-C only\n" +
			"detaches; the switch continues.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Usage: "print the plan and change nothing"},
			&cli.DurationFlag{Name: "limit", Value: 3 * time.Minute, Usage: "roll back if the new profile is not ready within `DURATION`"},
			&cli.BoolFlag{Name: "build", Usage: "build images even if nothing changed"},
			&cli.BoolFlag{Name: "no-build", Usage: "do not build; use the existing images"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "do not show progress"},
			jsonFlag(),
		},
		Action: func(c *cli.Context) error { return runProfileUse(c, st) },
	}
}
