package harness

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/api"
)

func (i *Instance) stackFile() string {
	return filepath.Join(i.home, "state", "lyandev", i.Name, "stack.json")
}

// Stack is the stack that the supervisor took over last, for tests that change what no file can say.
func (i *Instance) Stack() *services.Stack {
	i.t.Helper()
	b, err := os.ReadFile(i.stackFile())
	if err != nil {
		i.t.Fatal(err)
	}
	s := new(services.Stack)
	if err := json.Unmarshal(b, s); err != nil {
		i.t.Fatal(err)
	}
	return s
}

// Apply hands a stack to the running supervisor, which must take it over.
func (i *Instance) Apply(s *services.Stack) {
	i.t.Helper()
	if _, err := i.client.Apply(i.t.Context(), api.ApplyRequest{Stack: s, PortsAuto: true}); err != nil {
		i.t.Fatal(err)
	}
}
