// Package catalogue is the list of operators that a workload can name.
package catalogue

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/mariadb"
)

// entries are the operators by the name that x-lyandev.operator gives.
var entries = []struct {
	name string
	make func(*slog.Logger) services.Operator
}{
	{"mariadb", func(log *slog.Logger) services.Operator { return &mariadb.Operator{Log: log} }},
}

// New makes the operator of that name for one stack; log may be nil. An unknown name is an error that lists the known ones.
func New(name string, log *slog.Logger) (services.Operator, error) {
	for _, e := range entries {
		if e.name == name {
			return e.make(log), nil
		}
	}
	return nil, fmt.Errorf("cannot make operator %q: there is none; known are %s", name, strings.Join(Names(), ", "))
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
