package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newSchemaCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "schema", Usage: "print the JSON schema of the file, for editors",
		Description: "The schema is that of the Compose specification, with x-lyandev and the Kubernetes objects in it (draft-07). Editors with\n" +
			"yaml-language-server (VS Code with the YAML extension, Neovim, Helix ...) complete and check by it if the file's first\n" +
			"line names it: --install writes it to a file of yours and prints that line. A newer lyandev's --install, or its init,\n" +
			"refreshes it. See lyandev help editors for the settings that !reset and !override need.\n\n" +
			"Examples:\n" +
			"  lyandev schema --install\n" +
			"  lyandev schema > schema.json",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "install", Usage: "write it to lyandev/schema.json in the directory of your settings, and print the line for the file"}},
		Action: func(c *cli.Context) error {
			if c.Bool("install") {
				return runInstallSchema(st)
			}
			raw, err := profiles.FileSchema()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(st.Out, "%s\n", raw)
			return err
		},
	}
}

func runInstallSchema(st *ui.Streams) error {
	path, err := installSchema()
	if err != nil {
		return err
	}
	fmt.Fprintf(st.Err, "wrote %s; make this the first line of the file:\n", path)
	fmt.Fprintln(st.Out, schemaModeline(path))
	return nil
}

// schemaPath returns the path of the installed schema: lyandev/schema.json in the user's directory for settings (on Linux
// $XDG_CONFIG_HOME, default ~/.config).
func schemaPath() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("cannot find the directory for the schema: %w; set HOME or XDG_CONFIG_HOME", err)
	}
	return filepath.Join(dir, "lyandev", "schema.json"), nil
}

// installSchema writes the schema to schemaPath, over an earlier one, and returns the path. Only the owner can read it.
func installSchema() (string, error) {
	path, err := schemaPath()
	if err != nil {
		return "", err
	}
	raw, err := profiles.FileSchema()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("cannot make the directory of the schema: %w", err)
	}
	if err := instance.WriteFile(path, append(raw, '\n')); err != nil {
		return "", fmt.Errorf("cannot write the schema: %w", err)
	}
	return path, nil
}

// schemaModeline returns the first line of a YAML file that tells editors which schema it has. The path is a URI, because a path
// with a space or with a drive letter would not be understood.
func schemaModeline(path string) string {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed
	}
	return "# yaml-language-server: $schema=" + (&url.URL{Scheme: "file", Path: slashed}).String()
}
