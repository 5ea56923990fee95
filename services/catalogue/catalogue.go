// Package catalogue creates operators by name and runs their manual actions.
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

// entries are the constructors of operators by name. To add an operator, write its package and add a line here.
var entries = []struct {
	name string
	make func(*slog.Logger) services.Operator
}{
	{"mariadb", func(log *slog.Logger) services.Operator { return &mariadb.Operator{Log: log} }},
	{"memcached", func(log *slog.Logger) services.Operator { return &memcached.Operator{Log: log} }},
	{"redis", func(log *slog.Logger) services.Operator { return &redis.Operator{Log: log} }},
}

// New returns the operator of that name for one stack. An unknown name is an error that lists the known ones. An operator
// with background work also implements io.Closer: Close cancels that work and blocks until it has ended.
func New(name string) (services.Operator, error) { return NewLogged(name, nil) }

// NewLogged is like New; the operator logs its steps to log. nil disables logging.
func NewLogged(name string, log *slog.Logger) (services.Operator, error) {
	for _, e := range entries {
		if e.name == name {
			return e.make(log), nil
		}
	}
	return nil, fmt.Errorf("cannot create operator %q: there is no such operator; known operators: %s", name, strings.Join(Names(), ", "))
}

// Names returns the names of all operators, sorted.
func Names() []string {
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.name)
	}
	slices.Sort(names)
	return names
}
