package main

import (
	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/snapshot"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// newCopyVolumeCommand is the entry point of the helper container that copies volumes for snapshots.
func newCopyVolumeCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: snapshot.Command, Hidden: true, Usage: "copy volumes; the job is read from standard input",
		Action: func(*cli.Context) error { return snapshot.Serve(st.In, st.RawOut()) },
	}
}
