//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// scales are the sizes of the stacks that are measured, in pods; replicasAtScale pods are in each service.
var scales = []int{30, 100, 300}

const replicasAtScale = 3

// scaled is what is measured at each size.
var scaled = []struct{ key, what, unit string }{
	{"up", "`up --wait`, images built", "s"},
	{"noop", "`up` when nothing has changed", "s"},
	{"change", "`up --wait` after a change of one service", "s"},
	{"ps", "`ps`", "ms"},
	{"memory", "supervisor at rest: anonymous memory", "MiB"},
	{"cpu", "supervisor at rest: part of a core", "%"},
	{"agent", "agent at rest: anonymous memory", "MiB"},
	{"agent-cpu", "agent at rest: part of a core", "%"},
	{"down", "`down`", "s"},
}

func init() {
	for _, s := range scaled {
		for _, pods := range scales {
			spec := RowSpec{
				Key: fmt.Sprintf("scale/%s-%d", s.key, pods), Program: "scale", What: fmt.Sprintf("%s, %d pods", s.what, pods), Unit: s.unit,
				NoPeer: noDaemon,
			}
			if byCompose[s.key] {
				spec.Peer, spec.NoPeer = compose, ""
			}
			rowSpecs = append(rowSpecs, spec)
		}
	}
}

var byCompose = map[string]bool{"up": true, "noop": true, "change": true, "ps": true, "down": true}

// scaleFile is a stack of services that each have a Service, a readiness probe and replicasAtScale pods. changed is the value of a variable of
// the first service.
func scaleFile(pods int, changed string) string {
	var f strings.Builder
	f.WriteString("x-lyandev: {semantics: kubernetes}\nservices:\n")
	for n := range (pods + replicasAtScale - 1) / replicasAtScale {
		value := "same"
		if n == 0 {
			value = changed
		}
		fmt.Fprintf(&f, `  s%03d:
    image: %s
    environment: {VALUE: %q}
    stop_grace_period: 1s
    deploy: {replicas: %d}
    x-lyandev:
      kind: Deployment
      service: {ports: [{port: 80, targetPort: 8080}]}
      probes:
        readiness: {httpGet: {path: /ready, port: 8080}, periodSeconds: 10}
`, n, serverImage, value, min(replicasAtScale, pods-n*replicasAtScale))
	}
	return f.String()
}

// measureScale runs stacks of 30, 100 and 300 pods. `up`, the change and `down` are measured once at each size, as they take minutes and
// their parts repeat; the rest as often as all rows.
func measureScale(ctx context.Context, b *bench) error {
	if err := b.buildServer(ctx); err != nil {
		return err
	}
	for _, pods := range scales {
		if err := b.scaleOurs(ctx, pods); err != nil {
			return fmt.Errorf("%d pods: %w", pods, err)
		}
		if err := b.scaleTheirs(ctx, pods); err != nil {
			for what := range byCompose {
				b.noPeer(err, scaleKey(what, pods))
			}
		}
	}
	return ctx.Err()
}

func scaleKey(what string, pods int) string { return fmt.Sprintf("scale/%s-%d", what, pods) }

func (b *bench) scaleOurs(ctx context.Context, pods int) error {
	defer b.cleanUp(len(b.undo))
	s, err := b.written(fmt.Sprintf("scale%d", pods), map[string]string{"compose.yaml": scaleFile(pods, "old")})
	if err != nil {
		return err
	}
	up := []string{"up", "-d", "--wait", "--quiet", "--wait-timeout", "15m"}
	if err := b.scaleSteps(ctx, pods, s.dir, s.timed, b.ours, up, []string{"up", "-d", "--quiet"}); err != nil {
		return err
	}
	if err := b.scaleRest(ctx, s, pods); err != nil {
		return err
	}
	took, err := s.timed(ctx, "down", "--quiet")
	b.ours(scaleKey("down", pods), took)
	return err
}

// scaleSteps measures what both sides do.
func (b *bench) scaleSteps(ctx context.Context, pods int, dir string, run timed, add func(key string, value float64), up, noop []string) error {
	took, err := run(ctx, up...)
	if err != nil {
		return err
	}
	add(scaleKey("up", pods), took)
	if err := b.repeat(ctx, b.runs, 1, run, noop, add, scaleKey("noop", pods)); err != nil {
		return err
	}
	if err := b.repeat(ctx, b.runs, 1000, run, []string{"ps"}, add, scaleKey("ps", pods)); err != nil {
		return err
	}
	if err := writeFiles(dir, map[string]string{"compose.yaml": scaleFile(pods, "new")}); err != nil {
		return err
	}
	if took, err = run(ctx, up...); err == nil {
		add(scaleKey("change", pods), took)
	}
	return err
}

// scaleRest measures supervisor and agent at rest.
func (b *bench) scaleRest(ctx context.Context, s *stack, pods int) error {
	supervisor, err := s.supervisor()
	if err != nil {
		return err
	}
	agent, err := s.agent(ctx)
	if err != nil {
		return err
	}
	if err := sleep(ctx, settled); err != nil {
		return err
	}
	for range b.runs {
		cpu, memory, err := atRest(ctx, supervisor, restWindow/2)
		if err != nil {
			return err
		}
		b.ours(scaleKey("cpu", pods), cpu)
		b.ours(scaleKey("memory", pods), memory)
		if cpu, memory, err = atRest(ctx, agent, restWindow/5); err != nil {
			return err
		}
		b.ours(scaleKey("agent-cpu", pods), cpu)
		b.ours(scaleKey("agent", pods), memory)
	}
	return nil
}

func (b *bench) scaleTheirs(ctx context.Context, pods int) error {
	defer b.cleanUp(len(b.undo))
	name := fmt.Sprintf("scale%d-peer", pods)
	dir := filepath.Join(b.tmp, name)
	if err := writeFiles(dir, map[string]string{"compose.yaml": scaleFile(pods, "old")}); err != nil {
		return err
	}
	p, err := b.newProject(name, dir, "compose.yaml")
	if err != nil {
		return err
	}
	up := []string{"up", "-d", "--wait", "--no-build"}
	if err := b.scaleSteps(ctx, pods, dir, p.timed, b.theirs, up, []string{"up", "-d", "--no-build"}); err != nil {
		return err
	}
	took, err := p.timed(ctx, "down")
	b.theirs(scaleKey("down", pods), took)
	return err
}

// printCurve prints a line per measurement: lyandev's median at each size, how it grows, and the ratio to the peer at each size.
// Growth is the exponent of the size: 1 is linear, less is better.
func printCurve(w io.Writer, rows []*Row) {
	byKey := map[string]*Row{}
	for _, r := range rows {
		byKey[r.Key] = r
	}
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprint(tw, "WHAT")
	for _, pods := range scales {
		fmt.Fprintf(tw, "\t%d PODS", pods)
	}
	fmt.Fprintln(tw, "\tGROWTH\t\tRATIO TO COMPOSE")
	for _, s := range scaled {
		var x, y []float64
		var cells, ratios []string
		for _, pods := range scales {
			r := byKey[scaleKey(s.key, pods)]
			if len(r.Ours) > 0 {
				x, y = append(x, float64(pods)), append(y, median(r.Ours))
			}
			cells, ratios = append(cells, measured(r.Ours, s.unit)), append(ratios, r.quotient())
		}
		e := growth(x, y)
		word := "linear or better"
		if !(e <= linear) {
			word = "MORE than linear"
		}
		fmt.Fprintf(tw, "%s\t%s\tn^%.2f\t%s\t%s\n", strings.ReplaceAll(s.what, "`", ""), strings.Join(cells, "\t"), e, word, strings.Join(ratios, ", "))
	}
	_ = tw.Flush()
	printErrors(w, rows)
}

// linear is the exponent up to which a growth counts as linear: measurements differ by some percent.
const linear = 1.05
