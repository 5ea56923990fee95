package main

import (
	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/snapshot"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// newCopyVolumeCommand is what snapshots run in a container of lyandev's own image, which has nothing else in it.
func newCopyVolumeCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: snapshot.Command, Hidden: true, Usage: "copy volumes' contents as standard input says",
		Action: func(*cli.Context) error { return snapshot.Serve(st.In, st.RawOut()) },
	}
}
