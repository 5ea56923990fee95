// Command testpod is what pods of the end-to-end tests and benchmarks run, and what they run with exec:
//
//	testpod serve [FILE]             HTTP on 8080, a TCP echo on 9001, a TCP source on 9002, a UDP echo on 9000; a line
//	                                 is added to FILE first
//	testpod dig [+tcp] NAME TYPE...  ask the pod's own resolver: the rcode, then an answer a line, then an empty line
//	testpod get [-n N] URL           GET N times with a new connection each, a body a line
//	testpod dial HOST:PORT           connect: "connected", "refused" or another error, and after how long
//
// A file /tmp/notready makes GET /ready answer 503.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "testpod:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("cannot do nothing: testpod serve|dig|get|dial")
	}
	switch cmd, rest := args[0], args[1:]; {
	case cmd == "serve" && len(rest) == 1:
		if err := note(rest[0]); err != nil {
			return err
		}
		return serve()
	case cmd == "serve" && len(rest) == 0:
		return serve()
	case cmd == "dig" && len(rest) >= 2:
		return dig(rest)
	case cmd == "get" && len(rest) == 1:
		return get(1, rest[0])
	case cmd == "get" && len(rest) == 3:
		n, err := strconv.Atoi(rest[1])
		if err != nil {
			return err
		}
		return get(n, rest[2])
	case cmd == "dial" && len(rest) == 1:
		dial(rest[0])
		return nil
	}
	return fmt.Errorf("cannot understand %q", args)
}

// note adds a line to a file, and returns when it is on the disk.
func note(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, "started at", time.Now().Format(time.RFC3339Nano))
	return errors.Join(err, f.Sync(), f.Close())
}

// dig prints what the first resolver of /etc/resolv.conf answers: no search list, no caching.
func dig(args []string) error {
	client := &dns.Client{Timeout: 5 * time.Second}
	if args[0] == "+tcp" {
		client.Net, args = "tcp", args[1:]
	}
	conf, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil {
		return err
	}
	for ; len(args) >= 2; args = args[2:] {
		if err := ask(client, conf, args[0], args[1]); err != nil {
			return err
		}
	}
	return nil
}

func ask(client *dns.Client, conf *dns.ClientConfig, name, typ string) error {
	kind, ok := dns.StringToType[strings.ToUpper(typ)]
	if !ok {
		return fmt.Errorf("there is no type %s", typ)
	}
	a, _, err := client.Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(name), kind), net.JoinHostPort(conf.Servers[0], conf.Port))
	if err != nil {
		return err
	}
	fmt.Println(dns.RcodeToString[a.Rcode])
	for _, rr := range a.Answer {
		fmt.Println(strings.ReplaceAll(rr.String(), "\t", " "))
	}
	fmt.Println()
	return nil
}

func get(n int, url string) error {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for range n {
		resp, err := client.Get(url)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return err
		}
		fmt.Println(resp.StatusCode, strings.TrimSpace(string(body)))
	}
	return nil
}

func dial(at string) {
	began := time.Now()
	c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(context.Background(), "tcp", at)
	word := "connected"
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		word = "refused"
	case err != nil:
		word = err.Error()
	default:
		_ = c.Close()
	}
	fmt.Println(word, time.Since(began).Milliseconds(), "ms")
}
