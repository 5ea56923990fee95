package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/adrg/xdg"
	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newAutostartCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "autostart", Usage: "start the stack at boot, with a user unit of systemd",
		Description: "After a reboot Docker starts the containers of plain Compose services again, as their restart policies say. Services with\n" +
			"Kubernetes' semantics, and everything that lyandev adds, come back with `lyandev up`: autostart runs it.",
		Subcommands: []*cli.Command{
			{
				Name: "enable", Usage: "run `lyandev up -d` for this stack when the user's services start",
				Description: "Writes the unit lyandev-NAME.service to ~/.config/systemd/user and enables it. The unit has the project flags of this\n" +
					"command line, and those variables of the environment that say where Docker, the state and the stack's files are. Other\n" +
					"variables that the file uses belong in its .env. The services of a user start at the first login; `loginctl\n" +
					"enable-linger` makes them start at boot. A new path of the lyandev binary needs another enable.",
				Flags:  []cli.Flag{&cli.BoolFlag{Name: "print", Usage: "print the unit and change nothing"}},
				Action: func(c *cli.Context) error { return enableAutostart(c, st) },
			},
			{
				Name: "disable", Usage: "remove the unit; the stack goes on running",
				Action: func(c *cli.Context) error { return disableAutostart(c, st) },
			},
			{
				Name: "status", Usage: "say whether the stack is started at boot", Flags: output.Flags(),
				Action: func(c *cli.Context) error { return autostartStatus(c, st) },
			},
		},
		Action: func(c *cli.Context) error {
			return withCode(exitUsage, errors.New("cannot run autostart: say enable, disable or status; see lyandev autostart --help"))
		},
	}
}

// unitName is the name of an instance's unit.
func unitName(i *instance.Instance) string { return "lyandev-" + i.Name + ".service" }

// unitFile is the path of an instance's unit.
func unitFile(i *instance.Instance) string {
	return filepath.Join(xdg.ConfigHome, "systemd", "user", unitName(i))
}

func enableAutostart(c *cli.Context, st *ui.Streams) error {
	stack, err := loadStack(c, chosenProfile(c))
	if err != nil {
		return err
	}
	t, err := findTarget(c, stack)
	if err != nil {
		return err
	}
	text, err := unitText(c, t.instance)
	if err != nil {
		return err
	}
	if c.Bool("print") {
		fmt.Fprint(st.Out, text)
		return nil
	}
	if _, err := exec.LookPath("systemctl"); err != nil {
		return fmt.Errorf("cannot enable autostart of %s: there is no systemctl on this machine, so probably no systemd; "+
			"`lyandev autostart enable --print` prints what a unit of it would say", t.instance.Name)
	}
	file := unitFile(t.instance)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("cannot enable autostart of %s: %w", t.instance.Name, err)
	}
	if err := instance.WriteFile(file, []byte(text)); err != nil {
		return err
	}
	if err := systemctl(c, "enable", file, []string{"daemon-reload"}, []string{"enable", unitName(t.instance)}); err != nil {
		return err
	}
	fmt.Fprintf(st.Err, "enabled %s: `lyandev up -d` runs when your services start\n"+
		"that is at your first login; `loginctl enable-linger` makes it at boot\n", file)
	return nil
}

// systemctl runs systemctl --user for each list of arguments. If one fails, the error says what is left to do.
func systemctl(c *cli.Context, verb, file string, calls ...[]string) error {
	for i, args := range calls {
		out, err := exec.CommandContext(c.Context, "systemctl", append([]string{"--user"}, args...)...).CombinedOutput()
		if err == nil {
			continue
		}
		var left []string
		for _, l := range calls[i:] {
			left = append(left, "systemctl --user "+strings.Join(l, " "))
		}
		text := strings.TrimSpace(string(out))
		if text == "" {
			text = err.Error()
		}
		return fmt.Errorf("cannot %s %s: systemctl --user %s says: %s; run `%s` in a login session of this user",
			verb, file, strings.Join(args, " "), text, strings.Join(left, " && "))
	}
	return nil
}

func disableAutostart(c *cli.Context, st *ui.Streams) error {
	t, err := findTarget(c, nil)
	if err != nil {
		return err
	}
	file := unitFile(t.instance)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(st.Err, "autostart of %s is not enabled\n", t.instance.Name)
		return nil
	}
	// The link of enable goes with the unit, also where systemctl cannot be asked. The stack runs on: the unit is not stopped.
	link := filepath.Join(filepath.Dir(file), "default.target.wants", unitName(t.instance))
	for _, f := range []string{link, file} {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot disable autostart of %s: %w", t.instance.Name, err)
		}
	}
	if err := systemctl(c, "reload systemd without", file, []string{"daemon-reload"}); err != nil {
		fmt.Fprintf(st.Err, "%s %v\n", st.Paint(ui.Yellow, "note:"), err)
	}
	fmt.Fprintf(st.Err, "disabled %s\n", file)
	return nil
}

// autostartState is the JSON form of autostart status.
type autostartState struct {
	Project string `json:"project"`
	Enabled bool   `json:"enabled"`
	Unit    string `json:"unit"`
	// Systemd is what systemctl --user is-enabled says.
	Systemd string `json:"systemd,omitempty"`
}

func autostartStatus(c *cli.Context, st *ui.Streams) error {
	how, err := outputOf(c, st)
	if err != nil {
		return err
	}
	t, err := findTarget(c, nil)
	if err != nil {
		return err
	}
	status := autostartState{Project: t.instance.Name, Unit: unitFile(t.instance)}
	if _, err := os.Stat(status.Unit); err == nil {
		out, _ := exec.CommandContext(c.Context, "systemctl", "--user", "is-enabled", unitName(t.instance)).Output()
		status.Systemd = strings.TrimSpace(string(out))
		status.Enabled = status.Systemd == "enabled"
	}
	switch {
	case how.ForProgram():
		return output.Object(st.Out, status, how)
	case status.Enabled:
		fmt.Fprintf(st.Out, "%s is started at boot by %s\n", status.Project, status.Unit)
	case status.Systemd != "":
		fmt.Fprintf(st.Out, "%s is not started at boot: %s is there, but systemctl --user says %s; `lyandev autostart enable` enables it\n", status.Project, status.Unit, status.Systemd)
	default:
		if _, err := os.Stat(status.Unit); err == nil {
			fmt.Fprintf(st.Out, "%s has the unit %s, but systemctl --user does not answer\n", status.Project, status.Unit)
			return nil
		}
		fmt.Fprintf(st.Out, "%s is not started at boot; `lyandev autostart enable` makes it\n", status.Project)
	}
	return nil
}
