package main

import (
	"bytes"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/resources"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// `up` leaves what Docker Compose runs alone unless the user says otherwise.
func TestTakeOver(t *testing.T) {
	stack := &services.Stack{Workloads: []*services.Workload{{Object: &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web"}}}}}
	for _, c := range []struct {
		name          string
		flag, tty     bool
		answer        string
		fails, leaves bool
		says          string
	}{
		{name: "no flag, no terminal", fails: true, leaves: true, says: "p-web-1 (running): runs service web\nrun `lyandev up --take-over`"},
		{name: "flag", flag: true, says: "removing 1 containers"},
		{name: "yes", tty: true, answer: "Y\n", says: "Volumes are kept and used. [y/N] taking over"},
		{name: "no", tty: true, answer: "\n", fails: true, leaves: true, says: "nothing was changed"},
		{name: "end of input", tty: true, fails: true, leaves: true, says: "nothing was changed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			eng := enginefake.New()
			eng.AddImage("img:1", enginefake.Image{})
			id, err := eng.CreateContainer(t.Context(), engine.ContainerSpec{
				Name: "p-web-1", Image: "img:1",
				Labels: map[string]string{resources.ComposeProject: "p", "com.docker.compose.service": "web"},
			})
			if err == nil {
				err = eng.StartContainer(t.Context(), id)
			}
			if err != nil {
				t.Fatal(err)
			}
			at := func(name string) *instance.Instance {
				i, err := (&instance.Registry{Root: t.TempDir()}).Resolve(t.Context(), name, t.TempDir(), name)
				if err != nil {
					t.Fatal(err)
				}
				return i
			}
			var said bytes.Buffer
			st := &ui.Streams{In: strings.NewReader(c.answer), Out: &said, Err: &said, InTTY: c.tty, ErrTTY: c.tty}
			err = takeOverWith(t.Context(), eng, st, at("p"), stack, c.flag)
			if err != nil {
				said.WriteString(err.Error())
			}
			if (err != nil) != c.fails || !strings.Contains(said.String(), c.says) {
				t.Errorf("error %v, said %q", err, said.String())
			}
			if _, err := eng.InspectContainer(t.Context(), id); engine.IsNotFound(err) == c.leaves {
				t.Errorf("container: %v", err)
			}
			if err := takeOverWith(t.Context(), eng, st, at("q"), stack, false); err != nil {
				t.Errorf("another project: %v", err)
			}
		})
	}
}
