package ui

import (
	"strings"

	"github.com/lyandev/lyandev/services"
)

// Kind returns a workload's kind as people read it: "service" for a plain Compose service, else the kind in lower case.
func Kind(kind string) string {
	if kind == services.ComposeServiceKind.Kind {
		return "service"
	}
	return strings.ToLower(kind)
}
