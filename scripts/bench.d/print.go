//go:build unix

package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// figure prints a number with three significant digits and its unit.
func figure(v float64, unit string) string {
	if math.IsNaN(v) {
		return "-"
	}
	digits := 2
	switch a := math.Abs(v); {
	case v == math.Trunc(v) && a < 1e6 && unit == "":
		digits = 0
	case a >= 100:
		digits = 0
	case a >= 10:
		digits = 1
	case a < 0.1 && a > 0:
		digits = 3
	}
	return strings.TrimSpace(fmt.Sprintf("%.*f %s", digits, v, unit))
}

// percent prints a part as whole percent.
func percent(part float64) string {
	if math.IsNaN(part) {
		return "?"
	}
	return fmt.Sprintf("%.0f %%", 100*part)
}

// measured prints the median and the spread of values.
func measured(values []float64, unit string) string {
	if len(values) == 0 {
		return "-"
	}
	out := figure(median(values), unit)
	if s := spread(values); s > 0 || math.IsNaN(s) {
		out += " ±" + percent(s)
	}
	return out
}

func (r *Row) ours() string { return measured(r.Ours, r.Unit) }

// theirs is the peer's column: its values, or why there are none.
func (r *Row) theirs() string {
	switch {
	case len(r.Theirs) > 0 && r.AtLeast:
		return "> " + figure(median(r.Theirs), r.Unit)
	case len(r.Theirs) > 0:
		return measured(r.Theirs, r.Unit)
	case r.NoPeer != "":
		return "none: " + r.NoPeer
	case r.Error != "":
		return "failed"
	}
	return "-"
}

func (r *Row) quotient() string {
	q, ok := r.ratio()
	if !ok {
		return "-"
	}
	sign := ""
	if r.AtLeast {
		sign = "< "
	}
	return fmt.Sprintf("%s%.2f x", sign, q)
}

func (r *Row) target() string {
	if r.Target == nil {
		return "-"
	}
	sign := "<="
	if r.More {
		sign = ">="
	}
	if r.Target.Ratio {
		return fmt.Sprintf("%s %.2f x", sign, r.Target.Limit)
	}
	return sign + " " + strings.TrimSpace(fmt.Sprintf("%g %s", r.Target.Limit, r.Unit))
}

// heading says what the result was measured on.
func (res *Result) heading() string {
	out := fmt.Sprintf("commit %s, %s, %s, %d CPUs (%s), engine %s", res.Commit, res.Version, res.Machine.OS, res.Machine.CPUs, res.Machine.CPU, res.Engine)
	for _, name := range []string{"compose", "buildx"} {
		if v := res.Peers[name]; v != "" {
			out += fmt.Sprintf(", %s %s", name, v)
		}
	}
	out += fmt.Sprintf(", load %.2f, %s", res.Load, res.Date.Format("2006-01-02 15:04"))
	if res.Loaded {
		out += ", LOADED: the machine was busy with other things, the figures are not comparable"
	}
	return out
}

// printRows prints rows as a table.
func printRows(w io.Writer, rows []*Row) {
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(tw, "WHAT\tLYANDEV\tPEER\t\tRATIO\tTARGET\t\tRUNS")
	for _, r := range rows {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", strings.ReplaceAll(r.What, "`", ""), r.ours(), strings.ReplaceAll(r.Peer, "`", ""),
			r.theirs(), r.quotient(), r.target(), r.met(), len(r.Ours))
	}
	_ = tw.Flush()
	printErrors(w, rows)
}

// printErrors prints each error once, with the rows that have it.
func printErrors(w io.Writer, rows []*Row) {
	var errs []string
	keys := map[string][]string{}
	for _, r := range rows {
		if r.Error == "" {
			continue
		}
		if keys[r.Error] == nil {
			errs = append(errs, r.Error)
		}
		keys[r.Error] = append(keys[r.Error], r.Key)
	}
	for _, e := range errs {
		fmt.Fprintf(w, "! %s: %s\n", strings.Join(keys[e], ", "), e)
	}
}
