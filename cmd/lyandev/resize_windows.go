package main

// watchSize calls f once: Windows has no signal for size changes.
func watchSize(f func()) (stop func()) {
	f()
	return func() {}
}
