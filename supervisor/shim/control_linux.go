package shim

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// runControl serves requests from stdin until it is closed. args hold the shim's socket name, and then the directory that is the root
// of the files; without one it is this process's root.
func runControl(args []string) int {
	socket := ""
	if len(args) > 0 {
		socket = args[0]
	}
	var err error
	if len(args) > 1 {
		err = enter(args[1])
	}
	if err == nil {
		err = control(os.Stdin, os.Stdout, socket)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lyandev shim-control:", err)
		return 1
	}
	return 0
}

// enter makes a directory the root of this process.
func enter(root string) error {
	err := syscall.Chroot(root)
	if err == nil {
		err = os.Chdir("/")
	}
	if err != nil {
		return fmt.Errorf("cannot enter the file system of the container: %w", err)
	}
	return nil
}

// control serves requests one after the other. It ends at the first error, since the streams are out of sync then.
func control(in io.Reader, out io.Writer, socket string) error {
	r := bufio.NewReaderSize(in, 256<<10)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot read a request: %w", err)
		}
		var q Request
		if err := json.Unmarshal(line, &q); err != nil {
			return fmt.Errorf("cannot read a request: %w", err)
		}
		reply, err := serve(q, r, socket)
		if err != nil {
			return err
		}
		text, err := json.Marshal(reply)
		if err == nil {
			_, err = out.Write(append(text, '\n'))
		}
		if err != nil {
			return fmt.Errorf("cannot answer: %w", err)
		}
	}
}

func serve(q Request, content io.Reader, socket string) (Reply, error) {
	switch q.Op {
	case Hello:
		conn, err := connect(socket)
		if err == nil {
			_ = conn.Close()
		}
		return Reply{Shim: err == nil}, nil
	case Lay:
		failed, err := LayIn("/", q.Files, content)
		if err != nil {
			return Reply{}, err
		}
		if failed != nil {
			return Reply{Error: failed.Error()}, nil
		}
		return Reply{}, nil
	case Restart:
		return passRestart(socket, time.Duration(q.GraceMillis)*time.Millisecond), nil
	}
	return Reply{Error: fmt.Sprintf("unknown operation %q", q.Op)}, nil
}

// passRestart sends a restart to the shim and waits for its reply.
func passRestart(socket string, grace time.Duration) Reply {
	conn, err := connect(socket)
	if err != nil {
		return Reply{Error: "cannot reach the shim: " + err.Error()}
	}
	defer conn.Close()
	if _, err := conn.WriteString(restartLine(grace)); err != nil {
		return Reply{Error: "cannot send the request to the shim: " + err.Error()}
	}
	var reply Reply
	if err := json.NewDecoder(conn).Decode(&reply); err != nil {
		return Reply{Error: "cannot read the shim's reply: the process may have ended, and the container with it"}
	}
	return reply
}
