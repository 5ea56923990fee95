package engine

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// messageSize is the size at which Docker cuts a line into several messages. All but the last of them have no newline. A
// shorter message without one is the last output of a process that ended.
const messageSize = 16 << 10

// Limits of what is kept in memory of one log.
const (
	maxMessage = 4 << 20
	// maxLogLine bounds a line; what follows is a line of its own.
	maxLogLine = 16 << 20
)

// Docker's stream numbers in the header of a message.
const (
	streamStdout = 1
	streamStderr = 2
	streamError  = 3
)

// logFrames reads the engine's log stream: messages with a header of eight bytes (stream, three zeros, length), one for each
// line or piece of a line. It reads ahead in large steps and needs no goroutine.
type logFrames struct {
	body io.ReadCloser
	in   *bufio.Reader
	opts LogOptions
	// out is what has been read and not been returned yet; message is the payload of the present message.
	out, message []byte
	// lines are the begun lines of stdout and stderr, with opts.Lines.
	lines [streamStderr + 1][]byte
	err   error
}

func newLogFrames(body io.ReadCloser, o LogOptions) *logFrames {
	return &logFrames{body: body, in: bufio.NewReaderSize(body, 64<<10), opts: o}
}

// Close ends the stream; a Read that waits ends.
func (f *logFrames) Close() error { return f.body.Close() }

// Read returns whatever is there, and waits only if that is nothing.
func (f *logFrames) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(f.out) > 0 {
			m := copy(p[n:], f.out)
			n, f.out = n+m, f.out[m:]
			continue
		}
		if f.err != nil {
			break
		}
		if n > 0 && !f.buffered() {
			return n, nil
		}
		f.out = f.out[:0]
		f.err = f.next()
	}
	if n > 0 {
		return n, nil
	}
	return 0, f.err
}

// buffered reports whether a whole message has been read ahead.
func (f *logFrames) buffered() bool {
	have := f.in.Buffered()
	if have < 8 {
		return false
	}
	header, err := f.in.Peek(8)
	return err == nil && have >= 8+int(binary.BigEndian.Uint32(header[4:]))
}

// next reads one message and appends what is complete to out. The error is io.EOF at the end.
func (f *logFrames) next() error {
	header, err := f.in.Peek(8)
	if err != nil {
		if errors.Is(err, io.EOF) {
			f.endLines()
		}
		return err
	}
	stream, size := header[0], int(binary.BigEndian.Uint32(header[4:]))
	if stream > streamError || size > maxMessage {
		return fmt.Errorf("cannot read a container's log: the engine sent an unknown header % x", header)
	}
	_, _ = f.in.Discard(8)
	if cap(f.message) < size {
		f.message = make([]byte, size)
	}
	f.message = f.message[:size]
	if _, err := io.ReadFull(f.in, f.message); err != nil {
		return err
	}
	switch {
	case stream == streamError:
		return fmt.Errorf("cannot read a container's log: the engine says: %s", bytes.TrimSpace(f.message))
	case f.opts.Lines:
		f.piece(max(stream, streamStdout), f.message)
	case stream == streamStderr && f.opts.StderrTo != nil:
		_, err = f.opts.StderrTo.Write(f.message)
	default:
		f.out = append(f.out, f.message...)
	}
	return err
}

// piece takes a message of a stream: a line, or a piece of one.
func (f *logFrames) piece(stream byte, message []byte) {
	line, payload := f.lines[stream], message
	if f.opts.Timestamps {
		if at := bytes.IndexByte(message, ' '); at >= 0 {
			payload = message[at+1:]
		}
	}
	if len(line) > 0 {
		message = payload // the time of a line is that of its first piece
	}
	whole := len(payload) < messageSize || payload[len(payload)-1] == '\n'
	if whole && len(line) == 0 {
		f.emit(message)
		return
	}
	line = append(line, message...)
	if whole || len(line) >= maxLogLine {
		f.emit(line)
		line = line[:0]
	}
	f.lines[stream] = line
}

// emit appends a line to out, with a newline.
func (f *logFrames) emit(line []byte) {
	f.out = append(f.out, line...)
	if len(line) == 0 || line[len(line)-1] != '\n' {
		f.out = append(f.out, '\n')
	}
}

// endLines emits the begun lines at the end of the log.
func (f *logFrames) endLines() {
	for i, line := range f.lines {
		if len(line) > 0 {
			f.emit(line)
		}
		f.lines[i] = nil
	}
}
