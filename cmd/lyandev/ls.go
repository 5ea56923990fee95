package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newLsCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "ls", Usage: "list the instances on this machine", Flags: []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error { return runLs(c, st, c.Bool("json")) },
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
}

func runLs(c *cli.Context, st *ui.Streams, asJSON bool) error {
	all, err := instance.Open().List()
	if err != nil {
		return err
	}
	out := []lsInstance{}
	for _, i := range all {
		row := lsInstance{Name: i.Name, Project: i.Project, Dir: i.Dir, Phase: "stopped"}
		if s, err := newTarget(i).client.State(c.Context); err == nil {
			row.Phase, row.Profile, row.Pods = string(s.Phase), s.Profile, len(s.Pods)
			for _, h := range s.Bound {
				row.Ports = append(row.Ports, h.Address())
			}
		} else if !errors.Is(err, api.ErrNoSupervisor) {
			row.Phase = "unknown"
			fmt.Fprintf(st.Err, "%s %s: %v\n", st.Paint(ui.Red, "warning:"), i.Name, err)
		}
		out = append(out, row)
	}
	if asJSON {
		return json.NewEncoder(st.Out).Encode(out)
	}
	w := tabwriter.NewWriter(st.Out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tPHASE\tPROFILE\tPODS\tPORTS\tDIRECTORY")
	for _, r := range out {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%v\t%s\n", r.Name, r.Phase, dash(r.Profile), r.Pods, r.Ports, r.Dir)
	}
	return w.Flush()
}
