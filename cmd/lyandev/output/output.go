// Package output prints lists and single objects for people and for programs: as a table, as JSON or YAML, or as names. Every command
// that lists something uses it, so that all have the same flags and the same manners.
package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"sigs.k8s.io/yaml"

	"github.com/lyandev/lyandev/supervisor/ui"
)

// Format is how something is printed: a value of --output.
type Format string

// The formats. Table is the default.
const (
	Table Format = ""
	Wide  Format = "wide"
	Name  Format = "name"
	JSON  Format = "json"
	YAML  Format = "yaml"
)

// Options say how something is printed.
type Options struct {
	Format Format
	// Quiet prints names only, or what the list has in their place.
	Quiet bool
	// NoHeaders leaves out the titles of a table.
	NoHeaders bool
	// Compact prints JSON on one line, and YAML as one document of several: for --watch.
	Compact bool
	// Width is the number of columns that a table may have, 0 for any.
	Width int
}

// ForProgram reports whether the output is for a program: JSON or YAML.
func (o Options) ForProgram() bool { return o.Format == JSON || o.Format == YAML }

// Flags are the flags of a command that prints in the given formats besides a table or text. JSON and YAML are always among them.
func Flags(more ...Format) []cli.Flag {
	list := formats(more)
	flags := []cli.Flag{
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "print `FORMAT`: " + list},
		&cli.BoolFlag{Name: "json", Usage: "the same as -o json"},
	}
	if slices.Contains(more, Wide) || slices.Contains(more, Name) {
		flags = append(flags, &cli.BoolFlag{Name: "no-headers", Usage: "print the table without its titles"})
	}
	return flags
}

// QuietFlag is -q; what is printed instead of names is said by usage, "" for names.
func QuietFlag(usage string) cli.Flag {
	if usage == "" {
		usage = "print only the names"
	}
	return &cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: usage}
}

// WatchFlag is -w.
func WatchFlag() cli.Flag {
	return &cli.BoolFlag{Name: "watch", Aliases: []string{"w"}, Usage: "go on, and print again what has changed, until Ctrl-C"}
}

func formats(more []Format) string {
	var out []string
	for _, f := range append([]Format{JSON, YAML}, more...) {
		out = append(out, string(f))
	}
	if len(out) == 2 {
		return strings.Join(out, " or ")
	}
	return strings.Join(out[:len(out)-1], ", ") + " or " + out[len(out)-1]
}

// Of returns the options of a command line whose command has Flags with the same formats. The error is for a format that it does not
// have, or for two of them.
func Of(c *cli.Context, st *ui.Streams, more ...Format) (Options, error) {
	o := Options{Format: Format(c.String("output")), Quiet: c.Bool("quiet"), NoHeaders: c.Bool("no-headers"), Compact: c.Bool("watch")}
	if c.Bool("json") {
		if o.Format != "" && o.Format != JSON {
			return o, fmt.Errorf("cannot use --json together with -o %s: leave out one of them", o.Format)
		}
		o.Format = JSON
	}
	if o.Format != Table && o.Format != JSON && o.Format != YAML && !slices.Contains(more, o.Format) {
		return o, fmt.Errorf("cannot use -o %q: it must be %s", o.Format, formats(more))
	}
	if st.OutTTY {
		o.Width, _ = st.Size()
	}
	return o, nil
}

// Object prints one value as JSON or YAML. JSON is indented by two spaces, unless Compact.
func Object(out io.Writer, v any, o Options) error {
	if o.Format == YAML {
		b, err := yaml.Marshal(v)
		if err == nil && o.Compact {
			_, err = fmt.Fprintln(out, "---")
		}
		if err == nil {
			_, err = out.Write(b)
		}
		return err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if !o.Compact {
		enc.SetIndent("", "  ")
	}
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := out.Write(b.Bytes())
	return err
}
