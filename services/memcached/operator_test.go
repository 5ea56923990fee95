package memcached

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/catalogue/enginetest"
)

type talk struct {
	io.Reader
	bytes.Buffer
}

func (t *talk) Read(p []byte) (int, error) { return t.Reader.Read(p) }

func TestAsk(t *testing.T) {
	full := "VERSION 1.6.38\r\nSTAT curr_items 3\r\nSTAT get_hits 97\r\nSTAT get_misses 3\r\nSTAT accepting_conns 1\r\nSTAT bytes 2048\r\nEND\r\n"
	for _, c := range []struct {
		name, answer, version, rate string
		err                         error
	}{
		{"all", full, "1.6.38", "97%", nil},
		{"no figures", "VERSION 1.6.38\r\nEND\r\n", "1.6.38", "-", nil},
		{"another product", "-ERR unknown command\r\n", "", "", errProtocol},
		{"an error to stats", "VERSION 1\r\nERROR\r\n", "", "", errProtocol},
		{"closed at once", "", "", "", io.ErrUnexpectedEOF},
		{"closed in between", "VERSION 1\r\nSTAT a 1\r\n", "", "", io.ErrUnexpectedEOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := &talk{Reader: strings.NewReader(c.answer)}
			version, stats, err := ask(conn)
			if !errors.Is(err, c.err) || version != c.version {
				t.Fatalf("version %q, error %v", version, err)
			}
			if err == nil && stats.HitRate() != c.rate {
				t.Fatalf("hit rate %s", stats.HitRate())
			}
			if conn.String() != "version\r\nstats\r\n" {
				t.Fatalf("asked %q", conn.String())
			}
		})
	}
}

func TestJudge(t *testing.T) {
	up := func(pod string, hits, misses int64) Seen {
		return Seen{Pod: pod, Reached: true, Version: "1.6.38", Stats: Stats{Known: true, Hits: hits, Misses: misses, Items: 2, Accepting: true}}
	}
	full := up("m-2", 1, 1)
	full.Stats.Accepting = false
	for _, c := range []struct {
		name    string
		seen    []Seen
		right   bool
		message string
	}{
		{"none", nil, false, "no pod yet"},
		{"one", []Seen{up("m-0", 3, 1)}, true, "2 items, hit rate 75%"},
		{"three", []Seen{up("m-0", 3, 1), up("m-1", 1, 3), up("m-2", 0, 0)}, true, "3 servers, 6 items, hit rate 50%"},
		{"one is down", []Seen{up("m-0", 1, 0), {Pod: "m-1", Reason: "NoAnswer", Error: "too slow"}}, false, "m-1: NoAnswer: too slow"},
		{"one is full", []Seen{up("m-0", 1, 0), full}, false, "m-2: NotAccepting: it has reached its connection limit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := Judge(c.seen)
			if v.Right != c.right || v.Message != c.message {
				t.Fatalf("right %t: %q", v.Right, v.Message)
			}
			for _, s := range c.seen {
				if _, ok := v.Pods[s.Pod]; !ok {
					t.Fatalf("nothing is said of %s", s.Pod)
				}
			}
		})
	}
}

func TestOnTheEngine(t *testing.T) {
	l := enginetest.New(t, "memcached", "10.249.0.128/26")
	for i := range 3 {
		l.Start(enginetest.Pod{
			Name: fmt.Sprintf("lyanna-memcached-%d", i), IP: fmt.Sprintf("10.249.0.14%d", i), Workload: "lyanna-memcached",
			Containers: []enginetest.Container{{
				Name: "memcached", Image: "lyandev/memcached:dev", Args: []string{"memcached", "-o", "modern", "-v", "-I", "20m"},
				Port: corev1.ContainerPort{Name: "memcache", ContainerPort: defaultPort},
			}},
		})
	}
	o := New()
	l.Until(o, 20*time.Second, "right", enginetest.Right)
	conn, err := net.Dial("tcp", "10.249.0.140:11211")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "set a 0 0 1\r\nx\r\nget a\r\nget b\r\nquit\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil {
		t.Fatal(err)
	}
	v := l.Until(o, 5*time.Second, "right", enginetest.Right)
	if got := v.Pods["lyanna-memcached-0"].Detail; got["hit-rate"] != "50%" || got["items"] != "1" || got["limit"] != "64MiB" {
		t.Fatalf("%v", got)
	}
	// A hung server accepts connections and does not answer.
	l.Pause("lyanna-memcached-1", "memcached")
	l.Until(o, 5*time.Second, "seen", func(v services.Verdict) bool {
		return v.Pods["lyanna-memcached-1"].Reason == "NoAnswer" && v.Pods["lyanna-memcached-2"].Right
	})
	l.Unpause("lyanna-memcached-1", "memcached")
	l.Until(o, 5*time.Second, "right", enginetest.Right)
	l.Kill("lyanna-memcached-1", "memcached")
	l.Until(o, 5*time.Second, "seen", func(v services.Verdict) bool { return !v.Pods["lyanna-memcached-1"].Right })
}
