package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const recorded = "../testdata/traces/"

// TestRecordedAnswers compares the answers of every kind with those of Kubernetes' own code.
func TestRecordedAnswers(t *testing.T) {
	questions := map[string]string{"validate": "misc-validate.yaml", "validate-security": "misc-validate-security.yaml"}
	for _, kind := range []string{"expand", "backoff", "fenceposts", "cron", "resources", "serviceenv"} {
		questions[kind] = "misc-" + kind + ".in"
	}
	for name, file := range questions {
		t.Run(name, func(t *testing.T) {
			kind, _, _ := strings.Cut(name, "-")
			var out bytes.Buffer
			if err := answer(kind, recorded+file, &out); err != nil {
				t.Fatal(err)
			}
			ours := filepath.Join(t.TempDir(), "ours.json")
			if err := os.WriteFile(ours, out.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			msg, err := exec.Command("python3", "../../testdata/compare.py", recorded+"misc-"+name+".json", ours).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, msg)
			}
		})
	}
}

func TestRecordedDefaults(t *testing.T) {
	var out bytes.Buffer
	if err := answer("default", recorded+"misc-default.yaml", &out); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(recorded + "misc-default.out.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("defaults differ:\n%s", out.String())
	}
}

func TestBadQuestionsAreRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bad.in")
	if err := os.WriteFile(file, []byte(`{"a": `), 0o600); err != nil {
		t.Fatal(err)
	}
	for kind := range kinds {
		if kind == "validate" {
			continue // a document that cannot be read is an answer there
		}
		if err := answer(kind, file, &bytes.Buffer{}); err == nil {
			t.Errorf("%s: no error", kind)
		}
	}
	if err := answer("expand", file+".none", &bytes.Buffer{}); err == nil {
		t.Error("no error for a file that is not there")
	}
}

func TestBadEntriesAreAnsweredWithTheError(t *testing.T) {
	for kind, text := range map[string]string{
		"resources":  `[{"memoryLimit": "64mb"}]`,
		"cron":       `[{"schedule": "* * * *", "created": "2026-01-01T00:00:00Z", "now": "2026-01-01T00:00:00Z"}]`,
		"fenceposts": `[{"replicas": 1, "maxSurge": "x", "maxUnavailable": 0}]`,
	} {
		file := filepath.Join(t.TempDir(), "in")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := answer(kind, file, &out); err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(out.Bytes(), []byte(`"error"`)) {
			t.Errorf("%s: %s", kind, out.String())
		}
	}
}
