package main

import (
	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/pod/fsgroup"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// newFSGroupCommand is the entry point of the helper container that gives volumes to a pod's fsGroup.
func newFSGroupCommand(*ui.Streams) *cli.Command {
	return &cli.Command{
		Name: fsgroup.Command, Hidden: true, Usage: "give the files of volumes to a group", ArgsUsage: "GROUP DIRECTORY...",
		Action: func(c *cli.Context) error { return fsgroup.Main(c.Args().Slice()) },
	}
}
