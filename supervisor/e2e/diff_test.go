package e2e_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
)

// diffPlan is what the test reads of diff -o json.
type diffPlan struct {
	Services []struct {
		Name, Action, Change string
		Pods                 []struct{ Name, Action string }
	}
	Objects []struct{ Text string }
}

// lines are the lines that diff announces.
func (p *diffPlan) lines() (out []string) {
	for _, s := range p.Services {
		if s.Change != "" {
			out = append(out, s.Name+": "+s.Change)
		}
	}
	for _, o := range p.Objects {
		if o.Text != "" {
			out = append(out, o.Text)
		}
	}
	slices.Sort(out)
	return out
}

// toldByUp are the lines in which up says what has changed.
var toldByUp = regexp.MustCompile(`(?m)^\S+( \S+)?: (made anew|rolled out|added|removed|scaled|changed|started|runs again|host port|its content).*$`)

const diffFile = `
services:
  plain:
    image: debian:trixie-slim
    init: true
    stop_grace_period: 0s
    command: [sleep, infinity]
    environment: {LEVEL: info, PASSWORD: hunter22}
    labels: {tier: front}
    configs: [conf]
    healthcheck: {test: ["CMD", "true"], interval: 1s}
  many: {image: debian:trixie-slim, init: true, stop_grace_period: 0s, command: [sleep, infinity], scale: 2}
  kube:
    image: debian:trixie-slim
    stop_grace_period: 0s
    command: [sleep, infinity]
    environment: {LEVEL: info}
    x-lyandev:
      kind: Deployment
      probes: {readiness: {exec: {command: ["true"]}, periodSeconds: 5}}
  set:
    image: debian:trixie-slim
    stop_grace_period: 0s
    command: [sleep, infinity]
    deploy: {replicas: 2}
    x-lyandev: {kind: StatefulSet}
  built: {build: ./built, init: true, stop_grace_period: 0s, command: [sleep, infinity]}
configs: {conf: {content: old}}
`

// TestDiffIsWhatUpDoes: what diff announces, up does and says, to the pod.
func TestDiffIsWhatUpDoes(t *testing.T) {
	t.Parallel()
	i := harness.New(t, diffFile)
	i.Write("built/Dockerfile", "FROM debian:trixie-slim\nCOPY a /a\n")
	i.Write("built/a", "one")
	if r := i.Run("diff"); r.Code != 1 || !strings.Contains(r.Out, "set: added\n    pods: create set-0, set-1\n") || !strings.Contains(r.Out, "there is no image yet") {
		t.Errorf("diff before the first up ended with %d:\n%s%s", r.Code, r.Out, r.Err)
	}
	i.Up("--wait")
	text, port := diffFile, strconv.Itoa(freePort(t))
	for _, edit := range []struct{ name, old, new, want string }{
		{"nothing", "", "", ""},
		{"a comment", "services:", "# a comment\nservices:", ""},
		{"environment of both", "LEVEL: info", "LEVEL: debug", "kube: rolled out: environment LEVEL|plain: made anew: environment LEVEL"},
		{"a secret", "hunter22", "hunter23", "plain: made anew: environment PASSWORD"},
		{"a label", "tier: front", "tier: back", "plain: made anew: labels"},
		{"a port", "configs: [conf]", "configs: [conf]\n    ports: [\"127.0.0.1:" + port + ":80\"]", "plain: host port 127.0.0.1:" + port + " added|plain: made anew: ports"},
		{"a mount", "configs: [conf]", "configs: [conf]\n    volumes: [data:/data]", "plain: made anew: mounts|volume data: added"},
		{"a health check", "interval: 1s", "interval: 2s", "plain: made anew: healthcheck"},
		{"more replicas", "scale: 2", "scale: 3", "many: scaled: replicas 2 -> 3"},
		{"fewer replicas", "scale: 3", "scale: 1", "many: scaled: replicas 3 -> 1"},
		{"a StatefulSet grows and changes", "deploy: {replicas: 2}", "environment: {A: b}\n    deploy: {replicas: 3}", "set: rolled out: replicas 2 -> 3, environment A"},
		{"content of a config", "content: old", "content: new", "plain: made anew: content of config conf"},
		{"a probe", "periodSeconds: 5", "periodSeconds: 4", "kube: rolled out: readiness probe"},
		{"an added service", "configs: {conf", "  more: {image: debian:trixie-slim, init: true, stop_grace_period: 0s, command: [sleep, infinity]}\nconfigs: {conf", "more: added"},
		{"a removed service", "  more: {image: debian:trixie-slim, init: true, stop_grace_period: 0s, command: [sleep, infinity]}\n", "", "more: removed: no longer in the file"},
		{"an image that is built", "", "", "built: made anew: new build of image " + i.Name + "-built"},
	} {
		if edit.name == "a mount" {
			text += "volumes: {data: {}}\n"
		}
		text = strings.ReplaceAll(text, edit.old, edit.new)
		if edit.old == "" {
			text = strings.TrimSpace(text) + "\n"
		}
		i.Write("compose.yaml", text)
		if edit.name == "an image that is built" {
			i.Write("built/a", "two")
		}
		checkEdit(t, i, edit.name, edit.want)
	}
}

// checkEdit compares what diff announces with what up says, and with what became of the pods.
func checkEdit(t *testing.T, i *harness.Instance, name, want string) {
	t.Helper()
	before := podIDs(i)
	var p diffPlan
	r := i.Run("diff")
	readDiff(t, i, &p)
	announced := p.lines()
	if text := strings.Join(announced, "|"); want != "" && text != want {
		t.Errorf("%s: diff announced %q, want %q", name, text, want)
	}
	if code := min(len(announced), 1); r.Code != code {
		t.Errorf("%s: diff ended with %d, want %d:\n%s", name, r.Code, code, r.Out)
	}
	if strings.Contains(r.Out, "hunter") {
		t.Errorf("%s: diff shows a password:\n%s", name, r.Out)
	}
	up := i.Run("up", "-d", "--wait")
	told := toldByUp.FindAllString(up.Err, -1)
	slices.Sort(told)
	if up.Code != 0 || !slices.Equal(told, announced) {
		t.Errorf("%s: diff announced\n  %s\nup (code %d) said\n  %s\nof\n%s", name, strings.Join(announced, "\n  "), up.Code, strings.Join(told, "\n  "), up.Err)
	}
	checkAnnounced(t, name, &p, before, podIDs(i))
	if r := i.Run("diff"); r.Code != 0 || !strings.Contains(r.Out, "nothing would change") {
		t.Errorf("%s: diff after up ended with %d:\n%s", name, r.Code, r.Out)
	}
}

func readDiff(t *testing.T, i *harness.Instance, p *diffPlan) {
	t.Helper()
	r := i.Run("diff", "-o", "json")
	if err := json.Unmarshal([]byte(r.Out), p); err != nil || r.Code > 1 {
		t.Fatalf("diff -o json ended with %d: %v\n%s%s", r.Code, err, r.Out, r.Err)
	}
}

// podIDs are the UIDs of the pods that are not being removed, by name.
func podIDs(i *harness.Instance) map[string]types.UID {
	out := map[string]types.UID{}
	for _, p := range i.Snapshot().Pods {
		if p.DeletionTimestamp == nil {
			out[p.Name] = p.UID
		}
	}
	return out
}

// checkAnnounced checks that each pod became what was announced.
func checkAnnounced(t *testing.T, edit string, p *diffPlan, before, after map[string]types.UID) {
	t.Helper()
	for _, s := range p.Services {
		for _, pod := range s.Pods {
			was, is := before[pod.Name], after[pod.Name]
			fixed := s.Name != "kube" // a Deployment's pods have other names when they are made anew
			ok := false
			switch pod.Action {
			case "keep", "change", "start":
				ok = was != "" && was == is
			case "recreate":
				ok = was != "" && was != is && (is != "" || !fixed)
			case "create":
				ok = was == "" && (is != "" || !fixed)
			case "remove":
				ok = was != "" && is == ""
			}
			if !ok {
				t.Errorf("%s: diff announced %s of pod %s; it was %q and is %q", edit, pod.Action, pod.Name, was, is)
			}
		}
	}
}
