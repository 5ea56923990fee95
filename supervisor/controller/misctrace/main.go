// Command misctrace runs the product's rules on a file of questions and prints the answers in the form of the recorded ones:
// misctrace KIND FILE, where KIND is expand, backoff, fenceposts, cron, resources, serviceenv, validate or default.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// kinds are the questions there are, each with what answers a file of them.
var kinds = map[string]func(data []byte, out io.Writer) error{
	"expand":     asJSON(expand),
	"backoff":    asJSON(backOff),
	"fenceposts": asJSON(fenceposts),
	"cron":       asJSON(cronTimes),
	"resources":  asJSON(resources),
	"serviceenv": asJSON(serviceEnv),
	"validate":   asJSON(validate),
	"default":    defaults,
}

func main() {
	if len(os.Args) != 3 || kinds[os.Args[1]] == nil {
		var names []string
		for k := range kinds {
			names = append(names, k)
		}
		slices.Sort(names)
		fmt.Fprintf(os.Stderr, "usage: misctrace %s FILE\n", strings.Join(names, "|"))
		os.Exit(2)
	}
	if err := answer(os.Args[1], os.Args[2], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func answer(kind, path string, out io.Writer) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot read questions: %w", err)
	}
	if err := kinds[kind](data, out); err != nil {
		return fmt.Errorf("cannot answer %s: %w", path, err)
	}
	return nil
}

func asJSON(answers func([]byte) (any, error)) func([]byte, io.Writer) error {
	return func(data []byte, out io.Writer) error {
		v, err := answers(data)
		if err != nil {
			return err
		}
		e := json.NewEncoder(out)
		e.SetIndent("", " ")
		e.SetEscapeHTML(false)
		return e.Encode(v)
	}
}
