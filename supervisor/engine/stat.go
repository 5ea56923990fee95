package engine

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
)

// Stat returns the tar header of a path in a container, in any state: its kind, mode, owner and link. A symbolic link is not followed.
// Only the beginning of the path's archive is read. A path that is not there is IsNotFound.
func Stat(ctx context.Context, c interface {
	CopyFrom(ctx context.Context, id, path string) (io.ReadCloser, error)
}, id, path string,
) (*tar.Header, error) {
	rc, err := c.CopyFrom(ctx, id, path)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	h, err := tar.NewReader(rc).Next()
	if err != nil {
		return nil, fmt.Errorf("cannot examine %s in the container: %w", path, err)
	}
	return h, nil
}
