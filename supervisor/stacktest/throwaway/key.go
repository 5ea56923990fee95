package throwaway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// keyFormat must be incremented when the input of a key changes.
const keyFormat = 1

// maxHostFiles bounds the files examined below the host paths that a stack mounts.
const maxHostFiles = 10_000

var errManyFiles = fmt.Errorf("there are more than %d files in the host paths that the stack mounts", maxHostFiles)

// content is everything that determines the content of a stack's volumes once it is ready.
type content struct {
	Format int
	// Version is the version of lyandev: operators also write to volumes.
	Version string
	Stack   services.Stack
	// Images are the IDs of the images by reference.
	Images map[string]string
	Files  []string
}

// contentOf returns the stack without the parts that do not affect its volumes: name and directory, host ports, test commands,
// watch rules, probe timing, and source positions. It is pure.
func contentOf(stack *services.Stack, version string, images map[string]string, files []string) content {
	s := stack.DeepCopy()
	s.Name, s.Dir, s.Timing, s.Builds, s.HostPorts, s.Ingresses, s.Notes, s.NotApplied, s.Warnings = "", "", "", nil, nil, nil, nil, nil, nil
	for _, w := range s.Workloads {
		w.Watch, w.Test, w.Timing, w.Source = nil, nil, "", ""
	}
	return content{Format: keyFormat, Version: version, Stack: *s, Images: images, Files: files}
}

// key returns the hash of a content: 64 hexadecimal digits.
func (c content) key() (string, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("cannot compute the key of the stack: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// keyOf returns the current key of a stack, "" if one of its images is not on this machine yet.
func keyOf(ctx context.Context, eng engine.Images, stack *services.Stack, version string) (string, error) {
	images := map[string]string{}
	for _, w := range stack.Workloads {
		spec := w.PodSpec()
		for _, x := range slices.Concat(spec.InitContainers, spec.Containers) {
			if _, known := images[x.Image]; known {
				continue
			}
			i, err := eng.InspectImage(ctx, x.Image)
			if engine.IsNotFound(err) {
				return "", nil
			}
			if err != nil {
				return "", err
			}
			images[x.Image] = i.ID
		}
	}
	files, err := hostFiles(stack, maxHostFiles)
	if err != nil {
		return "", err
	}
	return contentOf(stack, version, images, files).key()
}

// hostFiles lists the files in the host paths that a stack mounts, because seeds, scripts and sources affect the volumes. Size and
// modification time stand for the content of a file. The error is errManyFiles if there are more than limit.
func hostFiles(stack *services.Stack, limit int) ([]string, error) {
	var paths []string
	for _, w := range stack.Workloads {
		for _, v := range w.PodSpec().Volumes {
			if v.HostPath != nil && !slices.Contains(paths, v.HostPath.Path) && !made(v.HostPath) {
				paths = append(paths, v.HostPath.Path)
			}
		}
	}
	var out []string
	for _, root := range paths {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			info, err := d.Info()
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			if len(out) == limit {
				return errManyFiles
			}
			out = append(out, describe(path, info))
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("cannot list the files in %s: %w", root, err)
		}
	}
	return out, nil
}

// made reports whether a host path is missing and lyandev will create it, empty.
func made(h *corev1.HostPathVolumeSource) bool {
	_, err := os.Lstat(h.Path)
	return h.Type != nil && *h.Type == corev1.HostPathDirectoryOrCreate && errors.Is(err, fs.ErrNotExist)
}

// describe identifies a version of a file. The time of a directory is omitted, since its entries are listed.
func describe(path string, info fs.FileInfo) string {
	if info.IsDir() {
		return fmt.Sprintf("%s %s", path, info.Mode())
	}
	return fmt.Sprintf("%s %s %d %d", path, info.Mode(), info.Size(), info.ModTime().UnixNano())
}
