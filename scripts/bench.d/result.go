//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// formatVersion is the version of the result files. A change that an older reader would misunderstand increases it.
const formatVersion = 1

// Result is what one run of the benchmark measured.
type Result struct {
	// Format is formatVersion.
	Format int       `json:"format"`
	Date   time.Time `json:"date"`
	// Commit is what `git describe --always --dirty` says of the repository.
	Commit string `json:"commit"`
	// Version is what the measured binary says of itself.
	Version string  `json:"version"`
	Machine Machine `json:"machine"`
	Engine  string  `json:"engine"`
	// Peers are the versions of the programs that lyandev is compared with, by name.
	Peers map[string]string `json:"peers,omitempty"`
	// Load is the load average of one minute before the run; -1 if it is unknown.
	Load float64 `json:"load"`
	// Loaded says that the machine was busy with other things: the run was forced.
	Loaded bool `json:"loaded,omitempty"`
	// Runs is how often each row was measured at least, unless its program failed.
	Runs int `json:"runs"`
	// Took is how long the whole run took, in seconds.
	Took float64 `json:"took"`
	Rows []*Row  `json:"rows"`
}

// Machine is what the benchmark ran on.
type Machine struct {
	OS       string `json:"os"`
	CPU      string `json:"cpu"`
	CPUs     int    `json:"cpus"`
	MemoryMB int    `json:"memoryMB,omitempty"`
}

// Row is one row of the table: what was measured, and the values.
type Row struct {
	RowSpec
	Ours   []float64 `json:"ours,omitempty"`
	Theirs []float64 `json:"theirs,omitempty"`
	// AtLeast says that the peer's values are lower bounds: what was waited for had not happened by then.
	AtLeast bool `json:"atLeast,omitempty"`
	// Error is why the row, or its peer, has no values or fewer than it should have.
	Error string `json:"error,omitempty"`
}

// ratio returns the quotient of the medians, and false if there is none: without a peer, or if the peer's median is 0.
func (r *Row) ratio() (float64, bool) {
	if len(r.Ours) == 0 || len(r.Theirs) == 0 || median(r.Theirs) == 0 {
		return 0, false
	}
	return median(r.Ours) / median(r.Theirs), true
}

// met says whether the target is met: "met", "missed", or "" if there is no target or nothing to compare it with.
func (r *Row) met() string {
	if r.Target == nil || len(r.Ours) == 0 {
		return ""
	}
	value := median(r.Ours)
	if r.Target.Ratio {
		var ok bool
		if value, ok = r.ratio(); !ok {
			return ""
		}
	}
	good := value <= r.Target.Limit
	if r.More {
		good = value >= r.Target.Limit
	}
	if good {
		return "met"
	}
	return "missed"
}

func (res *Result) row(key string) *Row {
	for _, r := range res.Rows {
		if r.Key == key {
			return r
		}
	}
	return nil
}

// write writes the result to a file, whose directory is made.
func (res *Result) write(path string) error {
	text, err := json.MarshalIndent(res, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

func readResult(path string) (*Result, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var res Result
	if err := json.Unmarshal(text, &res); err != nil {
		return nil, fmt.Errorf("cannot read %s: it is not a result of scripts/bench: %w", path, err)
	}
	if res.Format != formatVersion {
		return nil, fmt.Errorf("cannot read %s: it has format %d, this program reads %d; measure again", path, res.Format, formatVersion)
	}
	return &res, nil
}

func (res *Result) ofProgram(name string) []*Row {
	var out []*Row
	for _, r := range res.Rows {
		if r.Program == name {
			out = append(out, r)
		}
	}
	return out
}
