package main

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/doctor"
	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// doctorLimit is how long doctor waits for the slowest part of what it looks at.
const doctorLimit = 5 * time.Second

func newDoctorCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "doctor", Usage: "check the engine, this machine and the file, and say how to mend what is wrong",
		Description: "Each line is ok, a note, or a problem with its fix. It needs neither an engine nor a file, changes nothing, and takes at most\n" +
			"some seconds. The exit code is 1 if there is a problem, else 0.\n\n" +
			"Examples:\n  lyandev doctor\n  lyandev doctor -o json",
		Flags: output.Flags(),
		Action: func(c *cli.Context) error {
			how, err := outputOf(c, st)
			if err != nil {
				return err
			}
			return runDoctor(c, st, how)
		},
	}
}

func runDoctor(c *cli.Context, st *ui.Streams, how output.Options) error {
	list, err := instance.Open().List()
	if err != nil {
		return err
	}
	known, err := knownInstance(c, instance.Open())
	if err != nil {
		return withCode(exitUsage, err)
	}
	m := &doctor.Machine{
		Load:      func(context.Context) (doctor.File, *services.Stack) { return examined(c, known) },
		Instances: list, StateDir: instance.Root(),
		Answers: func(ctx context.Context, i *instance.Instance) (bool, error) { return newTarget(i).answers(ctx) },
	}
	if known != nil {
		m.Own = known.Name
	}
	if eng, err := engine.NewDocker(engine.AllowRemote()); err != nil {
		m.EngineErr = err
	} else {
		defer eng.Close()
		m.Engine = eng
	}
	facts := m.Facts()
	doctor.Gather(c.Context, doctorLimit, m.Parts(), facts)
	if err := c.Context.Err(); err != nil {
		return err
	}
	found := doctor.Diagnose(facts)
	if err := printFindings(st, found, how); err != nil {
		return err
	}
	if doctor.HasProblem(found) {
		return exitCode(exitFailed)
	}
	return nil
}

func printFindings(st *ui.Streams, found []doctor.Finding, how output.Options) error {
	if how.ForProgram() {
		return output.Object(st.Out, found, how)
	}
	colours := map[doctor.Verdict]ui.Style{doctor.OK: ui.Green, doctor.Note: ui.Yellow, doctor.Problem: ui.Red}
	doctor.Print(st.Out, found, func(v doctor.Verdict, text string) string { return st.Paint(colours[v], text) })
	return nil
}

// examined loads the file of the command line, for the profile that the instance of this directory has, if there is one. What is wrong
// with the file is in the result; the stack is nil then. It asks no engine.
func examined(c *cli.Context, known *instance.Instance) (doctor.File, *services.Stack) {
	dir, err := filepath.Abs(cmp.Or(c.String("project-directory"), "."))
	out := doctor.File{Dir: dir}
	if err != nil {
		out.Errors = []string{err.Error()}
		return out, nil
	}
	active := ""
	if known != nil {
		active, _ = supervisor.SavedProfile(known)
	}
	stack, err := loadStackFor(c, chosenProfile(c), nil, active, active == "")
	var none *profiles.NoFileError
	var several profiles.Errors
	switch {
	case errors.As(err, &none) && len(none.Several) == 0:
		return out, nil
	case errors.As(err, &several):
		for _, e := range several {
			out.Errors = append(out.Errors, e.Error())
		}
		return out, nil
	case err != nil:
		out.Errors = []string{err.Error()}
		return out, nil
	}
	files, _ := explicitFiles(c) // loadStackFor has found them
	if len(files) == 0 {
		if file, err := profiles.Find(dir); err == nil {
			files = []string{file}
		}
	}
	if len(files) > 0 {
		out.Path = files[0]
	}
	out.Project, out.Workloads, out.NotApplied = stack.Name, len(stack.Workloads), len(stack.NotApplied)
	return out, stack
}
