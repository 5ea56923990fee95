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

// keyFormat changes when what a key is made of does.
const keyFormat = 1

// maxHostFiles bounds what is looked at below the host paths that a stack mounts.
const maxHostFiles = 10_000

var errManyFiles = fmt.Errorf("there are more than %d files in the host paths that the stack mounts", maxHostFiles)

// content is everything that decides what a stack's volumes hold once it is ready.
type content struct {
	Format int
	// Version is lyandev's own: operators write to volumes too.
	Version string
	Stack   services.Stack
	// Images are the IDs of the images by reference.
	Images map[string]string
	Files  []string
}

// contentOf leaves out of a stack what decides nothing: its name and directory, host ports, test commands, rules for edits,
// how often probes look, and where things are declared. It is pure.
func contentOf(stack *services.Stack, version string, images map[string]string, files []string) content {
	s := stack.DeepCopy()
	s.Name, s.Dir, s.Timing, s.Builds, s.HostPorts, s.Ingresses, s.Notes = "", "", "", nil, nil, nil, nil
	for _, w := range s.Workloads {
		w.Watch, w.Test, w.Timing, w.Source = nil, nil, "", ""
	}
	return content{Format: keyFormat, Version: version, Stack: *s, Images: images, Files: files}
}

// key is the hash of a content: 64 hexadecimal digits.
func (c content) key() (string, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("cannot tell the stack from others: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// keyOf is the key of a stack as it is now, "" if an image of it is not on this machine yet.
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

// hostFiles lists what is in the host paths that a stack mounts: seeds, scripts and sources decide what is written. Size and
// time stand for what is in a file. More than limit of them are errManyFiles.
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
			return nil, fmt.Errorf("cannot tell what is in %s: %w", root, err)
		}
	}
	return out, nil
}

// made says that a host path is one that lyandev makes when it is missing, and that is missing: it is going to be empty.
func made(h *corev1.HostPathVolumeSource) bool {
	_, err := os.Lstat(h.Path)
	return h.Type != nil && *h.Type == corev1.HostPathDirectoryOrCreate && errors.Is(err, fs.ErrNotExist)
}

// describe tells a file from others. The time of a directory says nothing that its entries do not.
func describe(path string, info fs.FileInfo) string {
	if info.IsDir() {
		return fmt.Sprintf("%s %s", path, info.Mode())
	}
	return fmt.Sprintf("%s %s %d %d", path, info.Mode(), info.Size(), info.ModTime().UnixNano())
}
