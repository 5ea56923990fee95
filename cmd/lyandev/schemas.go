package main

import (
	"github.com/lyandev/lyandev/cmd/lyandev/doctor"
	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/cmd/lyandev/upplan"
	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/services/mariadb"
	"github.com/lyandev/lyandev/services/redis"
	"github.com/lyandev/lyandev/supervisor/disk"
	"github.com/lyandev/lyandev/supervisor/drill"
	"github.com/lyandev/lyandev/supervisor/explain"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/snapshot"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/switchplan"
)

// outputTypes are the Go types of what commands print with -o json, by command.
var outputTypes = map[string]any{
	"autostart status":      autostartState{},
	"describe POD":          explain.PodDescription{},
	"describe SERVICE":      explain.WorkloadDescription{},
	"diff":                  upplan.Plan{},
	"drill":                 drill.Report{},
	"endpoints":             network.Registry{},
	"events":                []state.Event{},
	"images":                []imageLine{},
	"ls":                    []lsInstance{},
	"profile diff":          []profiles.Change{},
	"profile ls":            []profileRow{},
	"profile show":          profileView{},
	"profile use":           state.Switch{},
	"profile use --dry-run": switchplan.Plan{},
	"ps":                    []psPod{},
	"snapshot ls":           []snapshot.Meta{},
	"snapshot restore":      restoredJSON{},
	"snapshot save":         snapshot.Meta{},
	"stats":                 []podUsage{},
	"stats loop":            loopStats{},
	"status":                explain.Status{},
	"why":                   explain.Answer{},
	"df":                    df{},
	"prune":                 []disk.Item{},
	"doctor":                []doctor.Finding{},
	"examples":              []example{},
	"mariadb status":        mariadb.Status{},
	"mariadb promote":       mariadb.Promoted{},
	"redis status":          redis.Status{},
	"redis failover":        redis.FailedOver{},
	"config --variables":    []profiles.Variable{},
	"config --support":      []profiles.Support{},
	"top":                   []podProcesses{},
	"trace":                 traceReport{},
	"version":               map[string]string{},
	"volumes":               []volumeRow{},
	"wait":                  []podEnd{},
}

// outputSchemas are the JSON schemas of what commands print with -o json, by command: "ps", "snapshot ls".
func outputSchemas() map[string][]byte { return output.Schemas(outputTypes) }
