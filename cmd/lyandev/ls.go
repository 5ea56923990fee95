package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newLsCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "ls", Usage: "list the instances on this machine",
		Description: "Lists also the instances that are stopped. An instance is unattended if its containers run without a supervisor. --format json and --quiet list those that run, with --all the others too;\n" +
			"the JSON has the names of docker compose ls.",
		Flags: listFlags(
			&cli.StringFlag{Name: "format", Value: "table", Usage: "`table` or json"},
			output.QuietFlag(""),
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "with --quiet and --format json: also what is stopped"},
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
			if compose = compose && !how.ForProgram(); compose || how.Quiet {
				return listAsCompose(c, st, how.Quiet, c.Bool("all"))
			}
			rows, err := listInstances(c, st)
			if err != nil {
				return err
			}
			return instanceList.Print(st.Out, rows, how)
		},
	}
}

// lsInstance is the JSON form of one instance.
type lsInstance struct {
	Name    string   `json:"name"`
	Project string   `json:"project"`
	Dir     string   `json:"dir"`
	Phase   string   `json:"phase"`
	Profile string   `json:"profile,omitempty"`
	Pods    int      `json:"pods"`
	Ports   []string `json:"ports,omitempty"`
	files   []string
}

// composeProject is an instance as docker compose ls prints it.
type composeProject struct{ Name, Status, ConfigFiles string }

// listAsCompose prints the instances, or with quiet their names, as docker compose ls does: what does not run only with all.
func listAsCompose(c *cli.Context, st *ui.Streams, quiet, all bool) error {
	rows, err := listInstances(c, st)
	if err != nil {
		return err
	}
	out := []composeProject{}
	for _, r := range rows {
		p := composeProject{Name: r.Name, Status: fmt.Sprintf("running(%d)", r.Pods), ConfigFiles: strings.Join(r.files, ",")}
		if r.Phase == "stopped" {
			p.Status = "exited(0)"
		}
		if r.Phase == "stopped" && !all {
			continue
		}
		if quiet {
			fmt.Fprintln(st.Out, p.Name)
		}
		out = append(out, p)
	}
	if quiet {
		return nil
	}
	return json.NewEncoder(st.Out).Encode(out)
}

var instanceList = output.List[lsInstance]{
	Columns: []output.Column[lsInstance]{
		{Title: "NAME", Cell: func(i lsInstance) string { return i.Name }},
		{Title: "PHASE", Cell: func(i lsInstance) string { return i.Phase }},
		{Title: "PROFILE", Cell: func(i lsInstance) string { return i.Profile }},
		{Title: "PODS", Cell: func(i lsInstance) string { return strconv.Itoa(i.Pods) }},
		{Title: "PORTS", Cell: func(i lsInstance) string { return strings.Join(i.Ports, ",") }, Shrinks: true},
		{Title: "PROJECT", Cell: func(i lsInstance) string { return i.Project }, Wide: true},
		{Title: "FILES", Cell: func(i lsInstance) string { return strings.Join(i.files, ",") }, Wide: true},
		{Title: "DIRECTORY", Cell: func(i lsInstance) string { return i.Dir }},
	},
	Name: func(i lsInstance) string { return "instance/" + i.Name },
}

// listInstances asks the supervisor of each instance for its state.
func listInstances(c *cli.Context, st *ui.Streams) ([]lsInstance, error) {
	all, err := instance.Open().List()
	if err != nil {
		return nil, err
	}
	out := []lsInstance{}
	left := leftRunning(c.Context)
	for _, i := range all {
		row := lsInstance{Name: i.Name, Project: i.Project, Dir: i.Dir, Phase: "stopped", files: i.Files}
		if len(row.files) == 0 {
			if file, err := profiles.Find(i.Dir); err == nil {
				row.files = []string{file}
			}
		}
		if s, err := newTarget(i).client.State(c.Context); err == nil {
			row.Phase, row.Profile, row.Pods = string(s.Phase), s.Profile, len(s.Pods)
			for _, h := range s.Bound {
				row.Ports = append(row.Ports, h.Address())
			}
		} else if !errors.Is(err, api.ErrNoSupervisor) {
			row.Phase = "unknown"
			fmt.Fprintf(st.Err, "%s %s: %v\n", st.Paint(ui.Red, "warning:"), i.Name, err)
		}
		if n := left[i.Name]; row.Phase == "stopped" && n > 0 {
			row.Phase, row.Pods = unattendedPhase, n
		}
		out = append(out, row)
	}
	return out, nil
}

// unattendedPhase is the phase of an instance without a supervisor whose containers run.
const unattendedPhase = "unattended"

// leftRunning counts the running containers of all instances by name, none if the engine does not answer.
func leftRunning(ctx context.Context) map[string]int {
	eng, err := connect(ctx)
	if err != nil {
		return nil
	}
	defer eng.Close()
	list, err := eng.ListContainers(ctx, map[string]string{services.KindLabel: dockerpod.KindContainer})
	if err != nil {
		return nil
	}
	byName := map[string]int{}
	for _, c := range list {
		byName[c.Labels[services.ProjectLabel]] += running([]engine.Container{c})
	}
	return byName
}
