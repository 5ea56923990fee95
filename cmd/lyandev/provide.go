package main

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/provider"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// provide runs the programs that provide services and models of a stack, and completes the environment of the services that use
// them. only are the services to which that is limited; none is all. It blocks until the programs have ended.
func provide(c *cli.Context, st *ui.Streams, t *target, stack *services.Stack, only []string) error {
	if len(stack.Providers)+len(stack.Models) == 0 {
		return nil
	}
	return providers(c, st, t.instance.Name, stack.Dir).Up(c.Context, stack, only)
}

func providers(c *cli.Context, st *ui.Streams, project, dir string) *provider.Runner {
	r := &provider.Runner{Project: project, Dir: dir, Env: os.Environ()}
	if !c.Bool("quiet") {
		r.Info = func(service, line string) { fmt.Fprintf(st.Err, "%s: %s\n", service, line) }
	}
	return r
}
