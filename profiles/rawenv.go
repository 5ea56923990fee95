package profiles

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/dotenv"
)

// registerRawFormat teaches compose-go the env_file format "raw", which Docker Compose adds to it in the same way.
var registerRawFormat = sync.OnceFunc(func() { dotenv.RegisterFormat("raw", readRaw) })

// readRaw reads an env file without quotes, escapes and variables, as `docker run --env-file` does: everything after the first
// "=" is the value. A line with a name only takes the variable's value from lookup, and is left out if there is none. Empty
// lines and lines that begin with "#" are ignored.
func readRaw(r io.Reader, filename string, vars map[string]string, lookup func(string) (string, bool)) error {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxObjectBytes)
	for n := 1; scanner.Scan(); n++ {
		line := scanner.Text()
		if n == 1 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		line = strings.TrimLeft(line, " \t\v\f\r")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		switch {
		case name == "" || strings.ContainsAny(name, " \t\v\f\r"):
			return fmt.Errorf("cannot read %s: line %d has no variable's name before \"=\"", filename, n)
		case ok:
			vars[name] = value
		case lookup != nil:
			if value, ok := lookup(name); ok {
				vars[name] = value
			}
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("cannot read %s: %w", filename, err)
	}
	return nil
}
