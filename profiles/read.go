package profiles

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Limits of all the files of one load together: the named ones, those that they include and those that they extend.
const (
	maxTotalBytes = 4 << 20
	maxFiles      = 1000
)

// errNotRegular is the reason why a directory, a FIFO or a device is not read.
var errNotRegular = errors.New("it is not a regular file")

// checkRegular returns an error unless the path is a regular file. Opening a FIFO would block, and a device may have no end.
func checkRegular(path string) error {
	st, err := os.Stat(path)
	if err == nil && !st.Mode().IsRegular() {
		err = errNotRegular
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err // the caller names the file
	}
	return err
}

// reader reads Compose files within the limits.
type reader struct {
	stdin func() ([]byte, error)
	files int
	bytes int64
}

// read returns the content of a file. Exceeding a limit is an Error at the file, everything else a plain error.
func (r *reader) read(ctx context.Context, file, path string) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	content, err := r.content(file, path)
	if err != nil {
		return nil, err
	}
	r.files++
	r.bytes += int64(len(content))
	switch {
	case len(content) > maxFileBytes:
		return nil, Error{File: file, Message: fmt.Sprintf("the file is too large: the limit is %d bytes", maxFileBytes)}
	case r.bytes > maxTotalBytes:
		return nil, Error{File: file, Message: fmt.Sprintf("the stack's files are too large: the limit of all together is %d bytes", maxTotalBytes)}
	case r.files > maxFiles:
		return nil, Error{File: file, Message: fmt.Sprintf("the stack has more than %d files", maxFiles)}
	}
	return content, nil
}

// content returns at most one byte more than a file may have.
func (r *reader) content(file, path string) ([]byte, error) {
	if isStdin(file) {
		if r.stdin == nil {
			return nil, errors.New("cannot read the file -: there is no standard input")
		}
		content, err := r.stdin()
		if err != nil {
			return nil, fmt.Errorf("cannot read the file from standard input: %w", err)
		}
		return content, nil
	}
	if err := checkRegular(path); err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", file, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", file, err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", file, err)
	}
	return content, nil
}

// pathOf is the absolute path of a file; that of standard input is a name in the work directory that nobody opens.
func (l *load) pathOf(file string) (string, error) {
	if isStdin(file) {
		return filepath.Join(l.o.WorkDir, "-"), nil
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return "", fmt.Errorf("cannot read %s: %w", file, err)
	}
	return path, nil
}
