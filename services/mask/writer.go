package mask

import (
	"bytes"
	"io"
	"sync"
)

// maxHeld is how much of an unfinished line a Writer keeps back before it lets it go.
const maxHeld = 64 << 10

// Writer masks what goes through it, line by line, so that a secret cut in two by two writes is still found. Close lets go
// of an unfinished last line; it does not close what is behind. Writes may come from several goroutines.
type Writer struct {
	m    *Masker
	to   io.Writer
	mu   sync.Mutex
	held []byte
}

// Writer masks on the way to w.
func (m *Masker) Writer(w io.Writer) *Writer { return &Writer{m: m, to: w} }

// Write passes on the lines that p completes. It reports all of p as written unless the writer behind fails.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = append(w.held, p...)
	end := bytes.LastIndexByte(w.held, '\n') + 1
	if end == 0 && len(w.held) > maxHeld {
		end = len(w.held)
	}
	if end == 0 {
		return len(p), nil
	}
	err := w.pass(end)
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close passes on what is left.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pass(len(w.held))
}

func (w *Writer) pass(n int) error {
	if n == 0 {
		return nil
	}
	_, err := w.to.Write(w.m.Bytes(w.held[:n]))
	w.held = append(w.held[:0], w.held[n:]...)
	return err
}
