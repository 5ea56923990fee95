package snapshot

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sync/errgroup"
)

const (
	// block is how many bytes are compared at a time.
	block = 1 << 18
	// piece is how many bytes of a large file one goroutine copies.
	piece = 32 << 20
)

// atOnce is how many files or pieces are copied at the same time.
func atOnce() int { return min(max(runtime.GOMAXPROCS(0), 2), 8) }

// copies are files to be copied from one volume to another.
type copies struct {
	from, to *os.Root
	list     []*copying
	// written counts the bytes that were copied, or differed from an older copy.
	written atomic.Int64

	mu   sync.Mutex
	gone map[string]bool
	rest []piecewise
}

// copying is one file to be copied. update is set if the copy exists and may be right in most places.
type copying struct {
	*Entry
	update bool
}

// piecewise is a part of a large file.
type piecewise struct {
	*copying
	off, end int64
}

// add adds a file; its Size is set to the number of bytes copied.
func (c *copies) add(e *Entry, update bool) { c.list = append(c.list, &copying{e, update}) }

// vanished reports whether a file was not there any more when it was to be copied.
func (c *copies) vanished(name string) bool { return c.gone[name] }

// run copies all files, several at a time, with owners, modes and times. It blocks until that is done, one failed or ctx ended.
func (c *copies) run(ctx context.Context) error {
	c.gone = map[string]bool{}
	if err := parallel(ctx, c.list, c.begin); err != nil {
		return err
	}
	if err := parallel(ctx, c.rest, c.copyPiece); err != nil {
		return err
	}
	for _, f := range c.list { // times last: writing changes them
		if c.gone[f.Path] || f.Hard == "" && f.Size <= piece {
			continue
		}
		if err := c.finish(f); err != nil {
			return err
		}
	}
	return nil
}

// finish makes a hard link, or sets the metadata of a file that was copied in pieces.
func (c *copies) finish(f *copying) error {
	if f.Hard == "" {
		return setMetadata(c.to, *f.Entry)
	}
	if c.gone[f.Hard] {
		c.gone[f.Path] = true
		return nil
	}
	if err := c.to.RemoveAll(f.Path); err != nil {
		return err
	}
	return c.to.Link(f.Hard, f.Path)
}

// begin copies a small file, clones a file if the file system can, and cuts a large one into pieces.
func (c *copies) begin(ctx context.Context, f *copying) error {
	if f.Hard != "" {
		return nil
	}
	in, size, err := openFile(c.from, f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.gone[f.Path] = true
		return nil
	}
	if err != nil {
		return err
	}
	defer in.Close()
	f.Size = size
	out, err := c.create(f)
	if err != nil {
		return err
	}
	err = c.contents(ctx, f, in, out)
	if err = errors.Join(err, out.Close()); err != nil || size > piece {
		return err
	}
	return setMetadata(c.to, *f.Entry)
}

func (c *copies) contents(ctx context.Context, f *copying, in, out *os.File) error {
	if err := out.Truncate(f.Size); err != nil {
		return err
	}
	if f.Size == 0 || clone(in, out) {
		return nil
	}
	if f.Size <= piece {
		return c.transfer(ctx, f, in, out, 0, f.Size)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for off := int64(0); off < f.Size; off += piece {
		c.rest = append(c.rest, piecewise{f, off, min(off+piece, f.Size)})
	}
	return nil
}

// create opens the copy of a file for writing, empty unless it is to be updated.
func (c *copies) create(f *copying) (*os.File, error) {
	info, err := c.to.Lstat(f.Path)
	if err == nil && !f.update || err == nil && !info.Mode().IsRegular() {
		if err := c.to.RemoveAll(f.Path); err != nil {
			return nil, err
		}
	}
	if err != nil || !info.Mode().IsRegular() {
		f.update = false
	}
	return c.to.OpenFile(f.Path, os.O_CREATE|os.O_RDWR, 0o600)
}

func (c *copies) copyPiece(ctx context.Context, p piecewise) error {
	in, _, err := openFile(c.from, p.Path)
	if err != nil {
		return err // the next pass, or the next save, finds that it is gone
	}
	defer in.Close()
	out, err := c.to.OpenFile(p.Path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(c.transfer(ctx, p.copying, in, out, p.off, p.end), out.Close())
}

// transfer copies a part of a file. Where an older copy is right already, it writes nothing.
func (c *copies) transfer(ctx context.Context, f *copying, in, out *os.File, off, end int64) error {
	if f.update {
		return c.update(ctx, in, out, off, end)
	}
	c.written.Add(end - off)
	for off < end {
		data, hole := nextData(in, off, end)
		if err := copyRange(ctx, in, out, data, hole); err != nil {
			return err
		}
		off = hole
	}
	return nil
}

// copyRange copies a range of a file. The standard library uses copy_file_range where the kernel and the file system have it.
func copyRange(ctx context.Context, in, out *os.File, off, end int64) error {
	if off >= end {
		return nil
	}
	_, err := in.Seek(off, io.SeekStart)
	if err == nil {
		_, err = out.Seek(off, io.SeekStart)
	}
	for err == nil && off < end {
		var n int64
		n, err = io.CopyN(out, in, min(end-off, 4<<20))
		off += n
		if err == nil {
			err = context.Cause(ctx)
		}
	}
	if errors.Is(err, io.EOF) {
		return nil // it is shorter by now; the next pass copies it again
	}
	return err
}

// buffers are for reading two blocks at the same place of a file and its copy.
var buffers = sync.Pool{New: func() any { return new([2][block]byte) }}

// update makes a part of a copy like the original: it writes only the blocks that differ.
func (c *copies) update(ctx context.Context, in, out *os.File, off, end int64) error {
	b := buffers.Get().(*[2][block]byte)
	defer buffers.Put(b)
	for off < end {
		want, have := b[0][:min(block, end-off)], b[1][:min(block, end-off)]
		n, err := in.ReadAt(want, off)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		m, err := out.ReadAt(have, off)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if !bytes.Equal(want[:n], have[:m]) {
			c.written.Add(int64(n))
			if _, err := out.WriteAt(want[:n], off); err != nil {
				return err
			}
		}
		if off += int64(n); n < len(want) {
			return nil // it is shorter by now; the next pass copies it again
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
	}
	return nil
}

// openFile opens a regular file for reading and returns its size. Anything else at the path counts as missing.
func openFile(root *os.Root, name string) (*os.File, int64, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would block
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// readFile reads a regular file.
func readFile(root *os.Root, name string) ([]byte, error) {
	f, _, err := openFile(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// castagnoli is the CRC-32 polynomial with hardware support.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumAll sets the checksums of all regular files.
func sumAll(ctx context.Context, root *os.Root, all []Entry) error {
	var list []*Entry
	for i := range all {
		if all[i].Mode.IsRegular() {
			list = append(list, &all[i])
		}
	}
	return parallel(ctx, list, func(ctx context.Context, e *Entry) error { return sumFile(ctx, root, e) })
}

// sumFile sets the checksum and the size of a file.
func sumFile(ctx context.Context, root *os.Root, e *Entry) error {
	f, _, err := openFile(root, e.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	b := buffers.Get().(*[2][block]byte)
	defer buffers.Put(b)
	e.Size, e.CRC = 0, 0
	for {
		n, err := f.Read(b[0][:])
		e.Size, e.CRC = e.Size+int64(n), crc32.Update(e.CRC, castagnoli, b[0][:n])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// parallel calls do for every item, some at a time, and returns the first error. After an error or the end of ctx no further call begins.
func parallel[T any](ctx context.Context, list []T, do func(ctx context.Context, item T) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce())
	for _, item := range list {
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return do(ctx, item)
		})
	}
	return g.Wait()
}
