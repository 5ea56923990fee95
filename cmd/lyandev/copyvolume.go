package main

import (
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/snapshot"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// newCopyVolumeCommand is what snapshots run in a container of lyandev's own image, which has nothing else in it.
func newCopyVolumeCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: snapshot.Command, Hidden: true, SkipFlagParsing: true, Usage: "copy a volume's content",
		ArgsUsage: "copy SRC DST | seal DST | fill SRC DST SUM LEAD | swap DST | abandon DST",
		Action: func(c *cli.Context) error {
			done, err := copyVolume(c.Args().Slice())
			if err != nil {
				return err
			}
			return json.NewEncoder(st.Out).Encode(done)
		},
	}
}

func copyVolume(args []string) (snapshot.Copied, error) {
	do := ""
	if len(args) > 0 {
		do, args = args[0], args[1:]
	}
	switch {
	case do == "copy" && len(args) == 2:
		return snapshot.Copy(args[0], args[1])
	case do == "seal" && len(args) == 1:
		return snapshot.Seal(args[0])
	case do == "fill" && len(args) == 4:
		return snapshot.Fill(args[0], args[1], args[2], args[3] == "true")
	case do == "swap" && len(args) == 1:
		return snapshot.Copied{}, snapshot.Swap(args[0])
	case do == "abandon" && len(args) == 1:
		return snapshot.Copied{}, snapshot.Abandon(args[0])
	}
	return snapshot.Copied{}, withCode(exitUsage, fmt.Errorf("cannot do %q with %d arguments", do, len(args)))
}
