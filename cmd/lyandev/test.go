package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/adrg/xdg"
	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/catalogue"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/engine/tcengine"
	"github.com/lyandev/lyandev/supervisor/stacktest/throwaway"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// testOptions is what `test` needs.
type testOptions struct {
	st       *ui.Streams
	profiles []string
	parallel int
	snapshot string
	prepared throwaway.Policy
	keep     bool
	junit    string
	bundles  string
	timeout  time.Duration
	quiet    bool
	// service is the workload whose image and environment a command from the line runs with; host runs it here.
	service string
	host    bool
	command []string
}

func newTestCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "test", Usage: "run a command against a throw-away copy of the stack", ArgsUsage: "[-- CMD...]",
		Description: "Each profile gets a fresh copy: its own network, names, free host ports and empty volumes. The running stack is\n" +
			"neither touched nor shared. The command comes from the line, else from x-lyandev.test of the services. It runs in\n" +
			"the app's image inside the stack, or here (--host, or host: true) with addresses that point at mapped ports.\n" +
			"What a start from empty volumes that took longer than 30 s has made of them is kept, once the stack is right and\n" +
			"before its tests begin, as a snapshot named test-PROFILE-..., and later runs of the same stack begin with it; any\n" +
			"change of images, configuration, mounted files or bootstrap steps makes it another stack. --prepared always keeps\n" +
			"what any start has made, --prepared never keeps and uses nothing.\n" +
			"test exits with the command's code; when the stack did not get ready, with 3.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "profile", Usage: "the `PROFILES` to test, separated by commas; default: the file's default"},
			&cli.IntFlag{Name: "parallel", Value: 1, Usage: "run up to `N` profiles side by side"},
			&cli.StringFlag{Name: "snapshot", Usage: "begin with the volumes of snapshot `NAME`"},
			&cli.StringFlag{
				Name: "prepared", Value: string(throwaway.PrepareAuto),
				Usage: "begin with volumes that an earlier run prepared, and prepare them for later ones: `WHEN` is auto, always or never",
			},
			&cli.BoolFlag{Name: "keep-on-failure", Usage: "leave the copy running when its test fails"},
			&cli.StringFlag{Name: "junit", Usage: "write the results to `FILE` as JUnit XML"},
			&cli.StringFlag{Name: "bundle-dir", Usage: "make the bundles of failed tests in `DIR`; default: the system's directory for temporary files"},
			&cli.DurationFlag{Name: "timeout", Value: 15 * time.Minute, Usage: "give each profile at most `DURATION`, from start to end of its tests"},
			&cli.StringFlag{Name: "service", Usage: "run CMD with the image and environment of `SERVICE`"},
			&cli.BoolFlag{Name: "host", Usage: "run CMD on this host"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "no progress"},
		},
		Action: func(c *cli.Context) error {
			o := testOptions{
				st: st, parallel: c.Int("parallel"), snapshot: c.String("snapshot"), keep: c.Bool("keep-on-failure"),
				junit: c.String("junit"), bundles: c.String("bundle-dir"), timeout: c.Duration("timeout"), quiet: c.Bool("quiet"),
				service: c.String("service"), host: c.Bool("host"), command: c.Args().Slice(),
				profiles: strings.FieldsFunc(c.String("profile"), func(r rune) bool { return r == ',' || r == ' ' }),
			}
			var err error
			if o.prepared, err = preparedPolicy(c); err != nil {
				return withCode(exitUsage, err)
			}
			if o.parallel < 1 {
				return withCode(exitUsage, fmt.Errorf("cannot use --parallel %d: it must be 1 or more", o.parallel))
			}
			if len(o.profiles) == 0 {
				o.profiles = []string{""}
			}
			return runTest(c, o)
		},
	}
}

// testCase is one command to run against a copy.
type testCase struct {
	workload string
	command  services.TestCommand
}

func runTest(c *cli.Context, o testOptions) error {
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	runs := make([]*testRun, len(o.profiles))
	for i, p := range o.profiles {
		stack, err := loadStack(c, p)
		if err != nil {
			return err
		}
		cases, err := testCases(stack, o)
		if err != nil {
			return withCode(exitUsage, err)
		}
		runs[i] = &testRun{o: o, stack: stack, cases: cases, log: logger(c, o.st)}
		for _, before := range runs[:i] {
			if before.stack.Profile == stack.Profile {
				runs[i].again++
			}
		}
	}
	eng, images, err := testEngine(ctx, c, o)
	if err != nil {
		return err
	}
	defer eng.Close()
	binary, err := agentBinary()
	if err != nil {
		return err
	}
	for _, r := range runs {
		r.config = throwaway.Config{
			Stack: r.stack, Engine: eng, Images: images, Operator: catalogue.New, Version: version, Binary: binary, Log: r.log,
		}
		r.prefix = o.parallel > 1 && len(runs) > 1
		if err := beginning(c, o, &r.config); err != nil {
			return err
		}
	}
	var g errgroup.Group
	g.SetLimit(o.parallel)
	for _, r := range runs {
		g.Go(func() error { r.run(ctx); return nil })
	}
	_ = g.Wait() // what went wrong stands in each run's result
	return endTest(ctx, o, eng, runs)
}

// endTest reports, keeps what is to be kept, and chooses the exit code.
func endTest(ctx context.Context, o testOptions, eng *tcengine.Engine, runs []*testRun) error {
	var errs []error
	if slices.ContainsFunc(runs, func(r *testRun) bool { return r.kept }) {
		errs = append(errs, eng.Keep(context.WithoutCancel(ctx)))
	}
	printSummary(o.st, runs)
	if o.junit != "" {
		errs = append(errs, writeJUnit(o.junit, runs))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return exitCode(exitInterrupted)
	}
	for _, r := range runs {
		if code := r.exitCode(); code != exitOK {
			return exitCode(code)
		}
	}
	return nil
}

// testEngine connects by way of testcontainers and makes sure of its reaper. Each process is a session of its own.
func testEngine(ctx context.Context, c *cli.Context, o testOptions) (*tcengine.Engine, *throwaway.Images, error) {
	binary, err := agentBinary()
	if err != nil {
		return nil, nil, err
	}
	eng, err := tcengine.New(ctx, tcengine.Options{AllowRemote: os.Getenv("LYANDEV_ALLOW_REMOTE") != "", Session: rand.Text()})
	if err != nil {
		return nil, nil, withCode(exitNoEngine, err)
	}
	if err := eng.PrepareReaper(ctx, binary); err != nil {
		return nil, nil, errors.Join(err, eng.Close())
	}
	images := &throwaway.Images{
		Builder: &build.Builder{
			API: eng.API(), Images: eng, CacheDir: filepath.Join(xdg.CacheHome, "lyandev"), Log: logger(c, o.st),
		},
		Progress: func(p build.Progress) {
			if p.State == "running" && !o.quiet {
				fmt.Fprintf(o.st.Err, "building %s\n", p.Build)
			}
		},
	}
	return eng, images, nil
}

// testCases chooses the commands: the line's, else those that services declare.
func testCases(stack *services.Stack, o testOptions) ([]testCase, error) {
	if len(o.command) > 0 {
		w, err := testWorkload(stack, o.service)
		if err != nil {
			return nil, err
		}
		cmd := services.TestCommand{Command: o.command, Host: o.host}
		if w.Test != nil {
			cmd.Env = w.Test.Env
		}
		return []testCase{{workload: w.Name(), command: cmd}}, nil
	}
	var out []testCase
	for _, w := range stack.Workloads {
		if w.Test == nil || (o.service != "" && o.service != w.Name()) {
			continue
		}
		cmd := *w.Test
		cmd.Host = cmd.Host || o.host
		out = append(out, testCase{workload: w.Name(), command: cmd})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("cannot test profile %q: no service of it has x-lyandev.test; give a command after --", stack.Profile)
	}
	return out, nil
}

// testWorkload is the workload that a command from the line belongs to: the one asked for, else the first with a test, else
// the first with an image that is built from here and no operator, else the first.
func testWorkload(stack *services.Stack, name string) (*services.Workload, error) {
	if name != "" {
		if w := stack.Workload(name); w != nil {
			return w, nil
		}
		return nil, fmt.Errorf("cannot test with service %s: there is none in profile %q", name, stack.Profile)
	}
	built := map[string]bool{}
	for _, b := range stack.Builds {
		built[b.Image] = true
	}
	for _, fits := range []func(w *services.Workload) bool{
		func(w *services.Workload) bool { return w.Test != nil },
		func(w *services.Workload) bool { return w.Operator == "" && built[w.PodSpec().Containers[0].Image] },
		func(*services.Workload) bool { return true },
	} {
		if i := slices.IndexFunc(stack.Workloads, fits); i >= 0 {
			return stack.Workloads[i], nil
		}
	}
	return nil, fmt.Errorf("cannot test profile %q: it has no services", stack.Profile)
}
