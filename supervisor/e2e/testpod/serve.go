package main

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// notReady makes the readiness probe fail while it is there.
const notReady = "/tmp/notready"

// serve answers with the pod's name until SIGTERM, then finishes what it has begun.
func serve() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	for at, handle := range map[string]func(net.Conn){":9001": echo, ":9002": source} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			return err
		}
		go accept(l, handle)
	}
	udp, err := net.ListenPacket("udp", ":9000")
	if err != nil {
		return err
	}
	go echoUDP(udp, name)
	srv := &http.Server{Addr: ":8080", Handler: handler(name), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- srv.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return srv.Shutdown(end)
}

func handler(name string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if ms, err := time.ParseDuration(r.FormValue("slow")); err == nil {
			select {
			case <-time.After(ms):
			case <-r.Context().Done():
			}
		}
		_, _ = io.WriteString(w, name+r.URL.Path+"\n")
	})
	mux.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := os.Stat(notReady); err == nil {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/client", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RemoteAddr) })
	return mux
}

func accept(l net.Listener, handle func(net.Conn)) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			go func() { defer c.Close(); handle(c) }()
		}
	}
}

// echo sends back what comes.
func echo(c net.Conn) { _, _ = io.Copy(c, c) }

// source reads a number of bytes (8, big-endian) and sends as many, again and again.
func source(c net.Conn) {
	buf := make([]byte, 256<<10)
	for {
		var want uint64
		if binary.Read(c, binary.BigEndian, &want) != nil {
			return
		}
		for want > 0 {
			n, err := c.Write(buf[:min(want, uint64(len(buf)))])
			if err != nil {
				return
			}
			want -= uint64(n)
		}
	}
}

func echoUDP(c net.PacketConn, name string) {
	buf := make([]byte, 65535)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = c.WriteTo(append([]byte(name+" "), buf[:n]...), from)
	}
}
