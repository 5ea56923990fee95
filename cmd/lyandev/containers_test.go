package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
)

// containers is an engine with these containers: "WORKLOAD POD CONTAINER [ended|init]".
type containers []string

func (l containers) ListContainers(context.Context, map[string]string) ([]engine.Container, error) {
	var out []engine.Container
	for _, text := range l {
		f := strings.Fields(text)
		c := engine.Container{ID: f[1] + "/" + f[2], Name: "shop_" + f[1] + "_" + f[2], State: engine.StateRunning, Labels: map[string]string{
			services.KindLabel: dockerpod.KindContainer, services.WorkloadLabel: f[0], services.PodLabel: f[1], services.ContainerLabel: f[2],
			composeServiceLabel: strings.ReplaceAll(f[0], "-", "_"),
		}}
		switch f[len(f)-1] {
		case "ended":
			c.State = engine.StateExited
		case "init":
			c.Labels[services.KindLabel] = dockerpod.KindInit
		}
		out = append(out, c)
	}
	return out, nil
}

func TestChooseContainers(t *testing.T) {
	eng := containers{
		"web web-10 app", "web web-2 app", "web web-2 log", "my-db my-db-0 db", "job job-x job ended", "web web-2 setup init",
	}
	for _, c := range []struct {
		name string
		want choice
		get  string
		err  string
		code int
	}{
		{name: "all", get: "my-db-0/db web-2/app web-2/log web-10/app"},
		{name: "a service", want: choice{names: []string{"web"}}, get: "web-2/app web-2/log web-10/app"},
		{name: "as the file has it", want: choice{names: []string{"my_db"}}, get: "my-db-0/db"},
		{name: "a pod", want: choice{names: []string{"web-10"}}, get: "web-10/app"},
		{name: "as the engine has it", want: choice{names: []string{"shop_web-10_app"}}, get: "web-10/app"},
		{name: "a pod's container", want: choice{names: []string{"web-2/log"}}, get: "web-2/log"},
		{name: "a named container", want: choice{names: []string{"web"}, container: "log"}, get: "web-2/log"},
		{name: "ended too", want: choice{names: []string{"job"}, ended: true}, get: "job-x/job"},
		{name: "init too", want: choice{names: []string{"web-2"}, init: true}, get: "web-2/app web-2/log web-2/setup"},
		{name: "ended", want: choice{names: []string{"job"}}, err: "cannot find a running container of job; see `lyandev ps job`", code: exitFailed},
		{name: "in the file only", want: choice{names: []string{"later"}}, err: "cannot find a running container of later; see `lyandev ps later`", code: exitFailed},
		{name: "unknown", want: choice{names: []string{"wbe"}}, err: `there is no service or pod "wbe"; did you mean web?`, code: exitUsage},
		{name: "no such container", want: choice{names: []string{"web"}, container: "x"}, err: "cannot find a running container of web with the name x", code: exitFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := chooseContainers(t.Context(), eng, "shop", c.want, []string{"later"})
			var got []string
			for _, x := range list {
				got = append(got, x.ID)
			}
			if c.err == "" {
				if err != nil || !slices.Equal(got, strings.Fields(c.get)) {
					t.Errorf("got %v (%v), want %s", got, err, c.get)
				}
				return
			}
			code := exitFailed
			if coded := new(codedError); errors.As(err, &coded) {
				code = coded.code
			}
			if err == nil || !strings.Contains(err.Error(), c.err) || code != c.code {
				t.Errorf("got %v (code %d), want %s (code %d)", err, code, c.err, c.code)
			}
		})
	}
	_, err := chooseContainers(t.Context(), containers{}, "shop", choice{names: []string{"web"}}, nil)
	if err == nil || !strings.Contains(err.Error(), "no pods are running; `lyandev up` starts them") {
		t.Errorf("nothing runs: got %v", err)
	}
}
