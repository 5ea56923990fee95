package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/ui"
)

func newVersionCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print the version of lyandev and of the Docker engine", Flags: []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error {
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
			if c.Bool("json") {
				return json.NewEncoder(st.Out).Encode(v)
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
