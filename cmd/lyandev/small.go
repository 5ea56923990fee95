package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newVersionCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print the version of lyandev and of the Docker engine", Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: "pretty", Usage: "`pretty` or json"},
			&cli.BoolFlag{Name: "short", Usage: "print only the version of lyandev"},
		}, output.Flags()...),
		Action: func(c *cli.Context) error {
			how, err := outputOf(c, st)
			if err != nil {
				return err
			}
			if asJSON, err := wantsJSON(c, "pretty"); err != nil {
				return err
			} else if asJSON {
				how.Format = output.JSON
			}
			if c.Bool("short") {
				_, err := fmt.Fprintln(st.Out, version)
				return err
			}
			v := map[string]string{"version": version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						v["revision"] = s.Value
					}
				}
			}
			if eng, err := connect(c.Context); err == nil {
				defer eng.Close()
				if i, err := eng.Info(c.Context); err == nil {
					v["engine"], v["api"] = i.Version, i.APIVersion
				}
			}
			if how.ForProgram() {
				return output.Object(st.Out, v, how)
			}
			fmt.Fprintf(st.Out, "lyandev %s (%s, %s)\n", v["version"], v["platform"], v["go"])
			if v["engine"] != "" {
				fmt.Fprintf(st.Out, "docker engine %s (API %s)\n", v["engine"], v["api"])
			} else {
				fmt.Fprintln(st.Out, "docker engine: no answer")
			}
			return nil
		},
	}
}
