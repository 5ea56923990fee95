package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newEndpointsCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "endpoints", Usage: "list every service with its address, ports, endpoints and host ports",
		Flags: []cli.Flag{jsonFlag(), &cli.BoolFlag{Name: "watch", Aliases: []string{"w"}, Usage: "watch, and print again after every change"}},
		Action: func(c *cli.Context) error {
			t, err := findTarget(c, nil)
			if err != nil {
				return err
			}
			show := func(r *network.Registry) bool { printEndpoints(st.Out, *r, c.Bool("json")); return true }
			if c.Bool("watch") {
				return t.client.WatchEndpoints(c.Context, show)
			}
			r, err := t.client.Endpoints(c.Context)
			if err != nil {
				return err
			}
			show(&r)
			if s, err := t.client.State(c.Context); err == nil {
				warnEngine(st, s)
			}
			return nil
		},
	}
}

func printEndpoints(out io.Writer, r network.Registry, asJSON bool) {
	if asJSON {
		_ = json.NewEncoder(out).Encode(r)
		return
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "SERVICE\tTYPE\tADDRESS\tPORTS\tREADY\tNOT READY\tHOST")
	for _, s := range r.Services {
		var ports, hosts []string
		for _, p := range s.Ports {
			ports = append(ports, fmt.Sprintf("%d/%s", p.Port, p.Protocol))
			hosts = append(hosts, p.Host...)
		}
		address := s.Address
		if s.ExternalName != "" {
			address = s.ExternalName
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Name, s.Type, dash(address), dash(strings.Join(ports, ",")),
			dash(endpointNames(s.Ready)), dash(endpointNames(s.NotReady)), dash(strings.Join(hosts, ",")))
	}
	_ = w.Flush()
}

func endpointNames(list []network.RegistryEndpoint) string {
	var out []string
	for _, e := range list {
		out = append(out, e.Pod)
	}
	return strings.Join(out, ",")
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
