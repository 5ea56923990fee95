package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// statsEvery is the time between two samples of stats.
const statsEvery = time.Second

// podUsage is what the containers of a pod use together. Bytes are counted since the containers started.
type podUsage struct {
	Pod     string `json:"pod"`
	Service string `json:"service"`
	// CPUPercent is the share of one processor: 200 is two of them.
	CPUPercent  float64 `json:"cpuPercent"`
	Memory      uint64  `json:"memoryBytes"`
	MemoryLimit uint64  `json:"memoryLimitBytes"`
	NetRx       uint64  `json:"netRxBytes"`
	NetTx       uint64  `json:"netTxBytes"`
	BlockRead   uint64  `json:"blockReadBytes"`
	BlockWrite  uint64  `json:"blockWriteBytes"`
	PIDs        uint64  `json:"pids"`

	// id and container are the ID and the name of a plain service's container, "" for other pods.
	id, container string
}

// statsLine is what a pod uses, with the names of docker compose stats --format json. Container, ID and Name are those of the container of a
// plain service; other pods have only Name, that of the pod.
type statsLine struct {
	BlockIO, CPUPerc, Container, ID, MemPerc, MemUsage, Name, NetIO, PIDs string
}

// memoryShare is the share of the memory limit in percent, 0 without a limit.
func (p podUsage) memoryShare() float64 {
	if p.MemoryLimit == 0 {
		return 0
	}
	return float64(p.Memory) / float64(p.MemoryLimit) * 100
}

func (p podUsage) line(whole bool) statsLine {
	l := statsLine{
		BlockIO: size(int64(p.BlockRead)) + " / " + size(int64(p.BlockWrite)), CPUPerc: fmt.Sprintf("%.2f%%", p.CPUPercent),
		Container: p.id, ID: p.id, MemPerc: fmt.Sprintf("%.2f%%", p.memoryShare()),
		MemUsage: units.BytesSize(float64(p.Memory)) + " / " + units.BytesSize(float64(p.MemoryLimit)), Name: cmp.Or(p.container, p.Pod),
		NetIO: size(int64(p.NetRx)) + " / " + size(int64(p.NetTx)), PIDs: strconv.FormatUint(p.PIDs, 10),
	}
	if !whole {
		l.ID = l.ID[:min(12, len(l.ID))]
	}
	return l
}

// runStats shows what the pods use, on a terminal again and again until Ctrl-C, else and with --no-stream once.
func runStats(c *cli.Context, st *ui.Streams) error {
	how, err := listOutput(c, st)
	if err != nil {
		return err
	}
	format, err := parseFormat(c.String("format"), statsLine{})
	if err != nil {
		return withCode(exitUsage, err)
	}
	t, eng, err := openTarget(c)
	if err != nil {
		return err
	}
	defer eng.Close()
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt)
	defer stop()
	want := choice{names: c.Args().Slice(), init: !c.Bool("all"), ended: c.Bool("all")}
	known := knownServices(ctx, t)
	before, err := sampleAll(ctx, eng, t.instance.Name, want, known)
	if err != nil {
		return err
	}
	repeat := st.OutTTY && os.Getenv("TERM") != "dumb" && !c.Bool("no-stream") && how.Format == output.Table && format == nil
	for first := true; first || repeat; first = false {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(statsEvery):
		}
		now, err := sampleAll(ctx, eng, t.instance.Name, want, known)
		if errors.Is(err, context.Canceled) {
			return nil
		}
		if err != nil {
			return err
		}
		rows := usageBetween(before, now)
		before = now
		if format != nil && how.Format == output.Table {
			var lines []any
			for _, r := range rows {
				lines = append(lines, r.line(c.Bool("no-trunc")))
			}
			return format.print(st.Out, lines)
		}
		var text strings.Builder
		if err := usageList.Print(&text, rows, how); err != nil {
			return err
		}
		if repeat { // over what was there, line by line
			fmt.Fprintf(st.Out, "\x1b[H%s\x1b[J", strings.ReplaceAll(text.String(), "\n", "\x1b[K\n"))
		} else {
			fmt.Fprint(st.Out, text.String())
		}
	}
	return nil
}

// sample is what a container used at one moment.
type sample struct {
	container engine.Container
	stats     engine.Stats
}

// sampleAll takes a sample of each chosen container, by its ID, all at the same time.
func sampleAll(ctx context.Context, eng engine.Engine, project string, want choice, known []string) (map[string]sample, error) {
	list, err := chooseContainers(ctx, eng, project, want, known)
	if err != nil {
		return nil, err
	}
	samples := make([]sample, len(list))
	g, ctx := errgroup.WithContext(ctx)
	for i, c := range list {
		samples[i] = sample{container: c}
		if c.State != engine.StateRunning && c.State != engine.StatePaused {
			continue
		}
		g.Go(func() error {
			s, err := eng.Stats(ctx, c.ID)
			if engine.IsNotFound(err) || engine.IsConflict(err) { // it has ended
				samples[i] = sample{}
				return nil
			}
			samples[i].stats = s
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := map[string]sample{}
	for _, s := range samples {
		if s.container.ID != "" {
			out[s.container.ID] = s
		}
	}
	return out, nil
}

// usageBetween adds up the containers of each pod; the share of the processors is that between the two samples.
func usageBetween(before, now map[string]sample) []podUsage {
	pods := map[string]*podUsage{}
	for id, s := range now {
		name := s.container.Labels[services.PodLabel]
		p := pods[name]
		if p == nil {
			p = &podUsage{Pod: name, Service: serviceOf(s.container)}
			if s.container.Labels[services.NumberLabel] != "" {
				p.id, p.container = s.container.ID, s.container.Name
			}
			pods[name] = p
		}
		if b, ok := before[id]; ok && s.stats.SystemNanos > b.stats.SystemNanos && s.stats.CPUNanos > b.stats.CPUNanos {
			p.CPUPercent += float64(s.stats.CPUNanos-b.stats.CPUNanos) / float64(s.stats.SystemNanos-b.stats.SystemNanos) * float64(s.stats.CPUs) * 100
		}
		p.Memory += s.stats.Memory
		p.MemoryLimit = max(p.MemoryLimit, s.stats.MemoryLimit)
		p.NetRx, p.NetTx = p.NetRx+s.stats.NetRx, p.NetTx+s.stats.NetTx
		p.BlockRead, p.BlockWrite = p.BlockRead+s.stats.BlockRead, p.BlockWrite+s.stats.BlockWrite
		p.PIDs += s.stats.PIDs
	}
	out := []podUsage{}
	for _, p := range pods {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b podUsage) int { return compare(a.Pod, b.Pod) })
	return out
}

var usageList = output.List[podUsage]{
	Columns: []output.Column[podUsage]{
		{Title: "POD", Cell: func(p podUsage) string { return p.Pod }},
		{Title: "CPU", Cell: func(p podUsage) string { return fmt.Sprintf("%.2f%%", p.CPUPercent) }},
		{Title: "MEMORY / LIMIT", Cell: func(p podUsage) string {
			return units.BytesSize(float64(p.Memory)) + " / " + units.BytesSize(float64(p.MemoryLimit))
		}},
		{Title: "MEM", Cell: func(p podUsage) string { return fmt.Sprintf("%.2f%%", p.memoryShare()) }},
		{Title: "NET IN / OUT", Cell: func(p podUsage) string { return size(int64(p.NetRx)) + " / " + size(int64(p.NetTx)) }},
		{Title: "DISK READ / WRITE", Cell: func(p podUsage) string { return size(int64(p.BlockRead)) + " / " + size(int64(p.BlockWrite)) }},
		{Title: "SERVICE", Cell: func(p podUsage) string { return p.Service }, Wide: true},
		{Title: "PIDS", Cell: func(p podUsage) string { return strconv.FormatUint(p.PIDs, 10) }},
	},
	Name: func(p podUsage) string { return "pod/" + p.Pod },
}
