//go:build linux

package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type server struct {
	port, second, udp, code int
	after, delay            time.Duration
}

// serve runs until it is told to stop. A port that is taken is no reason to end: containers may share a network namespace.
func serve(s server) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	printSelf()
	host, _ := os.Hostname()
	for _, port := range []int{s.port, s.second} {
		if port == 0 {
			continue
		}
		go func() {
			time.Sleep(s.delay)
			_ = http.ListenAndServe(fmt.Sprintf(":%d", port), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintln(w, host)
			}))
		}()
	}
	if s.udp > 0 {
		go echo(s.udp)
	}
	var end <-chan time.Time
	if s.after > 0 {
		end = time.After(s.after)
	}
	select {
	case got := <-signals:
		fmt.Printf("signal: %v\n", got)
		if got == syscall.SIGUSR1 {
			os.Exit(3)
		}
		os.Exit(0)
	case <-end:
		os.Exit(s.code)
	}
	return nil
}

func echo(port int) {
	conn, err := net.ListenPacket("udp", fmt.Sprintf(":%d", port))
	if err != nil {
		return
	}
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = conn.WriteTo(buf[:n], from)
	}
}
