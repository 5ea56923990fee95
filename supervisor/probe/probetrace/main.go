// Command probetrace plays a scripted container in virtual time against the product's probe workers and prints what
// happened, in the form of the recorded traces of the kubelet: {"events": [...]}.
//
//	go run ./supervisor/probe/probetrace FILE
//
// FILE is a recorded trace or a bare scenario. The program contains no probe logic: it scripts the handler and the container, calls
// the probe workers as a pod worker does, and prints.
package main

import (
	"context"

	"github.com/lyandev/lyandev/supervisor/probe/replay"
)

func main() {
	replay.Main("probetrace", parse, func(ctx context.Context, w *world) []event {
		w.play(ctx)
		return w.events
	})
}

// parse reads a recorded trace or a bare scenario, and its scripts.
func parse(data []byte) (*world, error) {
	s, err := replay.Scenario[scenario](data)
	if err != nil {
		return nil, err
	}
	return newWorld(s)
}
