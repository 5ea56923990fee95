package engine

import (
	"context"
	"io"

	"github.com/docker/docker/api/types/container"
)

// CopyOver is CopyTo for archives that put a file where a directory is, or the other way round: what is there is replaced.
func (d *Docker) CopyOver(ctx context.Context, id, dir string, tar io.Reader) error {
	err := d.api.CopyToContainer(ctx, id, dir, tar, container.CopyToContainerOptions{AllowOverwriteDirWithFile: true})
	return wrap(err, "copy files to %s of container %s", dir, short(id))
}
