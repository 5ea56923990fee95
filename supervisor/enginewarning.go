package supervisor

import "strings"

// engineWarned makes an event of what the engine leaves out of a container, for example limits that its kernel cannot keep.
// Each text is told once, for the first container that it is about: the others lack the same. It may be called from any
// goroutine.
func (s *Supervisor) engineWarned(kind, name, text string) {
	text = strings.TrimSpace(text)
	if _, told := s.warnings.LoadOrStore(text, nil); text == "" || told {
		return
	}
	s.event(kind, name, "Warning", "EngineWarning", "the Docker engine does less than asked for: %s", text)
}
