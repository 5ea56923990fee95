//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	// maxLoad is the load average of one minute above which nothing is measured.
	maxLoad = 0.3
	// loadPatience is how long to wait for the load to fall: the average needs minutes to forget a build.
	loadPatience = 6 * time.Minute
	loadPoll     = 10 * time.Second
)

// loadAverage returns the load average of the last minute, or -1 if this system does not say.
func loadAverage() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return -1
	}
	first, _, _ := strings.Cut(string(text), " ")
	load, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return -1
	}
	return load
}

// awaitQuiet blocks until the load is at most maxLoad, for loadPatience at most. It returns the load, and an error if the machine is
// still busy or ctx ended. With force it does not wait and reports only whether the machine is loaded.
func awaitQuiet(ctx context.Context, w io.Writer, force bool, read func() float64) (load float64, loaded bool, err error) {
	began := time.Now()
	for told := false; ; told = true {
		load = read()
		switch {
		case load <= maxLoad:
			return load, false, nil
		case force:
			fmt.Fprintf(w, "bench: the load is %.2f, above %.1f; measuring all the same, the result is marked as loaded\n", load, maxLoad)
			return load, true, nil
		case time.Since(began) >= loadPatience:
			return load, true, fmt.Errorf("cannot measure: the load has been above %.1f for %s (now %.2f); "+
				"stop what else runs, or give --force (BENCH_FORCE=1), which marks the result as loaded", maxLoad, loadPatience, load)
		case !told:
			fmt.Fprintf(w, "bench: the load is %.2f; waiting up to %s until it is at most %.1f (--force measures at once)\n", load, loadPatience, maxLoad)
		}
		select {
		case <-ctx.Done():
			return load, true, ctx.Err()
		case <-time.After(loadPoll):
		}
	}
}
