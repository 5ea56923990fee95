package main

// watchSize calls f once: this platform tells of no changes.
func watchSize(f func()) (stop func()) {
	f()
	return func() {}
}
