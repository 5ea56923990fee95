package api

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
)

// Socket is a listener on the supervisor's socket. Restore creates the socket again if its file was removed; established
// connections are not affected.
type Socket struct {
	path  string
	conns chan net.Conn
	done  chan struct{}

	mu      sync.Mutex
	current net.Listener
	file    os.FileInfo
	wg      sync.WaitGroup
	closed  bool
}

// ListenSocket creates the socket as Listen does. The caller must call Restore periodically, and Close at the end.
func ListenSocket(path string) (*Socket, error) {
	s := &Socket{path: path, conns: make(chan net.Conn), done: make(chan struct{})}
	return s, s.listen()
}

// listen creates the socket and starts accepting. Called with mu held, or before s is shared.
func (s *Socket) listen() error {
	l, err := Listen(s.path)
	if err != nil {
		return err
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // by then the path may be another supervisor's
	}
	file, err := os.Lstat(s.path)
	if err != nil {
		return errors.Join(fmt.Errorf("cannot find the new socket: %w", err), l.Close())
	}
	s.current, s.file = l, file
	s.wg.Go(func() { s.accept(l) })
	return nil
}

func (s *Socket) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return // closed: by Close, or by Restore
		}
		select {
		case s.conns <- c:
		case <-s.done:
			_ = c.Close()
			return
		}
	}
}

// Restore creates the socket again if its file was removed or replaced, and reports whether it did. The caller must hold the
// instance's lock.
func (s *Socket) Restore() (made bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.ours() {
		return false, nil
	}
	former := s.current
	if err := s.listen(); err != nil {
		return false, fmt.Errorf("cannot recreate the control socket: %w", err)
	}
	_ = former.Close()
	return true, nil
}

// ours reports whether the file at the path is this listener's socket.
func (s *Socket) ours() bool {
	now, err := os.Lstat(s.path)
	return err == nil && os.SameFile(now, s.file)
}

// Accept implements net.Listener.
func (s *Socket) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener.
func (s *Socket) Addr() net.Addr { return &net.UnixAddr{Name: s.path, Net: "unix"} }

// Close implements net.Listener. It removes the socket's file if it is still the one that Restore or ListenSocket made.
func (s *Socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.ours() {
		_ = os.Remove(s.path)
	}
	close(s.done)
	err := s.current.Close()
	s.wg.Wait()
	return err
}
