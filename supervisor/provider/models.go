package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
)

// runtimeFlags is the first version of the Docker Model plugin that takes runtime flags.
var runtimeFlags = version.MustParseGeneric("1.0.6")

// modelRunner is the Docker Model plugin.
type modelRunner struct {
	*Runner
	path string
	// version is nil if the plugin does not say it.
	version *version.Version
}

// modelPlugin finds the Docker Model plugin; nil if the stack uses no model.
func (r *Runner) modelPlugin(ctx context.Context, stack *services.Stack) (*modelRunner, error) {
	if len(stack.Models) == 0 {
		return nil, nil
	}
	const what = "the Docker CLI plugin docker-model, which models need"
	first := stack.Models[0]
	path := r.plugin("model")
	if path == "" {
		return nil, fmt.Errorf("%s: cannot use model %s: %s, is not installed", first.Source, first.Key, what)
	}
	out, err := r.command(ctx, path, "docker-cli-plugin-metadata").Output()
	var about struct{ SchemaVersion, Version string }
	if err == nil {
		err = json.Unmarshal(out, &about)
	}
	if err == nil && about.SchemaVersion == "" {
		err = errors.New("it does not say what it is")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: cannot use model %s: %s, does not work (%s): %w", first.Source, first.Key, what, path, err)
	}
	v, _ := version.ParseGeneric(about.Version)
	return &modelRunner{r, path, v}, nil
}

// prepare pulls the models that are missing, configures all, and replaces compose.ModelEndpoint in the stack's environments.
func (m *modelRunner) prepare(ctx context.Context, stack *services.Stack) error {
	var there []struct{ Tags []string }
	if err := m.ask(ctx, &there, "ls", "--json"); err != nil {
		return err
	}
	var status struct{ Endpoint string }
	if err := m.ask(ctx, &status, "status", "--json"); err != nil {
		return err
	}
	for _, x := range stack.Models {
		has := slices.ContainsFunc(there, func(t struct{ Tags []string }) bool { return slices.Contains(t.Tags, x.Model) })
		if err := m.ready(ctx, x, has); err != nil {
			return fmt.Errorf("%s: %w", x.Source, err)
		}
	}
	for _, x := range stack.Workloads {
		err := setEnvironment(x, func(env map[string]string) {
			for name, value := range env {
				env[name] = strings.ReplaceAll(value, compose.ModelEndpoint, status.Endpoint)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ready pulls a model unless it is there, and configures it.
func (m *modelRunner) ready(ctx context.Context, x *compose.Model, there bool) error {
	if !there {
		if m.Info != nil {
			m.Info(x.Key, "pulling "+x.Model)
		}
		if _, err := m.output(ctx, "pull", x.Model); err != nil {
			return err
		}
	}
	args := []string{"configure"}
	if x.ContextSize > 0 {
		args = append(args, "--context-size", strconv.Itoa(x.ContextSize))
	}
	args = append(args, x.Model)
	if len(x.RuntimeFlags) > 0 && m.version != nil && m.version.AtLeast(runtimeFlags) {
		args = append(append(args, "--"), x.RuntimeFlags...)
	}
	_, err := m.output(ctx, args...)
	return err
}

// ask calls the plugin and decodes its answer.
func (m *modelRunner) ask(ctx context.Context, into any, args ...string) error {
	out, err := m.output(ctx, args...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, into); err != nil {
		return fmt.Errorf("cannot read the answer of `docker model %s`: %w", strings.Join(args, " "), err)
	}
	return nil
}

func (m *modelRunner) output(ctx context.Context, args ...string) ([]byte, error) {
	out, err := m.command(ctx, m.path, args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot run `docker model %s`: %w", strings.Join(args, " "), err)
	}
	return out, nil
}
