package main

import (
	"errors"
	"path/filepath"

	"github.com/adrg/xdg"
	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/stacktest/throwaway"
)

// preparedPolicy parses --prepared, which cannot be combined with --snapshot.
func preparedPolicy(c *cli.Context) (throwaway.Policy, error) {
	p, err := throwaway.ParsePolicy(c.String("prepared"))
	if err != nil || c.String("snapshot") == "" {
		return p, err
	}
	if c.IsSet("prepared") && p != throwaway.PrepareNever {
		return "", errors.New("cannot use --prepared together with --snapshot: both set the initial content of the volumes; leave one out")
	}
	return throwaway.PrepareNever, nil
}

// beginning sets the initial content of a copy's volumes: a snapshot of the directory's instance (or of -p's), or the
// volumes saved by an earlier run, which are a snapshot of that instance too.
func beginning(c *cli.Context, o testOptions, conf *throwaway.Config) error {
	if o.snapshot == "" && o.prepared == throwaway.PrepareNever {
		return nil
	}
	t, err := findTarget(c, conf.Stack)
	if err != nil {
		return err
	}
	if o.snapshot != "" {
		conf.From = throwaway.Snapshot{Project: t.instance.Name, Name: o.snapshot}
		return nil
	}
	conf.Prepared = throwaway.Prepared{
		Policy: o.prepared, Project: t.instance.Name, Dir: t.instance.Dir, Locks: filepath.Join(xdg.CacheHome, "lyandev", "prepared"),
	}
	return nil
}

// volumesText names the snapshot that the volumes of a run were filled from, "" if they were empty.
func (r *testRun) volumesText() string {
	switch {
	case r.prepared != "":
		return "from volumes prepared by an earlier run (" + r.prepared + ")"
	case r.o.snapshot != "":
		return "from snapshot " + r.o.snapshot
	}
	return ""
}
