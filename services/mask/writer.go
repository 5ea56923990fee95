package mask

import (
	"bytes"
	"io"
	"sync"
)

// maxHeld is how many bytes of an incomplete line a Writer buffers before it writes them.
const maxHeld = 64 << 10

// Writer masks text line by line, so that a secret split over two writes is still found. Close flushes an incomplete last
// line; it does not close the underlying writer. It is safe for concurrent use.
type Writer struct {
	m    *Masker
	to   io.Writer
	mu   sync.Mutex
	held []byte
}

// Writer returns a Writer that writes masked text to w.
func (m *Masker) Writer(w io.Writer) *Writer { return &Writer{m: m, to: w} }

// Write writes the lines that p completes and buffers the rest. It returns len(p) unless the underlying writer fails.
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

// Close writes the buffered rest.
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
