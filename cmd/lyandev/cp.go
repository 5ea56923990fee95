package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"

	"github.com/moby/go-archive"
	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newCpCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "cp", Usage: "copy files between this host and containers", ArgsUsage: "SRC DEST",
		Description: "One of SRC and DEST is SERVICE:PATH or POD:PATH, the other a path on this host, or - for a tar stream. What is copied where\n" +
			"is as in docker cp: into DEST if it is a directory, else as DEST; SRC/. is what is in the directory. To a service,\n" +
			"files are copied into all its running pods; from one, out of its first.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "follow-link", Aliases: []string{"L"}, Usage: "copy what a symbolic link SRC points to"},
			&cli.BoolFlag{Name: "archive", Aliases: []string{"a"}, Usage: "accepted as in docker compose: owners and modes are always those of the tar stream"},
			&cli.StringFlag{Name: "container", Aliases: []string{"c"}, Usage: "the `CONTAINER` of the pod; default: its first"},
			&cli.IntFlag{Name: "index", Usage: "only the `N`th pod of the service"},
		},
		Action: func(c *cli.Context) error {
			from, to, err := parseCopy(c.Args().Get(0), c.Args().Get(1))
			if err != nil {
				return withCode(exitUsage, err)
			}
			return runCp(c, st, from, to)
		},
	}
}

// place is a path, in the containers of a service unless that is "".
type place struct{ service, path string }

// parseCopy parses the two arguments of cp.
func parseCopy(src, dest string) (from, to place, err error) {
	from, to = parsePlace(src), parsePlace(dest)
	if (from.service == "") == (to.service == "") {
		return from, to, fmt.Errorf("cannot copy %s to %s: exactly one of them must be SERVICE:PATH", src, dest)
	}
	if from.path == "" || to.path == "" {
		return from, to, fmt.Errorf("cannot copy %s to %s: a path is missing", src, dest)
	}
	return from, to, nil
}

// parsePlace parses SERVICE:PATH. What begins like a path (./a:b, /a:b, C:\x) is a path.
func parsePlace(text string) place {
	service, at, found := strings.Cut(text, ":")
	if !found || strings.HasPrefix(text, ".") || filepath.IsAbs(text) || strings.ContainsAny(service, `/\`) {
		return place{path: text}
	}
	return place{service, at}
}

func runCp(c *cli.Context, st *ui.Streams, from, to place) error {
	t, eng, err := openTarget(c)
	if err != nil {
		return err
	}
	defer eng.Close()
	name := from.service + to.service
	first, err := findAnyContainer(c.Context, eng, t, name, c.String("container"), c.Int("index"))
	if err != nil {
		return err
	}
	if from.service != "" {
		return copyOut(c.Context, eng, first.ID, from.path, to.path, c.Bool("follow-link"), st.RawOut())
	}
	list := []engine.Container{first}
	if c.Int("index") == 0 {
		if list, err = chooseContainers(c.Context, eng, t.instance.Name, choice{names: []string{name}, ended: true}, nil); err != nil {
			return err
		}
	}
	if from.path == "-" && len(list) > 1 {
		list = list[:1] // the stream can be read only once
	}
	for _, x := range list {
		if x.Labels[services.ContainerLabel] != first.Labels[services.ContainerLabel] {
			continue // a pod's other containers
		}
		if err := copyIn(c.Context, eng, x.ID, from.path, to.path, c.Bool("follow-link"), st.In); err != nil {
			return err
		}
		fmt.Fprintf(st.Err, "copied %s to %s:%s\n", from.path, x.Labels[services.PodLabel], to.path)
	}
	return nil
}

// copier is the part of engine.Engine that copies files.
type copier interface {
	CopyTo(ctx context.Context, id, dir string, tar io.Reader) error
	CopyFrom(ctx context.Context, id, path string) (io.ReadCloser, error)
}

// copyIn copies a file or directory of this host into a container; "-" is a tar stream that is unpacked below dest.
func copyIn(ctx context.Context, eng copier, id, src, dest string, follow bool, in io.Reader) error {
	info, err := statInside(ctx, eng, id, dest)
	if err != nil {
		return err
	}
	if src == "-" {
		if !info.IsDir {
			return fmt.Errorf("cannot unpack the tar stream to %s: it is not a directory of the container", dest)
		}
		return eng.CopyTo(ctx, id, info.Path, in)
	}
	abs, err := filepath.Abs(src)
	if err != nil {
		return fmt.Errorf("cannot find %s: %w", src, err)
	}
	from, err := archive.CopyInfoSourcePath(archive.PreserveTrailingDotOrSeparator(abs, src), follow)
	if err != nil {
		return fmt.Errorf("cannot copy %s: %w", src, err)
	}
	content, err := archive.TarResource(from)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", src, err)
	}
	defer content.Close()
	dir, content, err := archive.PrepareArchiveCopy(content, from, info)
	if err != nil {
		return fmt.Errorf("cannot copy %s to %s: %w", src, dest, err)
	}
	defer content.Close()
	return eng.CopyTo(ctx, id, dir, content)
}

// maxLinks bounds chains of symbolic links.
const maxLinks = 10

// statInside finds out what a path in a container is, following symbolic links. A path that does not exist is no error.
func statInside(ctx context.Context, eng copier, id, at string) (archive.CopyInfo, error) {
	at = archive.PreserveTrailingDotOrSeparator(path.Join("/", at), at)
	for range maxLinks {
		h, err := engine.Stat(ctx, eng, id, at)
		switch {
		case engine.IsNotFound(err):
			return archive.CopyInfo{Path: at}, nil
		case err != nil:
			return archive.CopyInfo{}, err
		case h.Typeflag != tar.TypeSymlink:
			return archive.CopyInfo{Path: at, Exists: true, IsDir: h.Typeflag == tar.TypeDir}, nil
		case path.IsAbs(h.Linkname):
			at = h.Linkname
		default:
			at = path.Join(path.Dir(path.Clean(at)), h.Linkname)
		}
	}
	return archive.CopyInfo{}, fmt.Errorf("cannot copy to %s: it is a chain of more than %d symbolic links", at, maxLinks)
}

// copyOut copies a file or directory of a container to this host, or as a tar stream to out if dest is "-".
func copyOut(ctx context.Context, eng copier, id, src, dest string, follow bool, out io.Writer) error {
	from := path.Join("/", src)
	var rebase string
	if follow {
		info, err := statInside(ctx, eng, id, from)
		if err != nil {
			return err
		}
		if info.Exists {
			rebase, from = rebaseName(from, info.Path), info.Path
		}
	}
	from = archive.PreserveTrailingDotOrSeparator(from, src)
	rc, err := eng.CopyFrom(ctx, id, from)
	if err != nil {
		return err
	}
	defer rc.Close()
	if dest == "-" {
		_, err := io.Copy(out, rc)
		return err
	}
	h, err := engine.Stat(ctx, eng, id, from)
	if err != nil {
		return err
	}
	content := io.ReadCloser(rc)
	if rebase != "" {
		content = archive.RebaseArchiveEntries(rc, path.Base(from), rebase)
		defer content.Close()
	}
	info := archive.CopyInfo{Path: from, Exists: true, IsDir: h.Typeflag == tar.TypeDir, RebaseName: rebase}
	abs, err := filepath.Abs(dest)
	if err != nil {
		return fmt.Errorf("cannot find %s: %w", dest, err)
	}
	err = archive.CopyTo(content, info, archive.PreserveTrailingDotOrSeparator(abs, dest))
	if errors.Is(err, archive.ErrDirNotExists) {
		err = fmt.Errorf("the directory %s does not exist", dest)
	}
	if err != nil {
		return fmt.Errorf("cannot copy %s to %s: %w", src, dest, err)
	}
	return nil
}

// rebaseName is the name that a followed link's target gets: the link's, "" if it is the same.
func rebaseName(link, target string) string {
	if path.Base(link) == path.Base(target) {
		return ""
	}
	return path.Base(link)
}
