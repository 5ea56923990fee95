package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newProfileCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "profile", Usage: "list, show and compare profiles; switch a running stack to another profile",
		Subcommands: []*cli.Command{
			{
				Name: "ls", Aliases: []string{"list"}, Usage: "list the profiles of the file", Flags: listFlags(output.QuietFlag("")),
				Action: func(c *cli.Context) error { return runProfileLs(c, st) },
			},
			{
				Name: "show", Usage: "show what a profile runs", ArgsUsage: "[NAME]", Flags: listFlags(),
				Action: func(c *cli.Context) error { return runProfileShow(c, st, c.Args().First()) },
			},
			{
				Name: "diff", Usage: "show the differences between two profiles", ArgsUsage: "A B", Flags: output.Flags(),
				Action: func(c *cli.Context) error { return runProfileDiff(c, st) },
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

// profileRow is the JSON form of a profile of the file.
type profileRow struct {
	profiles.Info
	Running bool `json:"running,omitempty"`
}

// is says which profile it is: the running one, the default.
func (p profileRow) is() string {
	var is []string
	if p.Running {
		is = append(is, "running")
	}
	if p.Default {
		is = append(is, "default")
	}
	return strings.Join(is, ", ")
}

var profileList = output.List[profileRow]{
	Columns: []output.Column[profileRow]{
		{Title: "NAME", Cell: func(p profileRow) string { return p.Name }},
		{Title: "IS", Cell: profileRow.is},
		{Title: "EXTENDS", Cell: func(p profileRow) string { return strings.Join(p.Extends, ", ") }},
		{Title: "DESCRIPTION", Cell: func(p profileRow) string { return p.Description }},
	},
	Name:  func(p profileRow) string { return "profile/" + p.Name },
	Quiet: func(p profileRow) string { return p.Name },
}

func runProfileLs(c *cli.Context, st *ui.Streams) error {
	how, err := listOutput(c, st)
	if err != nil {
		return err
	}
	list, err := listProfiles(c)
	if err != nil {
		return err
	}
	running := runningProfile(c)
	rows := []profileRow{}
	for _, p := range list {
		rows = append(rows, profileRow{p, p.Name == running && running != ""})
	}
	return profileList.Print(st.Out, rows, how)
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

var profileWorkloadList = output.List[profileWorkload]{
	Columns: []output.Column[profileWorkload]{
		{Title: "WORKLOAD", Cell: func(w profileWorkload) string { return w.Name }},
		{Title: "KIND", Cell: func(w profileWorkload) string { return w.Kind }},
		{Title: "PODS", Cell: func(w profileWorkload) string { return strconv.Itoa(int(w.Replicas)) }},
		{Title: "OPERATOR", Cell: func(w profileWorkload) string { return w.Operator }, Wide: true},
		{Title: "IMAGES", Cell: func(w profileWorkload) string { return strings.Join(w.Images, ", ") }, Shrinks: true},
		{Title: "AFTER", Cell: func(w profileWorkload) string { return strings.Join(w.DependsOn, ", ") }},
	},
	Name: func(w profileWorkload) string { return ui.Kind(w.Kind) + "/" + w.Name },
}

func runProfileShow(c *cli.Context, st *ui.Streams, name string) error {
	how, err := listOutput(c, st)
	if err != nil {
		return err
	}
	running := runningProfile(c)
	if name == "" {
		name = running
	}
	stack, err := loadStack(c, name)
	if err != nil {
		return err
	}
	v := viewProfile(stack, running)
	switch {
	case how.ForProgram():
		return output.Object(st.Out, v, how)
	case how.Format == output.Name:
		return profileWorkloadList.Print(st.Out, v.Workloads, how)
	}
	title := v.Name
	if v.Running {
		title += " (running)"
	}
	fmt.Fprintln(st.Out, st.Paint(ui.Bold, dash(title)))
	if err := profileWorkloadList.Print(st.Out, v.Workloads, how); err != nil {
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

func runProfileDiff(c *cli.Context, st *ui.Streams) error {
	how, err := outputOf(c, st)
	if err != nil {
		return err
	}
	a, err := loadStack(c, c.Args().Get(0))
	if err != nil {
		return err
	}
	b, err := loadStack(c, c.Args().Get(1))
	if err != nil {
		return err
	}
	changes := profiles.Diff(a, b)
	if how.ForProgram() {
		return output.List[profiles.Change]{}.Print(st.Out, changes, how)
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
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Usage: "print the plan and change nothing"},
			&cli.DurationFlag{Name: "limit", Value: 3 * time.Minute, Usage: "roll back if the new profile is not ready within `DURATION`"},
			&cli.BoolFlag{Name: "build", Usage: "build images even if nothing changed"},
			&cli.BoolFlag{Name: "no-build", Usage: "do not build; use the existing images"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "do not show progress"},
		}, output.Flags()...),
		Action: func(c *cli.Context) error { return runProfileUse(c, st) },
	}
}
