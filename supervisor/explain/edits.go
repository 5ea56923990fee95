package explain

import (
	"strings"

	"github.com/lyandev/lyandev/supervisor/state"
)

// edit is the failed edit of a workload that is right otherwise: what runs is not what the files say. "" is the first of any
// workload.
func (f Facts) edit(workload string) []Link {
	for _, w := range f.Snapshot.Workloads {
		if workload != "" && w.Name != workload {
			continue
		}
		for _, text := range f.Snapshot.Warnings {
			if why, ok := strings.CutPrefix(text, state.EditFailed(w.Name)); ok {
				return []Link{{Kind: "edit", Name: w.Name, Text: "runs without its last edit: " + why}}
			}
		}
	}
	return nil
}
