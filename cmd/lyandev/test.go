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
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/tcengine"
	"github.com/lyandev/lyandev/supervisor/stacktest/throwaway"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// testOptions are the options of `test`.
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
	// service is the workload whose image and environment the command of the command line uses; with host it runs on this
	// host.
	service string
	host    bool
	command []string
}

func newTestCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "test", Usage: "run tests against a temporary copy of the stack", ArgsUsage: "[CMD [ARG...]]",
		Description: "Each profile runs in a new copy of the stack with its own network, names, free host ports and empty volumes. The\n" +
			"running stack is not used. Services with provider: are provided under the copy's name, and removed at the end. CMD defaults to x-lyandev.test of the services. It runs in a container of the app's\n" +
			"image inside the stack or, with --host or host: true, on this host with addresses of mapped ports.\n" +
			"If the copy took longer than 30 s to become ready from empty volumes, the volumes are saved before the tests\n" +
			"start, as a snapshot named test-PROFILE-..., and later runs of the same stack start from it. Any change to\n" +
			"images, configuration, mounted files or bootstrap steps makes the saved volumes unusable, and the next run starts\n" +
			"from empty ones. --prepared always saves them however short the start was; --prepared never neither saves nor\n" +
			"uses them.\n" +
			"Exits with CMD's exit code, or with 3 if the stack did not become ready.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "profile", Usage: "the `PROFILES` to test, separated by commas; default: the file's default"},
			&cli.IntFlag{Name: "parallel", Value: 1, Usage: "run up to `N` profiles in parallel"},
			&cli.StringFlag{Name: "snapshot", Usage: "start from the volumes of snapshot `NAME`"},
			&cli.StringFlag{
				Name: "prepared", Value: string(throwaway.PrepareAuto),
				Usage: "start from volumes saved by an earlier run, and save them for later ones: `WHEN` is auto, always or never",
			},
			&cli.BoolFlag{Name: "keep-on-failure", Usage: "leave the copy running if its tests fail"},
			&cli.StringFlag{Name: "junit", Usage: "write the results to `FILE` as JUnit XML"},
			&cli.StringFlag{Name: "bundle-dir", Usage: "write the failure bundles to `DIR`; default: the system's temporary directory"},
			&cli.DurationFlag{Name: "timeout", Value: 15 * time.Minute, Usage: "limit each profile to `DURATION`, including start and tests"},
			&cli.StringFlag{Name: "service", Usage: "run CMD with the image and environment of `SERVICE`"},
			&cli.BoolFlag{Name: "host", Usage: "run CMD on this host"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "do not show progress"},
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
	_ = g.Wait() // errors are in each run's result
	return endTest(ctx, o, eng, runs)
}

// endTest prints the summary, keeps the copies of --keep-on-failure and returns the exit code as an error.
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

// testEngine connects to the engine through testcontainers and starts its reaper. Each process uses its own session.
func testEngine(ctx context.Context, c *cli.Context, o testOptions) (*tcengine.Engine, *throwaway.Images, error) {
	binary, err := agentBinary()
	if err != nil {
		return nil, nil, err
	}
	eng, err := tcengine.New(ctx, tcengine.Options{AllowRemote: engine.AllowRemote(), Session: rand.Text()})
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

// testCases returns the commands to run: that of the command line, else those declared by the services.
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
		return nil, fmt.Errorf("cannot test profile %q: none of its services has x-lyandev.test; give a command after --", stack.Profile)
	}
	return out, nil
}

// testWorkload returns the workload whose image the command of the command line uses: the named one, else the first with a
// test, else the first with a built image and no operator, else the first.
func testWorkload(stack *services.Stack, name string) (*services.Workload, error) {
	if name != "" {
		if w := stack.Workload(name); w != nil {
			return w, nil
		}
		return nil, fmt.Errorf("cannot test with service %s: profile %q has no such service", name, stack.Profile)
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
