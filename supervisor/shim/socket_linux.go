package shim

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The socket is an abstract one: it needs no file, and is gone with the shim. It uses system calls directly, because importing
// net would run expensive package initialisers before this package's.

func address(name string) *syscall.SockaddrUnix {
	return &syscall.SockaddrUnix{Name: "@lyandev-shim/" + name}
}

func listen(name string) (fd int, err error) {
	fd, err = syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := syscall.Bind(fd, address(name)); err != nil {
		_ = syscall.Close(fd)
		return -1, err
	}
	return fd, syscall.Listen(fd, 8)
}

func connect(name string) (*os.File, error) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := syscall.Connect(fd, address(name)); err != nil {
		_ = syscall.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "shim"), nil
}

// serveSocket accepts connections forever. It serves only root and the shim's user, because other containers of the pod share
// the network namespace and thus the socket's name.
func serveSocket(fd int, requests chan<- request) {
	for {
		conn, _, err := syscall.Accept4(fd, syscall.SOCK_CLOEXEC)
		if err == syscall.EINTR || err == syscall.ECONNABORTED {
			continue
		}
		if err != nil {
			return
		}
		go answer(os.NewFile(uintptr(conn), "control"), requests)
	}
}

func answer(conn *os.File, requests chan<- request) {
	defer conn.Close()
	cred, err := syscall.GetsockoptUcred(int(conn.Fd()), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	if err != nil || cred.Uid != 0 && int(cred.Uid) != os.Getuid() {
		return
	}
	buf := make([]byte, 128)
	n, err := conn.Read(buf)
	if err != nil {
		return
	}
	text, ok := strings.CutPrefix(strings.TrimSpace(string(buf[:n])), "restart ")
	if !ok {
		return
	}
	millis, err := strconv.ParseInt(text, 10, 64)
	if err != nil || millis < 0 {
		return
	}
	r := request{grace: time.Duration(millis) * time.Millisecond, reply: make(chan Reply, 1)}
	requests <- r
	line, err := json.Marshal(<-r.reply)
	if err == nil {
		_, _ = conn.Write(append(line, '\n'))
	}
}
