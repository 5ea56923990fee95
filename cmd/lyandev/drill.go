package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/drill"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newDrillCommand(st *ui.Streams) *cli.Command {
	about := "Injects a fault into the running stack, measures its effect with real clients that use the app's service names,\n" +
		"removes the fault and prints a report. Exits with 0 if the limits were met, otherwise with 3.\n\nDrills:\n"
	for _, n := range drill.Names() {
		about += fmt.Sprintf("  %-17s %s\n", n[0], n[1])
	}
	return &cli.Command{
		Name: "drill", Usage: "inject a fault and report its effect on clients", ArgsUsage: "DRILL [SERVICE]", Description: about,
		Flags: append([]cli.Flag{
			&cli.DurationFlag{Name: "max-recover", Usage: "fail if clients are not served again within `DURATION`; default: the drill's own limit"},
			&cli.IntFlag{Name: "max-failed", Value: -1, Usage: "fail if more than `N` requests fail; -1 means no limit"},
			&cli.IntFlag{Name: "max-lost", Usage: "fail if more than `N` acknowledged writes are lost"},
			&cli.DurationFlag{Name: "timeout", Usage: "give up after `DURATION`; default: 2m"},
			&cli.DurationFlag{Name: "for", Usage: "partition: length of the partition (10s)"},
			&cli.IntFlag{Name: "times", Aliases: []string{"n"}, Usage: "profile-switch: number of switches (10)"},
			&cli.StringFlag{Name: "to", Value: "ha", Usage: "profile-switch: the profile to switch to and back from"},
		}, output.Flags()...),
		Action: func(c *cli.Context) error { return runDrill(c, st) },
	}
}

func runDrill(c *cli.Context, st *ui.Streams) error {
	s := drill.Scenario{Name: c.Args().Get(0), Service: c.Args().Get(1), For: c.Duration("for"), Times: c.Int("times")}
	if err := s.Check(); err != nil {
		return withCode(exitUsage, err)
	}
	how, err := outputOf(c, st)
	if err != nil {
		return err
	}
	t, err := findTarget(c, nil)
	if err != nil {
		return err
	}
	if err := ensureSupervisor(c, t, "lyandev up"); err != nil {
		return err
	}
	eng, err := connect(c.Context)
	if err != nil {
		return err
	}
	defer eng.Close()
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	dial, err := agentDial(ctx, eng, t)
	if err != nil {
		return err
	}
	timeEnd := timeDrill(ctx, t, strings.TrimSpace(s.Name+" "+s.Service))
	rep, err := drill.Run(ctx, drill.Config{
		Supervisor: t.client, Engine: eng, Dial: dial, Project: t.instance.Name, Home: t.instance.Home(),
		Operate: func(ctx context.Context, operator, action string) error {
			var ignored any
			return t.client.Operate(ctx, api.OperateRequest{Operator: operator, Action: action}, &ignored)
		},
		Switch: func(ctx context.Context) (string, error) { return switchOver(ctx, c, t, c.String("to")) },
		Say:    func(format string, a ...any) { fmt.Fprintf(st.Err, format+"\n", a...) },
	}, s, drill.Limits{
		Recover: c.Duration("max-recover"), Failed: c.Int("max-failed"), Lost: c.Int("max-lost"), Timeout: c.Duration("timeout"),
	})
	timeEnd(rep, err)
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(st.Err, "interrupted; the fault was removed")
		return exitCode(exitInterrupted)
	}
	if err != nil {
		return err
	}
	if how.ForProgram() {
		err = output.Object(st.Out, rep, how)
	} else {
		err = printReport(st, rep, how)
	}
	if err == nil && !rep.Passed {
		return exitCode(exitNotReady)
	}
	return err
}

// agentDial returns a dialer for the stack's names and addresses that connects through the stack's agent.
func agentDial(ctx context.Context, eng *engine.Docker, t *target) (func(ctx context.Context, network, addr string) (net.Conn, error), error) {
	list, err := eng.ListContainers(ctx, map[string]string{services.ProjectLabel: t.instance.Name, services.KindLabel: "agent"})
	if err != nil {
		return nil, err
	}
	token, tokenErr := os.ReadFile(t.instance.File("agent-token"))
	for _, c := range list {
		for _, b := range c.Ports {
			if b.ContainerPort == agent.ControlPort && b.HostPort != 0 && tokenErr == nil {
				client := agent.NewClient(fmt.Sprintf("127.0.0.1:%d", b.HostPort), string(token))
				return network.NewDialer(client, "").DialContext, nil
			}
		}
	}
	return nil, fmt.Errorf("cannot reach the services of %s: its network agent is not running; `lyandev up` starts it", t.instance.Name)
}

// switchOver switches to a profile, or to the file's default profile if that one is already active, and blocks until the
// switch is over.
func switchOver(ctx context.Context, c *cli.Context, t *target, other string) (string, error) {
	s, err := t.client.State(ctx)
	if err != nil {
		return "", err
	}
	if s.Profile == other {
		other = ""
	}
	stack, err := loadStack(c, other)
	if err != nil {
		return "", err
	}
	req := api.SwitchRequest{}
	req.Stack, req.NoBuild, req.PortsAuto = stack, true, t.portsAuto(c)
	began := time.Now()
	if err := t.client.Switch(ctx, req); err != nil {
		return "", err
	}
	var last *state.Switch
	err = t.client.WatchState(ctx, func(s *state.Status) bool {
		if s.Switch != nil && !s.Switch.Started.Before(began) {
			last = s.Switch
		}
		return last == nil || !last.Over()
	})
	if err == nil && last.Phase != state.SwitchDone {
		err = fmt.Errorf("%s: %s", last.Phase, last.Error)
	}
	return stack.Profile, err
}

// ofWrites is a number that only clients that write have.
func ofWrites(n func(t *drill.Tally) int) func(t *drill.Tally) string {
	return func(t *drill.Tally) string {
		if strings.HasPrefix(t.Client, "http") || strings.HasPrefix(t.Client, "tcp") {
			return ""
		}
		return strconv.Itoa(n(t))
	}
}

var drillClients = output.List[*drill.Tally]{Columns: []output.Column[*drill.Tally]{
	{Title: "  CLIENT", Cell: func(t *drill.Tally) string { return "  " + t.Client }},
	{Title: "REQUESTS", Cell: func(t *drill.Tally) string { return strconv.Itoa(t.Requests) }},
	{Title: "FAILED", Cell: func(t *drill.Tally) string { return strconv.Itoa(t.Failed) }},
	{Title: "OUTAGE", Cell: func(t *drill.Tally) string { return short(t.Outage) }},
	{Title: "RECOVERED", Cell: func(t *drill.Tally) string { return short(t.Recovered) }},
	{Title: "ACKNOWLEDGED", Cell: ofWrites(func(t *drill.Tally) int { return t.Acknowledged })},
	{Title: "LOST", Cell: ofWrites(func(t *drill.Tally) int { return t.Lost })},
	{Title: "FIRST ERROR", Cell: func(t *drill.Tally) string { return t.Error }},
}}

func printReport(st *ui.Streams, r *drill.Report, how output.Options) error {
	word, style := "passed", ui.Green
	if !r.Passed {
		word, style = "failed", ui.Red
	}
	fmt.Fprintf(st.Out, "%s %s: %s on %s\n", r.Drill, st.Paint(style, word), r.Fault, r.Target)
	if r.Expected != "" {
		fmt.Fprintf(st.Out, "  allowed   %s\n", r.Expected)
	}
	fmt.Fprintf(st.Out, "  detected  %s\n  recovered %s (limit %s)\n  right     %s\n",
		orNever(r.Detected), short(r.Recovered), r.Limits.Recover, orNever(r.Right))
	if err := drillClients.Print(st.Out, r.Clients, how); err != nil {
		return err
	}
	printed := 0
	for _, e := range r.Events {
		switch {
		case !telling(e):
		case printed == maxPrinted:
			fmt.Fprintln(st.Out, "  ... (--json prints all)")
			printed++
		case printed < maxPrinted:
			fmt.Fprintf(st.Out, "  %s %s/%s %s: %s\n", e.Last.Local().Format("15:04:05.000"), strings.ToLower(e.Kind), e.Name, e.Reason, output.Cut(output.OneLine(e.Message), 160))
			printed++
		}
	}
	for _, p := range r.Problems {
		fmt.Fprintf(st.Out, "  %s\n", st.Paint(ui.Red, p))
	}
	return nil
}

// maxPrinted is the maximum number of events that a report prints.
const maxPrinted = 25

// telling reports whether an event shows the reaction to a fault.
func telling(e state.Event) bool {
	return e.Type == "Warning" || e.Kind == "Stack" || strings.HasPrefix(e.Reason, "Redis") || strings.HasPrefix(e.Reason, "MariaDB") ||
		e.Reason == "RoleChanged" || e.Reason == "Started"
}

func orNever(d time.Duration) string {
	if d == 0 {
		return "never"
	}
	return short(d)
}
