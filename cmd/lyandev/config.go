package main

import (
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v2"
	"sigs.k8s.io/yaml"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
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
			shown, err := shownStack(stack)
			if err != nil {
				return err
			}
			b, err := json.MarshalIndent(shown, "", "  ")
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

// shownStack is a stack in the form that people read: each workload says its semantics, and what Docker is asked for a plain
// service is a mapping and not a text in an annotation. The project's name is that of the file.
func shownStack(stack *services.Stack) (map[string]any, error) {
	stack = stack.DeepCopy()
	containers := map[int]*compose.Container{}
	for i, w := range stack.Workloads {
		if !w.Plain() {
			continue
		}
		c, err := compose.Decode(w.PodMeta().Annotations[compose.Annotation], stack.Name)
		if err != nil {
			return nil, fmt.Errorf("cannot show service %s: %w", w.DisplayName(), err)
		}
		delete(w.PodMeta().Annotations, compose.Annotation)
		containers[i] = c
	}
	b, err := json.Marshal(stack)
	if err != nil {
		return nil, fmt.Errorf("cannot print the stack: %w", err)
	}
	var out map[string]any
	if err := json.Unmarshal([]byte(compose.Named(string(b), stack.Name)), &out); err != nil {
		return nil, fmt.Errorf("cannot print the stack: %w", err)
	}
	list, _ := out["workloads"].([]any)
	for i, v := range list {
		w, _ := v.(map[string]any)
		w["semantics"] = stack.Workloads[i].Semantics()
		if c := containers[i]; c != nil {
			w["container"] = c
		}
	}
	return out, nil
}
