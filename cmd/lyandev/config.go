package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/urfave/cli/v2"
	"sigs.k8s.io/yaml"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/services/mask"
	"github.com/lyandev/lyandev/supervisor/prepare"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newConfigCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "config", Usage: "check the file and print the effective, merged stack", ArgsUsage: "[SERVICE...]",
		Description: "The stack is printed as lyandev runs it: Kubernetes' objects, and for plain services what Docker is asked for. The lists are\n" +
			"sorted, one name a line, as docker compose config prints them. With services, only they and what they depend on are printed.",
		Flags: append([]cli.Flag{
			jsonFlag(),
			&cli.StringFlag{Name: "format", Value: "yaml", Usage: "`yaml` or json"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to `FILE`"},
			&cli.BoolFlag{Name: "show-secrets", Usage: "print passwords and tokens unmasked"},
			&cli.BoolFlag{Name: "support", Usage: "print which attributes of the Compose specification are applied"},
			&cli.BoolFlag{Name: "here", Usage: "with --support: print what of this file is not applied"},
			strictFlag(),
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "check only, print nothing"},
		}, append(configLists(), configFileFlags()...)...),
		Action: func(c *cli.Context) error {
			if c.Bool("support") {
				return runSupport(c, st)
			}
			asJSON, err := wantsJSON(c, "yaml")
			if err != nil {
				return err
			}
			if done, err := printFile(c, st, asJSON); done || err != nil {
				return err
			}
			stack, err := configStack(c)
			if err != nil {
				return err
			}
			return runConfig(c, st, stack, asJSON)
		},
	}
}

// configStack is the stack that config prints: of the services that the command line names, with pinned images if it says so.
func configStack(c *cli.Context) (*services.Stack, error) {
	stack, err := loadActive(c, chosenProfile(c), c.Args().Slice())
	if err != nil {
		return nil, err
	}
	if stack, err = onlyServices(stack, c.Args().Slice()); err != nil {
		return nil, withCode(exitUsage, err)
	}
	if c.Bool("resolve-image-digests") || c.Bool("lock-image-digests") {
		return pinImages(c, stack)
	}
	return stack, nil
}

// runConfig prints the stack, or the list of it that the command line asks for.
func runConfig(c *cli.Context, st *ui.Streams, stack *services.Stack, asJSON bool) error {
	if c.Bool("lock-image-digests") {
		return printConfig(c, st, lockFile(stack), asJSON, mask.New(nil))
	}
	if c.Bool("strict") {
		if err := checkApplied(c, st, stack); err != nil {
			return err
		}
	}
	var text bytes.Buffer
	if list, err := printConfigList(c, stack, &text); err != nil {
		return err
	} else if list {
		return writeConfig(c, st, text.Bytes())
	}
	printNotes(st, stack)
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
	if err == nil && !asJSON {
		b, err = yaml.JSONToYAML(b)
	}
	if err != nil {
		return fmt.Errorf("cannot print the stack: %w", err)
	}
	return writeConfig(c, st, append(b, '\n'))
}

// onlyServices limits a stack to services and what they depend on; no names means all.
func onlyServices(stack *services.Stack, names []string) (*services.Stack, error) {
	if len(names) == 0 {
		return stack, nil
	}
	for _, n := range names {
		if stack.Find(n) == nil {
			return nil, unknownName("service", n, stack.DisplayNames())
		}
	}
	out, _, err := prepare.Only(nil, stack, names, true)
	return out, err
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

// writeConfig writes what config prints to standard output or the file of --output. The file can be read by its owner only: the
// stack holds secrets.
func writeConfig(c *cli.Context, st *ui.Streams, text []byte) error {
	if c.String("output") == "" {
		_, err := st.Out.Write(text)
		return err
	}
	if err := os.WriteFile(c.String("output"), text, 0o600); err != nil {
		return fmt.Errorf("cannot write the stack: %w", err)
	}
	return nil
}

// printNotes prints what is probably a mistake in the file, then what of it is ignored or approximated.
func printNotes(st *ui.Streams, stack *services.Stack) {
	printWarnings(st, stack)
	for _, n := range stack.Notes {
		if !slices.Contains(stack.Warnings, n) {
			fmt.Fprintln(st.Err, st.Paint(ui.Yellow, "note: ")+n)
		}
	}
}
