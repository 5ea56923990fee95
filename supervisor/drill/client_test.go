package drill

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// TestRedisWriterTriesEveryTime: a try makes a connection however many could not be made before, so that the drill sees at once that the
// server is back.
func TestRedisWriterTriesEveryTime(t *testing.T) {
	up := false
	w := newRedisWriter("redis:6379", "", "run", func(context.Context, string, string) (net.Conn, error) {
		if !up {
			return nil, errors.New("connection refused")
		}
		mine, theirs := net.Pipe()
		go answerRedis(theirs)
		return mine, nil
	})
	defer w.c.Close()
	for n := range 100 {
		if err := w.try(t.Context(), n); err == nil {
			t.Fatal("a try without a server has succeeded")
		}
	}
	up = true
	if err := w.try(t.Context(), 100); err != nil {
		t.Errorf("the first try with a server: %v", err)
	}
}

// answerRedis says yes to HSET and knows no other command.
func answerRedis(c net.Conn) {
	defer c.Close()
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		switch {
		case strings.EqualFold(lines.Text(), "hset"):
			_, _ = io.WriteString(c, ":1\r\n")
		case strings.EqualFold(lines.Text(), "hello"), strings.EqualFold(lines.Text(), "client"):
			_, _ = io.WriteString(c, "-ERR unknown command\r\n")
		}
	}
}
