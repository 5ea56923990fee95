//go:build unix

package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"
)

// measureSwitch switches the example between its profiles, while a client asks the blog's front page through the host port.
func measureSwitch(ctx context.Context, b *bench) error {
	if _, err := b.ha.lyandev(ctx, "profile", "use", "minimal", "--no-build", "--quiet"); err != nil {
		return err
	}
	for range b.runs {
		asking, stop := context.WithCancel(ctx)
		failed := make(chan int, 1)
		go func() { failed <- ask(asking, b.ha.url()) }()
		err := b.switchTwice(ctx)
		stop()
		if n := <-failed; err == nil {
			b.ours("switch/failed", float64(n))
		}
		if err != nil {
			return err
		}
	}
	_, err := b.ha.lyandev(ctx, "profile", "use", "ha", "--no-build", "--quiet")
	return err
}

func (b *bench) switchTwice(ctx context.Context) error {
	for _, to := range []string{"ha", "minimal"} {
		took, err := b.ha.timed(ctx, "profile", "use", to, "--no-build", "--quiet")
		if err != nil {
			return err
		}
		b.ours("switch/"+to, took)
	}
	return nil
}

// url is the front page of the example.
func (s *stack) url() string {
	for _, e := range s.env {
		if port, found := strings.CutPrefix(e, "LYANNA_PORT="); found {
			return "http://127.0.0.1:" + port + "/"
		}
	}
	return ""
}

// ask asks a page again and again until ctx ends, on a new connection each time, and returns how often it did not answer with
// status 200 within two seconds.
func ask(ctx context.Context, url string) int {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	failed := 0
	for ctx.Err() == nil {
		resp, err := client.Get(url)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		if err != nil || resp.StatusCode != http.StatusOK {
			failed++
		}
		_ = sleep(ctx, 10*time.Millisecond)
	}
	return failed
}
