// Command podtrace plays a whole pod on a scripted engine, in virtual time, against the product's pod worker and probe
// workers, and prints what happened in the form of the recorded traces of the kubelet: {"events": [...]}.
//
//	go run ./supervisor/pod/podtrace FILE
//
// FILE is a recorded trace or a bare scenario. The program contains no pod logic: it scripts the engine (durations, exits of
// containers, results of commands), passes the scenario's actions to the worker, and prints.
package main

import (
	"context"

	"github.com/lyandev/lyandev/supervisor/probe/replay"
)

func main() {
	replay.Main("podtrace", parse, func(ctx context.Context, s *scenario) []event { return play(ctx, s).events })
}
