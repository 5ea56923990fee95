package profiles

import (
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/schema"
)

// TestEveryAttributeHasARow: a new attribute of the specification fails here until somebody decides what happens to it.
func TestEveryAttributeHasARow(t *testing.T) {
	used := map[string]bool{}
	for _, p := range schema.AttributePaths() {
		row, ok := supportOf(string(p))
		if !ok {
			t.Errorf("%s has no row", p)
		}
		used[row.Attribute] = true
	}
	for _, row := range SupportTable() {
		if !used[row.Attribute] {
			t.Errorf("%s is no attribute of the specification, or has two rows", row.Attribute)
		}
		if row.Compose == "" || row.Kubernetes == "" {
			t.Errorf("%s has a level that there is not", row.Attribute)
		}
		if row.Compose != Applied && row.ComposeReason == "" || row.Kubernetes != Applied && row.KubernetesReason == "" {
			t.Errorf("%s has no reason", row.Attribute)
		}
		used[row.Attribute] = false
	}
}

// TestNotesHaveTheirPlace: what is ignored is noted with its list index and line, once, and only for services of the stack.
func TestNotesHaveTheirPlace(t *testing.T) {
	text := `
services:
  a:
    image: x
    logging: {driver: none}
    devices: []
    oom_kill_disable: false
    volumes:
      - d:/d
      - {type: volume, source: d, target: /e, volume: {labels: {a: b}}}
    x-lyandev: {kind: Deployment}
  b: {image: x, logging: {driver: none}, oom_score_adj: 5}
  c: {image: x, profiles: [off], logging: {driver: none}, x-lyandev: {kind: Deployment}}
  d: {extends: {file: base.yaml, service: d}, x-lyandev: {kind: Deployment}}
volumes: {d: }
jobs: {j: {image: x, triggers: {manual: true}}}
`
	s, err := loadText(t, text, Options{}, map[string]string{"base.yaml": "services:\n  d:\n    image: x\n    cpuset: '1'\n  other: {image: x, cpuset: '1'}\n"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"compose.yaml:5: services.a.logging: ignored: not supported",
		"compose.yaml:10: services.a.volumes[1].volume.labels: ignored: not supported",
		"base.yaml:4: services.d.cpuset: ignored: not supported",
		"compose.yaml:16: jobs: ignored: jobs are not run",
	} {
		contains(t, s.NotApplied, want)
	}
	if len(s.NotApplied) != 4 {
		t.Errorf("%d notes:\n%s", len(s.NotApplied), strings.Join(s.NotApplied, "\n"))
	}
}
