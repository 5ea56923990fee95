package state

// Shown is the workload's name that people see: for a plain service the one in its Compose file.
func (w Workload) Shown() string {
	if w.Service != "" {
		return w.Service
	}
	return w.Name
}
