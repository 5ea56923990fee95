package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/adrg/xdg"
	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/catalogue"
	"github.com/lyandev/lyandev/supervisor"
	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// chosenProfile returns the profiles of --profile, separated by commas, "" if none was given.
func chosenProfile(c *cli.Context) string { return strings.Join(c.StringSlice("profile"), ",") }

// jsonFlag returns the flag of commands that can print JSON.
func jsonFlag() cli.Flag { return &cli.BoolFlag{Name: "json", Usage: "print JSON"} }

// loadStack loads the stack named on the command line for a profile ("" is the file's default). Errors have exitUsage.
func loadStack(c *cli.Context, profile string) (*services.Stack, error) {
	return loadStackFor(c, profile, nil, "", true)
}

// loadActive loads the stack for the profiles of the command line, with the Compose profiles of some services active too. If none of them is
// a profile of x-lyandev, that of the stack that runs goes on, else the file's default.
func loadActive(c *cli.Context, profile string, names []string) (*services.Stack, error) {
	if i := savedInstance(c, instance.Open()); i != nil {
		running, _ := supervisor.SavedProfile(i)
		return loadStackFor(c, profile, names, running, true)
	}
	stack, err := loadStackFor(c, profile, names, "", true)
	if err != nil {
		return nil, err
	}
	t, err := findTarget(c, stack)
	if err != nil {
		return stack, nil // the caller looks for it again
	}
	running, _ := supervisor.SavedProfile(t.instance)
	if running == "" || running == stack.OwnProfile {
		return stack, nil
	}
	return loadStackFor(c, profile, names, running, false)
}

// loadStackFor is loadStack with the Compose profiles of some services active too, and the profile of x-lyandev that is active if the
// command line names none. With every, the other profiles are checked too.
func loadStackFor(c *cli.Context, profile string, names []string, active string, every bool) (*services.Stack, error) {
	files := c.StringSlice("file")
	for i, f := range files {
		if f == "-" {
			continue
		}
		abs, err := filepath.Abs(f)
		if err != nil {
			return nil, fmt.Errorf("cannot find %s: %w", f, err)
		}
		files[i] = abs
	}
	o := loadOptions(c, profile, names)
	o.Files, o.Active, o.EveryProfile = files, active, every
	stack, err := profiles.Load(c.Context, o)
	return stack, withCode(exitUsage, err)
}

// loadOptions are the options of the command line for loading the files.
func loadOptions(c *cli.Context, profile string, names []string) profiles.Options {
	return profiles.Options{
		Files: c.StringSlice("file"), Stdin: stdinOnce, ProjectName: c.String("project-name"), Profiles: []string{profile}, Services: names, Env: os.Environ(),
		EnvFiles: c.StringSlice("env-file"), WorkDir: c.String("project-directory"), NoProfiles: profile == "" && c.IsSet("profile"),
	}
}

// stdinOnce is standard input, for -f -; a command may load its stack more than once.
var stdinOnce = sync.OnceValues(func() ([]byte, error) { return io.ReadAll(os.Stdin) })

// target is the instance that a command works on, with the client of its supervisor.
type target struct {
	instance *instance.Instance
	client   *api.Client
}

// findTarget finds the instance by -p, else by directory and files (knownInstance), else by the name in the file (runningInstance). If stack
// is nil, it is loaded only if nothing of that name runs.
func findTarget(c *cli.Context, stack *services.Stack) (*target, error) {
	explicit := c.String("project-name")
	reg := instance.Open()
	if explicit != "" && stack == nil {
		i, err := reg.Get(explicit)
		if err == nil && i == nil {
			i, err = reg.Resolve(c.Context, explicit, "", explicit)
		}
		if err != nil {
			return nil, withCode(exitUsage, err)
		}
		return newTarget(i), nil
	}
	if stack == nil {
		i, err := knownInstance(c, reg)
		if err != nil {
			return nil, withCode(exitUsage, err)
		}
		if i == nil {
			i = runningInstance(c, reg)
		}
		if i != nil {
			return newTarget(i), nil
		}
		if stack, err = loadStack(c, ""); err != nil {
			return nil, err
		}
	}
	reg.Taken = takenBy
	i, err := reg.Resolve(c.Context, stack.Name, stack.Dir, explicit)
	if err == nil {
		i.Files, err = explicitFiles(c)
	}
	if err != nil {
		return nil, withCode(exitUsage, err)
	}
	return newTarget(i), nil
}

// portsAuto reports whether a taken host port is replaced by a free one unless the user says otherwise: another directory or
// another name of the project may have the declared ones.
func (t *target) portsAuto(c *cli.Context) bool {
	return t.instance.Name != t.instance.Project || c.String("project-name") != ""
}

// ownInstance tells that another directory has the instance's project name, so that this one has a name of its own; "" if it has the
// project's name.
func ownInstance(reg *instance.Registry, i *instance.Instance) string {
	if i.Name == i.Project {
		return ""
	}
	where := "another directory"
	if other, err := reg.Get(i.Project); err == nil && other != nil && other.Dir != "" {
		where = other.Dir
	}
	return fmt.Sprintf("project %s belongs to %s; here it runs as %s, with containers, networks and volumes of its own", i.Project, where, i.Name)
}

func newTarget(i *instance.Instance) *target {
	t := &target{instance: i, client: api.NewClient(i.Socket())}
	t.client.Holder = i.Holder
	return t
}

// answers reports whether the supervisor answers. It returns false if none runs, and an error with the process ID if one
// runs but does not answer.
func (t *target) answers(ctx context.Context) (bool, error) {
	err := t.client.Answers(ctx)
	if errors.Is(err, api.ErrNoSupervisor) {
		return false, nil
	}
	return err == nil, err
}

// takenBy returns the directory that owns the volumes of a project name, "" if there are none or no engine answers.
func takenBy(ctx context.Context, name string) (string, error) {
	eng, err := connect(ctx)
	if err != nil {
		return "", nil // without an engine there is no conflict; commands that need the engine report it
	}
	defer eng.Close()
	labels := map[string]string{services.ProjectLabel: name}
	vols, err := eng.ListVolumes(ctx, labels)
	if err != nil {
		return "", err
	}
	for _, v := range vols {
		if d := v.Labels[services.DirLabel]; d != "" {
			return d, nil
		}
	}
	return "", nil
}

// connect connects to the Docker engine and checks that it answers. Errors have exitNoEngine.
func connect(ctx context.Context) (*engine.Docker, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx) // interrupted: not an engine error
	}
	eng, err := engine.NewDocker(engine.AllowRemote())
	if err != nil {
		return nil, withCode(exitNoEngine, err)
	}
	if err := eng.Answers(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, errors.Join(context.Cause(ctx), eng.Close())
		}
		return nil, withCode(exitNoEngine, fmt.Errorf("%w; start the engine (on Debian, as root: make engine), "+
			"or set DOCKER_HOST to its address", errors.Join(err, eng.Close())))
	}
	return eng, nil
}

// openTarget finds the instance that a command works on and connects to the engine, which the caller closes. See findTarget and
// connect for the errors.
func openTarget(c *cli.Context) (*target, *engine.Docker, error) {
	t, err := findTarget(c, nil)
	if err != nil {
		return nil, nil, err
	}
	eng, err := connect(c.Context)
	return t, eng, err
}

// newSupervisor creates a supervisor for an instance. Its engine calls that create or remove objects fail while allowed
// returns an error.
func newSupervisor(c *cli.Context, eng *engine.Docker, i *instance.Instance, log *slog.Logger, allowed func() error) (*supervisor.Supervisor, error) {
	binary, err := agentBinary()
	if err != nil {
		return nil, err
	}
	datapath, err := agent.WantedDatapath(os.Getenv)
	if err != nil {
		return nil, withCode(exitUsage, err)
	}
	return supervisor.New(supervisor.Config{
		Datapath: datapath, Instance: i, Engine: engine.Guarded(eng, allowed), Operator: catalogue.New, Version: version, Binary: binary, Log: log,
		Builder: &build.Builder{
			API: eng.API(), Images: eng, Project: i.Name, CacheDir: filepath.Join(xdg.CacheHome, "lyandev"), Log: log,
		},
	}), nil
}

// logger returns the supervisor's logger: warnings, or everything with --debug.
func logger(c *cli.Context, st *ui.Streams) *slog.Logger { return loggerTo(c, st.Err) }

// loggerTo returns the logger of a supervisor, which writes whole lines.
func loggerTo(c *cli.Context, to io.Writer) *slog.Logger {
	level := slog.LevelWarn
	if c.Bool("debug") {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: level}))
}
