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

// Addr is the address on this host, "127.0.0.1:PORT", that leads to the ready endpoints of a Service's port.
func (s *Stack) Addr(service string, port int32) string {
	s.t.Helper()
	a, err := s.c.Addr(service, port)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// URL is Addr as an HTTP URL, without a slash at the end.
func (s *Stack) URL(service string, port int32) string {
	s.t.Helper()
	return "http://" + s.Addr(service, port)
}

// DSN is the data source name of the MariaDB master's database, for github.com/go-sql-driver/mysql, with the user that the
// stack declares for its app (root where it declares none).
func (s *Stack) DSN() string {
	s.t.Helper()
	env := s.roleEnv("mariadb", "master")
	user, password := env["MARIADB_USER"], env["MARIADB_PASSWORD"]
	if user == "" {
		user, password = "root", env["MARIADB_ROOT_PASSWORD"]
	}
	return fmt.Sprintf("%s:%s@tcp(%s)/%s?parseTime=true", user, password, s.roleAddr("mariadb", "master", 3306), env["MARIADB_DATABASE"])
}

// RedisAddr is the address of the Redis master, wherever a failover took it.
func (s *Stack) RedisAddr() string {
	s.t.Helper()
	return s.roleAddr("redis", "master", 6379)
}

// roleAddr finds the Service that follows a role, and its address on this host.
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
	for _, w := range s.c.Stack().Workloads { // no Service follows the role: that of the workload must do
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

// roleEnv is the environment of the first container of the pod with a role.
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

// Result is how a command ended.
type Result struct {
	ExitCode int
	// Output is stdout, then stderr.
	Output string
}

// Exec runs a command in the first container of a pod, named by itself or by its workload. A command that fails is no
// failure of the test; one that cannot be started is.
func (s *Stack) Exec(name string, cmd ...string) Result {
	s.t.Helper()
	r, err := s.c.Exec(s.t.Context(), s.pod(name).Name, "", engine.ExecSpec{Cmd: cmd})
	if err != nil {
		s.t.Fatal(err)
	}
	return Result{ExitCode: r.ExitCode, Output: string(r.Output)}
}

// Logs is what the containers of a pod have printed so far, those that ended included.
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

// WaitReady waits until everything is right, as Start does. Right after a fault it may still be: wait for what the fault
// does first.
func (s *Stack) WaitReady() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), s.timeout)
	defer cancel()
	if err := s.c.WaitReady(ctx); err != nil {
		s.t.Fatal(err)
	}
}

// Reset brings the databases back to what they held when Start returned, without restarting anything; see
// throwaway.Copy.Reset.
func (s *Stack) Reset() {
	s.t.Helper()
	if err := s.c.Reset(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}
