package compat_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// meant is a difference to Docker Compose that is meant.
type meant struct {
	id string
	// what differs, and why a user accepts it.
	what, why string
	// where are the paths of the differences that the row explains.
	where *regexp.Regexp
	// below is the API version from which on engines show no difference, "" if all do.
	below string
}

// meantDifferences are all that are meant. A case names the rows that it meets; each must explain a difference in it.
var meantDifferences = []meant{
	{
		id:   "host-ports",
		what: "Host ports are not bindings of the container: the agent publishes them, on 127.0.0.1 unless the file names an address.",
		why: "They go on answering while a container is replaced, and nobody else in the network reaches a developer's database. " +
			"`x-lyandev: {ports: container}` gives the container its own bindings.",
		where: regexp.MustCompile(`^/Containers/[^/]+/Inspect/(HostConfig/PortBindings|NetworkSettings/Ports)(/|$)|^/Networks/PROJECT_lyandev$`),
	},
	{
		id:    "done-once",
		what:  "A one-shot that has done its work is not started again by the next up, unless it has changed or was stopped or removed since.",
		why:   "A seed or a migration is not repeated by every up; `lyandev restart NAME` repeats it. One that failed is tried again.",
		where: regexp.MustCompile(`^/Containers/[^/]+/(Identity|Self/Starts)$`),
	},
	{
		id:   "build-again",
		what: "up builds an image whose inputs have changed, or that lyandev has not built; Compose only with --build.",
		why: "Nobody runs yesterday's code by mistake. While nothing has changed, nothing is built; `--no-build` uses the image " +
			"that is there.",
		where: regexp.MustCompile(`^/Containers/[^/]+/(Identity|Seen/Files/.*|Self/Starts)$|^/Images/`),
	},
	{
		id:    "orphans",
		what:  "Containers of services that left the file are removed by the next up, without --remove-orphans.",
		why:   "The file says what runs. Volumes stay.",
		where: regexp.MustCompile(`^/Containers/([^/]+|[^/]+/Seen/Peers/[^/]+/(Addresses|Connect))$`),
	},
	{
		id:    "removed-by-hand",
		what:  "A container that somebody removed by hand is made again at once; with Compose by the next up.",
		why:   "lyandev supervises what the file says. `lyandev rm` and `lyandev stop` are obeyed.",
		where: regexp.MustCompile(`^/Containers/[^/]+(/Identity|/Seen/Peers/[^/]+/(Addresses|Connect))?$`),
	},
	{
		id:   "network-again",
		what: "up keeps a network whose configuration has changed, and says so; `lyandev down` and `up` make it anew.",
		why: "Making it anew stops every container in it. Docker Compose does that, and the containers have lost their names in " +
			"the new network afterwards.",
		where: regexp.MustCompile(`^/(Networks/[^/]+/.*|Containers/[^/]+/(Identity|Output|Self/Starts|Seen/.*|Inspect/NetworkSettings/.*))$`),
	},
	{
		id:    "hook-failed",
		what:  "A container whose post_start hook failed is not ready until it is started again; with Compose the next up passes.",
		why:   "What the hook should have done has not been done. `lyandev restart NAME` tries it again.",
		where: regexp.MustCompile(`^/Failed$`),
	},
	{
		id:    "mac-address",
		what:  "A service's mac_address is applied on engines before API 1.44 too; Compose drops it there.",
		why:   "The specification says so, and Docker can.",
		where: regexp.MustCompile(`^/Containers/[^/]+/(Inspect/Config/MacAddress|Inspect/NetworkSettings/Networks/[^/]+/PinnedMacAddress|Seen/Interfaces)$`),
		below: "1.44",
	},
	{
		id:    "provider-again",
		what:  "up keeps the containers of services that depend on a provider which says the same as before; Compose makes them anew each time.",
		why:   "Nothing has changed.",
		where: regexp.MustCompile(`^/Containers/[^/]+/Identity$`),
	},
	{
		id:    "config-content",
		what:  "up makes the containers anew that mount a config or secret whose content changed; Compose keeps them.",
		why:   "Otherwise they go on with the old content, or have read it before it changed.",
		where: regexp.MustCompile(`^/Containers/[^/]+/(Identity|Seen/Files/.*)$`),
	},
}

func row(id string) *meant {
	i := slices.IndexFunc(meantDifferences, func(m meant) bool { return m.id == id })
	if i < 0 {
		return nil
	}
	return &meantDifferences[i]
}

// unexplained are the differences that no row of the case explains, and the rows that explain none.
func unexplained(c *testCase, all []difference) (left []difference, unused []string) {
	ids := c.list("meets")
	used := map[string]bool{}
	for _, d := range all {
		explained := false
		for _, id := range ids {
			if m := row(id); m != nil && m.where.MatchString(d.path) {
				used[id], explained = true, true
			}
		}
		if !explained {
			left = append(left, d)
		}
	}
	for _, id := range ids {
		if m := row(id); !used[id] && (m == nil || m.below == "" || older(tools.api, m.below)) {
			unused = append(unused, id)
		}
	}
	return left, unused
}

// TestReadme checks that README lists the rows in the same words.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range meantDifferences {
		line := "| " + strings.TrimSuffix(m.what, ".") + " | " + strings.TrimSuffix(m.why, ".") + " |"
		if !strings.Contains(string(text), line) {
			t.Errorf("README has no line\n%s", line)
		}
	}
}

// TestMeantDifferences checks the table: at most fifteen rows, each met by a case.
func TestMeantDifferences(t *testing.T) {
	cases, err := readCases("testdata")
	if err != nil {
		t.Fatal(err)
	}
	if len(meantDifferences) > 15 {
		t.Errorf("there are %d meant differences, at most 15 are allowed", len(meantDifferences))
	}
	met := map[string]bool{}
	for _, c := range cases {
		for _, id := range c.list("meets") {
			met[id] = true
			if row(id) == nil {
				t.Errorf("the case %s meets %q, which is no row", c.name, id)
			}
		}
	}
	for _, m := range meantDifferences {
		if !met[m.id] {
			t.Errorf("no case meets the difference %q", m.id)
		}
	}
}
