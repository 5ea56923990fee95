package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newEndpointsCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "endpoints", Aliases: []string{"services", "svc", "ep"}, Usage: "list every service with its address, ports, endpoints and host ports",
		Description: "-o json prints one object with all services; with --watch one object, on a line, after every change.",
		Flags:       listFlags(output.QuietFlag(""), output.WatchFlag()),
		Action: func(c *cli.Context) error {
			how, err := listOutput(c, st)
			if err != nil {
				return err
			}
			t, err := findTarget(c, nil)
			if err != nil {
				return err
			}
			if c.Bool("watch") {
				return watchEndpoints(c, st, t, how)
			}
			r, err := t.client.Endpoints(c.Context)
			if err != nil {
				return err
			}
			if err := printEndpoints(st, r, how); err != nil {
				return err
			}
			if s, err := t.client.State(c.Context); err == nil {
				warnEngine(st, s)
			}
			return nil
		},
	}
}

// watchEndpoints prints the endpoints again after every change, until Ctrl-C or the supervisor's end.
func watchEndpoints(c *cli.Context, st *ui.Streams, t *target, how output.Options) error {
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt)
	defer stop()
	var failed error
	err := t.client.WatchEndpoints(ctx, func(r *network.Registry) bool {
		failed = printEndpoints(st, *r, how)
		return failed == nil
	})
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(failed, err)
}

var endpointList = output.List[network.RegistryService]{
	Columns: []output.Column[network.RegistryService]{
		{Title: "SERVICE", Cell: func(s network.RegistryService) string { return s.Name }},
		{Title: "TYPE", Cell: func(s network.RegistryService) string { return s.Type }},
		{Title: "ADDRESS", Cell: func(s network.RegistryService) string {
			if s.ExternalName != "" {
				return s.ExternalName
			}
			return s.Address
		}},
		{Title: "PORTS", Cell: func(s network.RegistryService) string {
			var ports []string
			for _, p := range s.Ports {
				ports = append(ports, fmt.Sprintf("%d/%s", p.Port, p.Protocol))
			}
			return strings.Join(ports, ",")
		}},
		{Title: "READY", Cell: func(s network.RegistryService) string { return endpointNames(s.Ready) }, Shrinks: true},
		{Title: "NOT READY", Cell: func(s network.RegistryService) string { return endpointNames(s.NotReady) }, Shrinks: true},
		{Title: "DNS", Cell: func(s network.RegistryService) string { return s.DNS }, Wide: true},
		{Title: "HOST", Cell: func(s network.RegistryService) string {
			var hosts []string
			for _, p := range s.Ports {
				hosts = append(hosts, p.Host...)
			}
			return strings.Join(hosts, ",")
		}},
	},
	Name:  func(s network.RegistryService) string { return "service/" + s.Name },
	Quiet: func(s network.RegistryService) string { return s.Name },
}

func printEndpoints(st *ui.Streams, r network.Registry, how output.Options) error {
	if how.ForProgram() {
		return output.Object(st.Out, r, how)
	}
	return endpointList.Print(st.Out, r.Services, how)
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
