package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// printMistakes prints the mistakes in the stack's files, with the lines of the files that they are about, and how many they are. It returns
// false if the error is something else.
func printMistakes(st *ui.Streams, err error) bool {
	var list profiles.Errors
	if !errors.As(err, &list) || err.Error() != list.Error() {
		return false
	}
	with := func(style ui.Style) func(string) string {
		return func(text string) string { return st.Paint(style, text) }
	}
	var paint profiles.Paint
	if st.Color {
		paint = profiles.Paint{Place: with(ui.Bold), Line: with(ui.Blue), Caret: with(ui.Red)}
	}
	dir, _ := os.Getwd() // without it, the names of files are absolute
	fmt.Fprint(st.Err, list.Text(dir, paint))
	fmt.Fprintf(st.Err, "%s %s; nothing was changed\n", st.Paint(ui.Red, "lyandev:"), count(list))
	return true
}

// count says how many mistakes there are, and in which files.
func count(list profiles.Errors) string {
	files := map[string]bool{}
	for _, e := range list {
		files[e.File] = true
	}
	text := "1 mistake in the stack's file"
	if len(list) > 1 {
		text = fmt.Sprintf("%d mistakes in the stack's file", len(list))
	}
	if len(files) > 1 {
		text = fmt.Sprintf("%d mistakes in %d files", len(list), len(files))
	}
	return text
}

// shortFiles makes the names of files at the beginning of a line relative to the current directory.
func shortFiles(line string) string {
	if dir, err := os.Getwd(); err == nil {
		return strings.TrimPrefix(line, dir+string(os.PathSeparator))
	}
	return line
}
