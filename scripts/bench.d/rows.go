//go:build unix

package main

// RowSpec says what a row measures and with what it is compared.
type RowSpec struct {
	Key     string `json:"key"`
	Program string `json:"program"`
	What    string `json:"what"`
	Unit    string `json:"unit"`
	// Peer is what the row is compared with. NoPeer is why there is nothing to compare with; one of the two is set.
	Peer   string `json:"peer,omitempty"`
	NoPeer string `json:"noPeer,omitempty"`
	// More says that more is better.
	More   bool    `json:"more,omitempty"`
	Target *Target `json:"target,omitempty"`
}

// Target is the limit of the ratio to the peer, or of the value itself: an upper one, or a lower one if more is better.
type Target struct {
	Limit float64 `json:"limit"`
	Ratio bool    `json:"ratio,omitempty"`
}

func ratioOf(limit float64) *Target { return &Target{Limit: limit, Ratio: true} }
func valueOf(limit float64) *Target { return &Target{Limit: limit} }

const (
	compose  = "Compose"
	direct   = "direct"
	proxy    = "Docker's proxy"
	kernel   = "nftables"
	noDaemon = "Compose supervises nothing"
	noSwitch = "Compose has no switch"
)

// downAfter is down-after-milliseconds of the example's sentinels, in seconds: part of every failover of a hung master.
const downAfter = 5.0

// rowSpecs are all rows, in the order of the table.
var rowSpecs = []RowSpec{
	{"ha/up", "start", "HA `up --wait`, images built, empty volumes", "s", compose, "", false, ratioOf(0.5)},
	{"ha/stop", "start", "HA `down`, volumes kept", "s", compose, "", false, nil},
	{"ha/start", "start", "HA `up --wait` on warm volumes", "s", compose, "", false, ratioOf(0.5)},
	{"minimal/up", "minimal", "minimal `up --wait`, empty volumes", "s", compose, "", false, ratioOf(0.5)},
	{"noop", "commands", "`up` when nothing has changed (HA)", "s", compose, "", false, ratioOf(0.1)},
	{"ps", "commands", "`ps` (HA)", "ms", compose, "", false, ratioOf(0.5)},
	{"status", "commands", "`status` (HA)", "ms", "`compose ps`", "", false, ratioOf(0.5)},
	{"why", "commands", "`why SERVICE` (HA)", "ms", "`compose ps`", "", false, ratioOf(0.5)},
	{"events", "commands", "`events` (HA)", "ms", "`compose ps`", "", false, ratioOf(0.5)},
	{"version", "commands", "`--version`", "ms", "`compose version`", "", false, valueOf(15)},
	{"switch/ha", "switch", "`profile use`: minimal to ha", "s", "", noSwitch, false, valueOf(5)},
	{"switch/minimal", "switch", "`profile use`: ha to minimal", "s", "", noSwitch, false, valueOf(2.5)},
	{"switch/failed", "switch", "failed HTTP requests in a switch", "", "", noSwitch, false, valueOf(0)},
	{"redis/hung", "redis", "Redis master hung, until writes go on (down-after 5 s)", "s", compose, "", false, valueOf(downAfter + 1.5)},
	{"redis/killed", "redis", "Redis master killed, until writes go on", "s", compose, "", false, valueOf(1.3)},
	{"redis/lost", "redis", "acknowledged writes lost after a kill", "", "", "Compose takes no writes after it", false, valueOf(0)},
	{"net/throughput", "network", "service address: throughput", "MB/s", kernel, "", true, ratioOf(0.9)},
	{"net/added", "network", "service address: round trip above direct", "us", kernel, "", false, valueOf(30)},
	{"net/connect", "network", "service address: connect and ask once", "us", direct, "", false, ratioOf(1.3)},
	{"net/proxy-throughput", "network", "service address: throughput", "MB/s", proxy, "", true, nil},
	{"net/direct-throughput", "network", "service address: throughput", "MB/s", direct, "", true, nil},
	{"net/kernel-connect", "network", "service address: connect and ask once", "us", kernel, "", false, nil},
	{"port/throughput", "network", "host port: throughput", "MB/s", proxy, "", true, ratioOf(0.95)},
	{"port/added", "network", "host port: round trip above Docker's proxy", "us", "", "it is a difference", false, valueOf(20)},
	{"port/connect", "network", "host port: connect and ask once", "us", proxy, "", false, nil},
	{"rest/memory", "rest", "supervisor at rest, HA: anonymous memory", "MiB", "", noDaemon, false, valueOf(40)},
	{"rest/cpu", "rest", "supervisor at rest, HA: part of a core", "%", "", noDaemon, false, valueOf(0.4)},
	{"rest/agent", "rest", "agent at rest, HA: anonymous memory", "MiB", "", noDaemon, false, nil},
	{"test/ready", "test", "`lyandev test`: minimal stack ready, cold", "s", "`compose up --wait`", "", false, ratioOf(0.5)},
	{"test/reset", "reset", "`Reset()` between two tests", "s", "", "Compose has no reset", false, valueOf(0.1)},
	{"snapshot/save", "snapshot", "`snapshot save` of a MariaDB of 500 MB of rows", "s", "`cp -a`", "", false, ratioOf(1.2)},
	{"snapshot/pause", "snapshot", "writes paused meanwhile", "s", "", "by hand the service is stopped", false, valueOf(0.1)},
	{"edit/sync-1", "edits", "edit until live: sync, 1 replica", "s", compose, "", false, nil},
	{"edit/sync-3", "edits", "edit until live: sync, 3 replicas", "s", compose, "", false, nil},
	{"edit/restart-1", "edits", "edit until live: sync+restart, 1 replica", "s", compose, "", false, ratioOf(0.07)},
	{"edit/restart-3", "edits", "edit until live: sync+restart, 3 replicas", "s", compose, "", false, ratioOf(0.12)},
	{"edit/rebuild", "edits", "edit until live: rebuild of a layer that copies", "s", "Compose, classic builder", "", false, ratioOf(0.35)},
	{"edit/buildx", "edits", "edit until live: rebuild of a layer that copies", "s", "Compose, buildx", "", false, nil},
	{"edit/many", "edits", "edit until live: 2,000 files at once", "s", compose, "", false, ratioOf(0.3)},
	{"logs/time", "logs", "`logs` of 1,000,000 lines: time", "s", "`docker logs`", "", false, ratioOf(1.5)},
	{"logs/cpu", "logs", "`logs` of 1,000,000 lines: CPU time", "s", "`docker logs`", "", false, ratioOf(2)},
	{"logs/plain-time", "logs", "`logs --no-log-prefix`: time", "s", "`docker logs`", "", false, nil},
	{"logs/plain-cpu", "logs", "`logs --no-log-prefix`: CPU time", "s", "`docker logs`", "", false, nil},
}

// rowsOf returns the rows of some programs, without values.
func rowsOf(programs map[string]bool) []*Row {
	var out []*Row
	for _, spec := range rowSpecs {
		if programs[spec.Program] {
			out = append(out, &Row{RowSpec: spec})
		}
	}
	return out
}
