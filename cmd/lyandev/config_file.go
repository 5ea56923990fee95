package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
	"sigs.k8s.io/yaml"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/mask"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// configFileFlags are the flags of config that are about the file, or about the images that it names.
func configFileFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "no-interpolate", Usage: "print the merged file as it is written, without values for its variables"},
		&cli.BoolFlag{Name: "variables", Usage: "print the variables that the file asks for, with their defaults and values"},
		&cli.BoolFlag{Name: "resolve-image-digests", Usage: "print images by the digest that their registry has now"},
		&cli.BoolFlag{Name: "lock-image-digests", Usage: "print a Compose file that pins the images of the services to their digests"},
	}
}

// printFile prints the file in the form that the command line asks for. It reports false if it asks for none.
func printFile(c *cli.Context, st *ui.Streams, asJSON bool) (done bool, err error) {
	o := loadOptions(c, chosenProfile(c), c.Args().Slice())
	m := mask.New(nil)
	switch {
	case c.Bool("no-interpolate"):
		model, err := profiles.Model(c.Context, o)
		if err != nil {
			return true, withCode(exitUsage, err)
		}
		return true, printConfig(c, st, model, asJSON, m)
	case c.Bool("variables"):
		list, err := profiles.Variables(c.Context, o)
		if err != nil {
			return true, withCode(exitUsage, err)
		}
		return true, printVariables(c, st, list, asJSON, m)
	}
	return false, nil
}

// printConfig writes a document as YAML or JSON, with what looks like a password masked.
func printConfig(c *cli.Context, st *ui.Streams, document any, asJSON bool, m *mask.Masker) error {
	b, err := json.MarshalIndent(document, "", "  ")
	if err == nil && !c.Bool("show-secrets") {
		b = m.Bytes(b)
	}
	if err == nil && !asJSON {
		b, err = yaml.JSONToYAML(b)
	}
	if err != nil {
		return fmt.Errorf("cannot print the file: %w", err)
	}
	return writeConfig(c, st, append(bytes.TrimRight(b, "\n"), '\n'))
}

var variableRows = output.List[profiles.Variable]{Columns: []output.Column[profiles.Variable]{
	{Title: "NAME", Cell: func(v profiles.Variable) string { return v.Name }},
	{Title: "REQUIRED", Cell: func(v profiles.Variable) string { return strconv.FormatBool(v.Required) }},
	{Title: "DEFAULT VALUE", Cell: func(v profiles.Variable) string { return v.Default }},
	{Title: "ALTERNATE VALUE", Cell: func(v profiles.Variable) string { return v.Alternate }},
	{Title: "VALUE", Cell: func(v profiles.Variable) string { return v.Value }},
}}

func printVariables(c *cli.Context, st *ui.Streams, list []profiles.Variable, asJSON bool, m *mask.Masker) error {
	if !c.Bool("show-secrets") {
		for i := range list {
			v := &list[i]
			v.Default, v.Alternate, v.Value = maskedValue(m, v.Name, v.Default), maskedValue(m, v.Name, v.Alternate), maskedValue(m, v.Name, v.Value)
		}
	}
	if asJSON {
		return printConfig(c, st, list, true, m)
	}
	var text bytes.Buffer
	if err := variableRows.Print(&text, list, output.Options{}); err != nil {
		return err
	}
	return writeConfig(c, st, text.Bytes())
}

// maskedValue masks the value of a variable if its name says that it is secret, or if it looks like one.
func maskedValue(m *mask.Masker, name, value string) string {
	if value == "" {
		return ""
	}
	_, shown, _ := strings.Cut(m.String(name+"="+value), "=")
	return shown
}

// digester tells the digests of images.
type digester interface {
	ImageDigest(ctx context.Context, ref string) (string, error)
}

// pinImages replaces the images of a stack that it does not build by NAME@DIGEST. The engine must be reachable.
func pinImages(c *cli.Context, stack *services.Stack) (*services.Stack, error) {
	eng, err := connect(c.Context)
	if err != nil {
		return nil, err
	}
	defer eng.Close()
	return pinned(c.Context, eng, stack)
}

func pinned(ctx context.Context, eng digester, stack *services.Stack) (*services.Stack, error) {
	stack = stack.DeepCopy()
	known := map[string]string{}
	for _, w := range stack.Workloads {
		spec := w.PodSpec()
		for _, list := range []int{0, 1} {
			containers := spec.Containers
			if list == 1 {
				containers = spec.InitContainers
			}
			for i := range containers {
				ref := containers[i].Image
				built := slices.ContainsFunc(stack.Builds, func(b *services.Build) bool { return b.Image == ref })
				if ref == "" || built || strings.Contains(ref, "@") {
					continue
				}
				if known[ref] == "" {
					digest, err := eng.ImageDigest(ctx, ref)
					if err != nil {
						return nil, fmt.Errorf("cannot pin the image of %s: %w", w.DisplayName(), err)
					}
					known[ref] = engine.PinnedTo(ref, digest)
				}
				containers[i].Image = known[ref]
			}
		}
	}
	return stack, nil
}

// lockFile is a Compose file that gives the services of a stack their images.
func lockFile(stack *services.Stack) map[string]any {
	list := map[string]any{}
	for _, w := range stack.Workloads {
		if spec := w.PodSpec(); len(spec.Containers) > 0 && strings.Contains(spec.Containers[0].Image, "@") {
			list[w.DisplayName()] = map[string]any{"image": spec.Containers[0].Image}
		}
	}
	return map[string]any{"services": list}
}
