package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/urfave/cli/v2"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/mask"
)

// configLists are the flags of config that print a list, one name a line, instead of the stack.
func configLists() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "services", Usage: "print only the names of the services"},
		&cli.BoolFlag{Name: "images", Usage: "print only the images"},
		&cli.BoolFlag{Name: "volumes", Usage: "print only the names of the volumes"},
		&cli.BoolFlag{Name: "networks", Usage: "print only the names of the networks"},
		&cli.BoolFlag{Name: "profiles", Usage: "print only the names of the profiles"},
		&cli.BoolFlag{Name: "models", Usage: "print only the names of the models"},
		&cli.BoolFlag{Name: "environment", Usage: "print the variables that the file can use: NAME=VALUE, from the environment and the env files"},
		&cli.StringFlag{Name: "hash", Usage: "print a hash of the configuration of `SERVICE`, or of all with *"},
	}
}

// printConfigList prints the list that the command line asks for. It reports false if it asks for none.
func printConfigList(c *cli.Context, stack *services.Stack, out io.Writer) (done bool, err error) {
	var list []string
	switch {
	case c.Bool("services"):
		list = stack.DisplayNames()
	case c.Bool("images"):
		list = stackImages(stack)
	case c.Bool("volumes"):
		list = stackVolumes(stack)
	case c.Bool("networks"):
		for _, n := range stack.Networks {
			list = append(list, n.Key)
		}
	case c.Bool("profiles"):
		all, err := listProfiles(c)
		if err != nil {
			return true, err
		}
		for _, p := range all {
			list = append(list, p.Name)
		}
	case c.Bool("models"):
		for _, m := range stack.Models {
			list = append(list, m.Model)
		}
	case c.Bool("environment"):
		if list, err = profiles.Environment(loadOptions(c, "", nil)); err != nil {
			return true, err
		}
		if !c.Bool("show-secrets") {
			m := mask.New(nil)
			for i := range list {
				list[i] = m.String(list[i])
			}
		}
	case c.String("hash") != "":
		if list, err = stackHashes(stack, c.String("hash")); err != nil {
			return true, err
		}
	default:
		return false, nil
	}
	slices.Sort(list)
	for _, l := range slices.Compact(list) {
		if l != "" {
			fmt.Fprintln(out, l)
		}
	}
	return true, nil
}

func stackImages(stack *services.Stack) []string {
	var out []string
	for _, w := range stack.Workloads {
		spec := w.PodSpec()
		for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
			out = append(out, c.Image)
		}
	}
	return out
}

// stackVolumes are the volumes by their names in the file, and the claims that stand for none of them.
func stackVolumes(stack *services.Stack) []string {
	var out []string
	for _, v := range stack.Volumes {
		out = append(out, v.Key)
	}
	for _, w := range stack.Workloads {
		for _, v := range w.PodSpec().Volumes {
			if v.PersistentVolumeClaim != nil && stack.ClaimVolume(v.PersistentVolumeClaim.ClaimName) == nil {
				out = append(out, v.PersistentVolumeClaim.ClaimName)
			}
		}
		if s, ok := w.Object.(*appsv1.StatefulSet); ok {
			for _, v := range s.Spec.VolumeClaimTemplates {
				if stack.ClaimVolume(v.Name+"-"+w.Name()+"-0") == nil {
					out = append(out, v.Name)
				}
			}
		}
	}
	return out
}

// stackHashes returns "SERVICE HASH" for a service, or for all if name is *. The hash changes with anything that the file says
// about the service. It is not that of docker compose.
func stackHashes(stack *services.Stack, name string) ([]string, error) {
	list := stack.Workloads
	if name != "*" {
		w := stack.Find(name)
		if w == nil {
			return nil, unknownName("service", name, stack.DisplayNames())
		}
		list = []*services.Workload{w}
	}
	var out []string
	for _, w := range list {
		x := *w
		x.Source = "" // a line that moved is no change
		b, err := json.Marshal(&x)
		if err != nil {
			return nil, fmt.Errorf("cannot compute the hash of %s: %w", w.DisplayName(), err)
		}
		sum := sha256.Sum256(b)
		out = append(out, w.DisplayName()+" "+hex.EncodeToString(sum[:]))
	}
	return out, nil
}
