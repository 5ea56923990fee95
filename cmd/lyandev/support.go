package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// strictFlag returns the flag of commands that load a file to run or to check it.
func strictFlag() cli.Flag {
	return &cli.BoolFlag{Name: "strict", Usage: "fail if a setting of the file is not applied"}
}

// checkApplied prints what is probably a mistake in the file, and says in one line that settings of the file are not applied; with
// --strict that is an error.
func checkApplied(c *cli.Context, st *ui.Streams, stack *services.Stack) error {
	if !c.Bool("quiet") {
		printWarnings(st, stack)
	}
	n := len(stack.NotApplied)
	if n == 0 {
		return nil
	}
	text := "1 setting of this file is not applied"
	if n > 1 {
		text = fmt.Sprintf("%d settings of this file are not applied", n)
	}
	text += ": `lyandev config --support --here`"
	if c.Bool("strict") {
		return withCode(exitUsage, fmt.Errorf("%s; without --strict they are left out", text))
	}
	if !c.Bool("quiet") {
		fmt.Fprintln(st.Err, st.Paint(ui.Yellow, "note: ")+text)
	}
	return nil
}

// printWarnings prints what is probably a mistake in the file, one line each.
func printWarnings(st *ui.Streams, stack *services.Stack) {
	for _, w := range stack.Warnings {
		fmt.Fprintln(st.Err, st.Paint(ui.Yellow, "warning: ")+shortFiles(w))
	}
}

// runSupport prints which attributes of the Compose specification are applied, or with --here what of the file is not.
func runSupport(c *cli.Context, st *ui.Streams) error {
	if c.Bool("here") {
		stack, err := loadStack(c, chosenProfile(c))
		if err != nil {
			return err
		}
		if c.Bool("json") {
			return printJSON(st.Out, append([]string{}, stack.NotApplied...))
		}
		for _, line := range stack.NotApplied {
			fmt.Fprintln(st.Out, line)
		}
		return nil
	}
	rows := profiles.SupportTable()
	if c.Bool("json") {
		return printJSON(st.Out, rows)
	}
	return supportRows.Print(st.Out, rows, textOutput(st))
}

var supportRows = output.List[profiles.Support]{Columns: []output.Column[profiles.Support]{
	{Title: "ATTRIBUTE", Cell: func(r profiles.Support) string { return r.Attribute }},
	{Title: "COMPOSE'S SEMANTICS", Cell: func(r profiles.Support) string { return string(r.Compose) }},
	{Title: "KUBERNETES' SEMANTICS", Cell: func(r profiles.Support) string { return string(r.Kubernetes) }},
	{Title: "WHY", Cell: whyNotApplied},
}}

func whyNotApplied(r profiles.Support) string {
	if r.KubernetesReason == r.ComposeReason {
		return r.ComposeReason
	}
	var out []string
	if r.ComposeReason != "" {
		out = append(out, "Compose: "+r.ComposeReason)
	}
	if r.KubernetesReason != "" {
		out = append(out, "Kubernetes: "+r.KubernetesReason)
	}
	return strings.Join(out, "; ")
}
