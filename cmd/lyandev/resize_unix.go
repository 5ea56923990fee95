//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// watchSize calls f now and whenever the terminal's size changes, until the returned function is called.
func watchSize(f func()) (stop func()) {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGWINCH)
	f()
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-ch:
				f()
			case <-done:
				return
			}
		}
	}()
	return func() { signal.Stop(ch); close(done) }
}
