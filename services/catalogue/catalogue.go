// Package catalogue is the list of operators that a workload can name.
package catalogue

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/mariadb"
	"github.com/lyandev/lyandev/services/memcached"
	"github.com/lyandev/lyandev/services/redis"
)

// entries are the operators by the name that a workload gives. To add one: write its package, add its line.
var entries = []struct {
	name string
	make func(*slog.Logger) services.Operator
}{
	{"mariadb", func(log *slog.Logger) services.Operator { return &mariadb.Operator{Log: log} }},
	{"memcached", func(log *slog.Logger) services.Operator { return &memcached.Operator{Log: log} }},
	{"redis", func(log *slog.Logger) services.Operator { return &redis.Operator{Log: log} }},
}

// New makes the operator of that name for one stack. An unknown name is an error that lists the known ones. An operator
// that has work of its own under way also is an io.Closer: Close cancels that work and waits for it.
func New(name string) (services.Operator, error) { return NewLogged(name, nil) }

// NewLogged is New with a log for the steps that the operator takes; nil is silent.
func NewLogged(name string, log *slog.Logger) (services.Operator, error) {
	for _, e := range entries {
		if e.name == name {
			return e.make(log), nil
		}
	}
	return nil, fmt.Errorf("cannot make operator %q: there is none of that name; known are %s", name, strings.Join(Names(), ", "))
}

// Names lists the operators, sorted.
func Names() []string {
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.name)
	}
	slices.Sort(names)
	return names
}
