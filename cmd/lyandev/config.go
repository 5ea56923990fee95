package main

import (
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v2"
	"sigs.k8s.io/yaml"

	"github.com/lyandev/lyandev/services/mask"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newConfigCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "config", Usage: "check the file and print the effective, merged stack",
		Flags: []cli.Flag{
			jsonFlag(),
			&cli.BoolFlag{Name: "show-secrets", Usage: "print passwords and tokens unmasked"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "check only, print nothing"},
		},
		Action: func(c *cli.Context) error {
			stack, err := loadStack(c, chosenProfile(c))
			if err != nil {
				return err
			}
			for _, n := range stack.Notes {
				fmt.Fprintln(st.Err, st.Paint(ui.Yellow, "note: ")+n)
			}
			if c.Bool("quiet") {
				return nil
			}
			if !c.Bool("show-secrets") {
				stack = mask.Stack(stack)
			}
			b, err := json.MarshalIndent(stack, "", "  ")
			if err == nil && !c.Bool("json") {
				b, err = yaml.JSONToYAML(b)
			}
			if err != nil {
				return fmt.Errorf("cannot print the stack: %w", err)
			}
			_, err = fmt.Fprintln(st.Out, string(b))
			return err
		},
	}
}
