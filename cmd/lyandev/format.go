package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"
	"text/template"

	"github.com/lyandev/lyandev/services/mask"
)

// rowFormat prints rows as a value of --format says, as Docker's commands do: "json" is one line of JSON a row, "table TEMPLATE" a
// table with headers, anything else a Go template that is executed for each row. In templates \t and \n stand for a tab and a newline.
type rowFormat struct {
	json, table bool
	template    *template.Template
	// titles are the headers of the table, by field.
	titles map[string]string
}

// parseFormat parses a value of --format. row is a zero value of the rows, whose fields a template may use. "" and "table" alone are
// the command's own table: the result is nil then.
func parseFormat(text string, row any) (*rowFormat, error) {
	switch text {
	case "", "table":
		return nil, nil
	case "json":
		return &rowFormat{json: true}, nil
	}
	f := &rowFormat{titles: map[string]string{}}
	for _, name := range fieldsOf(row) {
		f.titles[name] = strings.ToUpper(mask.SplitCamel(name))
	}
	body, isTable := strings.CutPrefix(text, "table ")
	f.table = isTable
	if !strings.Contains(body, "{{") {
		return nil, fmt.Errorf("cannot use --format %q: it must be table, json, or a Go template such as '{{.%s}}'", text, fieldsOf(row)[0])
	}
	body = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(body)
	var err error
	if f.template, err = template.New("--format").Funcs(templateFuncs).Parse(body); err == nil {
		err = f.template.Execute(io.Discard, row)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use --format %q: %w; the fields are %s", text, err, strings.Join(fieldsOf(row), ", "))
	}
	return f, nil
}

// templateFuncs are those of the functions of Docker's templates that make text.
var templateFuncs = template.FuncMap{
	"json": func(v any) (string, error) {
		b, err := json.Marshal(v)
		return string(b), err
	},
	"join": strings.Join, "split": strings.Split, "lower": strings.ToLower, "upper": strings.ToUpper,
	"title":    func(s string) string { return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):] },
	"truncate": func(s string, n int) string { return s[:min(max(n, 0), len(s))] },
	"println":  fmt.Sprintln,
}

// print prints the rows.
func (f *rowFormat) print(out io.Writer, rows []any) error {
	if f.json {
		enc := json.NewEncoder(out)
		for _, r := range rows {
			if err := enc.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	if !f.table {
		return f.execute(out, rows)
	}
	w := tabwriter.NewWriter(out, 0, 4, 3, ' ', 0)
	if err := f.template.Execute(w, f.titles); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if err := f.execute(w, rows); err != nil {
		return err
	}
	return w.Flush()
}

func (f *rowFormat) execute(out io.Writer, rows []any) error {
	for _, r := range rows {
		var line bytes.Buffer
		if err := f.template.Execute(&line, r); err != nil {
			return err
		}
		fmt.Fprintln(out, line.String())
	}
	return nil
}

// fieldsOf are the names of the fields of a struct.
func fieldsOf(row any) []string {
	var out []string
	for i := range reflect.TypeOf(row).NumField() {
		out = append(out, reflect.TypeOf(row).Field(i).Name)
	}
	return out
}
