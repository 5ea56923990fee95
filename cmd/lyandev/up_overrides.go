package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/services"
)

// applyOverrides changes a loaded stack as the flags --scale, --force-recreate and --always-recreate-deps of `up` say.
func applyOverrides(c *cli.Context, stack *services.Stack) error {
	replicas, err := parseScale(c.StringSlice("scale"))
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(replicas)) {
		w := stack.Find(name)
		if w == nil {
			return unknownName("service", name, stack.DisplayNames())
		}
		if err := w.CheckReplicas(replicas[name]); err != nil {
			return fmt.Errorf("cannot scale %s to %d: %w", name, replicas[name], err)
		}
		if !w.SetReplicas(int32(replicas[name])) {
			return fmt.Errorf("cannot scale %s: a %s has no replicas", name, w.Kind())
		}
	}
	only := c.Args().Slice()
	var needed []string // only and what they depend on
	for _, name := range only {
		if x := stack.Find(name); x != nil {
			needed = stack.WithDependencies(needed, x)
		}
	}
	for _, w := range stack.Workloads {
		named := len(only) == 0 || slices.Contains(only, w.DisplayName()) || slices.Contains(only, w.Name())
		anew := named && c.Bool("force-recreate") || !named && slices.Contains(needed, w.Name()) && c.Bool("always-recreate-deps")
		if !anew {
			continue
		}
		meta := w.PodMeta()
		if meta.Annotations == nil {
			meta.Annotations = map[string]string{}
		}
		meta.Annotations[services.RecreatedAnnotation] = time.Now().UTC().Format(time.RFC3339Nano)
	}
	return nil
}
