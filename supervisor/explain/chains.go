package explain

// Chain says why a workload is not right, for a display that has one line for it.
type Chain struct {
	// Links lead from the workload to the cause, which is the last one; see Answer.Chain. It is empty if nothing more is known.
	Links []Link
	// Bad is false if the cause may only need more time. Final is true if it needs somebody's help.
	Bad, Final bool
	// Blocks is the number of workloads that wait for this one, directly or not.
	Blocks int
}

// Chains returns the chain of every workload that is not right, by the workload's name. Secrets are masked. Logs are not read.
func Chains(f Facts) map[string]Chain {
	f.LastLines = nil
	m := Masker(f.Snapshot)
	out := map[string]Chain{}
	for _, w := range f.Snapshot.Workloads {
		if w.Right {
			continue
		}
		c := Chain{Links: f.workload(w, nil), Blocks: f.blocks(w.Name)}
		if n := len(c.Links); n > 0 {
			last := c.Links[n-1]
			c.Bad, c.Final = last.bad, last.final && w.Kind != "Job" // a Job tries again
		}
		if w.Failed != "" {
			c.Bad, c.Final = true, true
		}
		for i := range c.Links {
			c.Links[i].Text, c.Links[i].Answer = m.String(c.Links[i].Text), m.String(c.Links[i].Answer)
		}
		out[w.Name] = c
	}
	return out
}
