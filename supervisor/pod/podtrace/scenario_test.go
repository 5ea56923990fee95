package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestWhatIsNotKnownIsRefused: what were dropped would make another scenario of it.
func TestWhatIsNotKnownIsRefused(t *testing.T) {
	const pod = `"pod": {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "app", "image": "img:1"%s}]}}`
	for rest, name := range map[string]string{
		`"durration": 1`: `"durration"`,
		`"behaviors": {"app": [{"exitsAfter": 1}]}`:                                             `"exitsAfter"`,
		`"behaviors": {"app": [{"exec": {"up": ["X"]}}]}`:                                       `"X"`,
		`"actions": [{"at": 1, "after": 2}]`:                                                    `"after"`,
		`"actions": [{"at": 1, "do": "explode"}]`:                                               `"explode"`,
		`"images": {"img:1": {"here": true}}`:                                                   `"here"`,
		`"objects": [{"kind": "ConfigMap", "date": {}}]`:                                        `"date"`,
		`"objects": [{"kind": "Volume"}]`:                                                       `"Volume"`,
		`"actions": [{"at": 1, "do": "createObject", "object": {"kind": "Secret", "dat": {}}}]`: `"dat"`,
	} {
		if _, err := parse(fmt.Appendf(nil, "{"+pod+", %s}", "", rest)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", rest, err)
		}
	}
	if _, err := parse(fmt.Appendf(nil, "{"+pod+"}", `, "liveness": {}`)); err == nil || !strings.Contains(err.Error(), `"liveness"`) {
		t.Errorf("a field that containers do not have: %v", err)
	}
}

// TestTheScriptedEngineDoesAsTheRecordersDoes: what the scripts of behaviours and actions mean.
func TestTheScriptedEngineDoesAsTheRecordersDoes(t *testing.T) {
	const pod = `{"pod": {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "app", "image": "img:1"%s}]}}, %s, "duration": 15}`
	for _, c := range []struct{ name, container, script, want string }{
		{
			name:   "behaviours are chosen by the number of calls to create",
			script: `"behaviors": {"app": [{"createError": "boom"}, {"createError": "boom"}, {}]}`,
			want:   "create app-0",
		},
		{
			name:   "setImage has its image in value too",
			script: `"actions": [{"at": 5, "do": "setImage", "name": "app", "value": "img:2"}]`,
			want:   `event Normal Pulled Container image "img:2" already present on machine and can be accessed by the pod`,
		},
		{
			name:      "setCondition has its status in value too",
			container: `}], "readinessGates": [{"conditionType": "open"`,
			script:    `"actions": [{"at": 5, "do": "setCondition", "name": "open", "value": "True"}]`,
			want:      "status Ready=True",
		},
		{
			name:      "a list of log lines, for the termination message",
			container: `, "terminationMessagePolicy": "FallbackToLogsOnError"`,
			script:    `"behaviors": {"app": [{"exitAfter": 3, "exitCode": 1, "log": ["one", "two"]}]}`,
			want:      "status [app] terminated(Error,1,\"one\ntwo\n\") started=false ready=false restarts=0",
		},
		{
			name:      "one text as a log",
			container: `, "terminationMessagePolicy": "FallbackToLogsOnError"`,
			script:    `"behaviors": {"app": [{"exitAfter": 3, "exitCode": 1, "log": "one\ntwo"}]}`,
			want:      "status [app] terminated(Error,1,\"one\ntwo\n\") started=false ready=false restarts=0",
		},
		{
			name:   "the log does not go before the message",
			script: `"behaviors": {"app": [{"exitAfter": 3, "exitCode": 1, "message": "sorry", "log": ["one"]}]}`,
			want:   `status [app] terminated(Error,1,"sorry") started=false ready=false restarts=0`,
		},
		{
			name:   "containers die with their sandbox",
			script: `"actions": [{"at": 5, "do": "stopSandbox"}]`,
			want:   "status [app] terminated(Error,137) started=false ready=false restarts=0",
		},
		{
			name:      "the command of a hook ends with its container",
			container: `, "lifecycle": {"preStop": {"exec": {"command": ["drain"]}}}`,
			script:    `"behaviors": {"app": [{"exec": {"drain": ["S:60"]}}]}, "actions": [{"at": 1, "do": "delete", "grace": 3}]`,
			want:      "event Warning FailedPreStopHook PreStopHook failed",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := parse(fmt.Appendf(nil, pod, c.container, c.script))
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			for _, e := range played(t, s, true) {
				said = append(said, strings.TrimSpace(e.Event+" "+e.ID+e.Text))
			}
			if !slices.Contains(said, c.want) {
				t.Errorf("no %q in\n%s", c.want, strings.Join(said, "\n"))
			}
		})
	}
}
