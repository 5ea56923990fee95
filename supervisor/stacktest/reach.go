package stacktest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// Addr returns the host address ("127.0.0.1:PORT") of a Service's port.
func (s *Stack) Addr(service string, port int32) string {
	s.t.Helper()
	a, err := s.c.Addr(service, port)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// URL returns Addr as an HTTP URL without a trailing slash.
func (s *Stack) URL(service string, port int32) string {
	s.t.Helper()
	return "http://" + s.Addr(service, port)
}

// DSN returns the data source name of the MariaDB master's database, for github.com/go-sql-driver/mysql, with the user that the
// stack declares for its app (root if it declares none).
func (s *Stack) DSN() string {
	s.t.Helper()
	env := s.roleEnv("mariadb", "master")
	user, password := env["MARIADB_USER"], env["MARIADB_PASSWORD"]
	if user == "" {
		user, password = "root", env["MARIADB_ROOT_PASSWORD"]
	}
	return fmt.Sprintf("%s:%s@tcp(%s)/%s?parseTime=true", user, password, s.roleAddr("mariadb", "master", 3306), env["MARIADB_DATABASE"])
}

// RedisAddr returns the host address of the current Redis master.
func (s *Stack) RedisAddr() string {
	s.t.Helper()
	return s.roleAddr("redis", "master", 6379)
}

// roleAddr returns the host address of the Service that selects pods by a role.
func (s *Stack) roleAddr(operator, role string, port int32) string {
	s.t.Helper()
	for _, v := range s.c.Stack().Services {
		if v.Spec.Selector[services.RoleLabel] != role {
			continue
		}
		for _, p := range v.Spec.Ports {
			if p.Port == port {
				return s.Addr(v.Name, port)
			}
		}
	}
	for _, w := range s.c.Stack().Workloads { // no Service selects by the role: use one of the workload
		if w.Operator != operator {
			continue
		}
		for _, v := range s.c.Stack().Services {
			if len(v.Spec.Selector) > 0 && selects(v.Spec.Selector, w.PodMeta().Labels) && len(v.Spec.Ports) > 0 {
				return s.Addr(v.Name, v.Spec.Ports[0].Port)
			}
		}
	}
	s.t.Fatalf("cannot find the address of the %s %s: no Service leads there", operator, role)
	return ""
}

func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// roleEnv returns the environment of the first container of the pod with a role.
func (s *Stack) roleEnv(operator, role string) map[string]string {
	s.t.Helper()
	p, err := s.c.PodWithRole(operator, role)
	if err != nil {
		s.t.Fatal(err)
	}
	id, err := s.c.ContainerID(p.Name, "")
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := s.c.Engine().InspectContainer(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	env := map[string]string{}
	for _, e := range c.Env {
		k, v, _ := strings.Cut(e, "=")
		env[k] = v
	}
	return env
}

// Result is the result of a command.
type Result struct {
	ExitCode int
	// Output is stdout, then stderr.
	Output string
}

// Exec runs a command in the first container of a pod and blocks until it ends. name is a pod or a workload. A non-zero exit code
// does not fail the test; a command that cannot be started does.
func (s *Stack) Exec(name string, cmd ...string) Result {
	s.t.Helper()
	r, err := s.c.Exec(s.t.Context(), s.pod(name).Name, "", engine.ExecSpec{Cmd: cmd})
	if err != nil {
		s.t.Fatal(err)
	}
	return Result{ExitCode: r.ExitCode, Output: string(r.Output)}
}

// Logs returns the logs of all containers of a pod, including ended ones.
func (s *Stack) Logs(name string) string {
	s.t.Helper()
	list, err := s.c.Engine().ListContainers(s.t.Context(), map[string]string{
		services.ProjectLabel: s.c.Name(), "dev.lyandev.pod": s.pod(name).Name, "dev.lyandev.container": "",
	})
	if err != nil {
		s.t.Fatal(err)
	}
	var b bytes.Buffer
	for _, c := range list {
		r, err := s.c.Engine().Logs(s.t.Context(), c.ID, engine.LogOptions{Tail: -1})
		if engine.IsNotFound(err) {
			continue
		}
		if err != nil {
			s.t.Fatal(err)
		}
		_, err = io.Copy(&b, r)
		_ = r.Close()
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return b.String()
}

// WaitReady blocks until the whole stack is ready, as Start does. Immediately after a fault the stack may still be reported ready:
// wait for an effect of the fault first.
func (s *Stack) WaitReady() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), s.timeout)
	defer cancel()
	if err := s.c.WaitReady(ctx); err != nil {
		s.t.Fatal(err)
	}
}

// Reset restores the content that the databases had when Start returned, without restarting containers; see
// throwaway.Copy.Reset.
func (s *Stack) Reset() {
	s.t.Helper()
	if err := s.c.Reset(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}
