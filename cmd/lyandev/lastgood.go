package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/supervisor"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// noteBrokenFile says that the stack's file has mistakes now, so that what runs is from an earlier version of it. Nothing is loaded
// unless a file beside the stack was changed after the last apply.
func noteBrokenFile(c *cli.Context, st *ui.Streams, t *target) {
	applied := supervisor.SavedAt(t.instance)
	if applied.IsZero() || slices.Contains(t.instance.Files, "-") || !changedSince(stackFiles(t), applied) {
		return
	}
	profile, _ := supervisor.SavedProfile(t.instance)
	_, err := loadStackFor(c, chosenProfile(c), nil, profile, true)
	var list profiles.Errors
	if errors.As(err, &list) {
		fmt.Fprintf(st.Err, "%s %s; what runs is from the last version without mistakes: `lyandev config -q` lists them\n",
			st.Paint(ui.Yellow, "note:"), count(list))
	}
}

// stackFiles are the files of an instance that are most often edited: those that the user named, or the one that is found by its name, with
// the other Compose files and env files of its directory.
func stackFiles(t *target) []string {
	out := slices.Clone(t.instance.Files)
	for _, pattern := range []string{"*.yaml", "*.yml", ".env"} {
		found, _ := filepath.Glob(filepath.Join(t.instance.Dir, pattern))
		out = append(out, found...)
	}
	return out
}

func changedSince(files []string, at time.Time) bool {
	return slices.ContainsFunc(files, func(f string) bool {
		info, err := os.Stat(f)
		return err == nil && !info.ModTime().Before(at) // times of files are some milliseconds coarse
	})
}
