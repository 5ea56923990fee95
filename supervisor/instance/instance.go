// Package instance maps a project directory to an instance: its name, its state files, and the lock that allows only one
// supervisor. Two git worktrees of one project are two instances that can run at the same time.
package instance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/adrg/xdg"

	"github.com/lyandev/lyandev/supervisor/socket"
)

// Instance is one copy of a project on this machine.
type Instance struct {
	// Name is the project name of every Docker object of the instance.
	Name string `json:"name"`
	// Project is the project name in the stack file. Name equals it for the first directory that used it.
	Project string `json:"project"`
	// Dir is the directory of the stack file. Files are the absolute paths of the files that the user named (-f), "-" for
	// standard input; none if the file was found by its name.
	Dir     string    `json:"dir"`
	Files   []string  `json:"files,omitempty"`
	Created time.Time `json:"created"`

	root string
}

// Root is the directory where instances are kept: $XDG_STATE_HOME/lyandev, 0700.
func Root() string { return filepath.Join(xdg.StateHome, "lyandev") }

// Home is the instance's own directory.
func (i *Instance) Home() string { return filepath.Join(i.root, i.Name) }

// Socket is the path of the supervisor's API socket. See socket.Path.
func (i *Instance) Socket() string { return socket.Path(i.Home()) }

// LogFile is the log of a supervisor in the background.
func (i *Instance) LogFile() string { return filepath.Join(i.Home(), "supervisor.log") }

// File is the path of a file of the instance.
func (i *Instance) File(name string) string { return filepath.Join(i.Home(), name) }

// Registry finds the instances of this machine.
type Registry struct {
	// Root is the directory; see Root.
	Root string
	// Taken returns the directory that the Docker objects of a name belong to, "" if there are none or they have no label. It
	// protects a name whose registry file was lost. nil means that no name is taken.
	Taken func(ctx context.Context, name string) (dir string, err error)
}

// Open returns the registry of this user.
func Open() *Registry { return &Registry{Root: Root()} }

// Resolve returns the instance of a project in a directory. explicit, if not "", is the instance's name (-p). Otherwise the
// directory keeps its existing name. A new directory gets the project's name if no other directory has it, else the project's
// name with a short hash of the directory. Resolve writes nothing; Save does.
func (r *Registry) Resolve(ctx context.Context, project, dir, explicit string) (*Instance, error) {
	all, err := r.List()
	if err != nil {
		return nil, err
	}
	if explicit != "" {
		if err := CheckName(explicit); err != nil {
			return nil, err
		}
		if i := find(all, func(i *Instance) bool { return i.Name == explicit }); i != nil && i.Dir == dir {
			return i, nil
		}
		return r.fresh(explicit, project, dir), nil
	}
	project = Normalize(project)
	if i := ofProject(all, project, dir); i != nil {
		return i, nil
	}
	free, err := r.free(ctx, all, project, dir)
	if err != nil {
		return nil, err
	}
	if free {
		return r.fresh(project, project, dir), nil
	}
	sum := sha256.Sum256([]byte(dir))
	return r.fresh(project+"-"+hex.EncodeToString(sum[:2]), project, dir), nil
}

func (r *Registry) fresh(name, project, dir string) *Instance {
	return &Instance{Name: name, Project: project, Dir: dir, Created: time.Now(), root: r.Root}
}

func (r *Registry) free(ctx context.Context, all []*Instance, name, dir string) (bool, error) {
	if i := find(all, func(i *Instance) bool { return i.Name == name }); i != nil {
		return i.Dir == dir, nil
	}
	if r.Taken == nil {
		return true, nil
	}
	owner, err := r.Taken(ctx, name)
	if err != nil {
		return false, err
	}
	return owner == "" || owner == dir, nil
}

func find(all []*Instance, ok func(*Instance) bool) *Instance {
	if k := slices.IndexFunc(all, ok); k >= 0 {
		return all[k]
	}
	return nil
}

// Get returns an instance by name, or nil.
func (r *Registry) Get(name string) (*Instance, error) {
	all, err := r.List()
	return find(all, func(i *Instance) bool { return i.Name == name }), err
}

// Saved returns the instance of a project in a directory if it was saved, else nil. Resolve returns the same one.
func (r *Registry) Saved(project, dir string) (*Instance, error) {
	all, err := r.List()
	return ofProject(all, Normalize(project), dir), err
}

func ofProject(all []*Instance, project, dir string) *Instance {
	return find(all, func(i *Instance) bool { return i.Dir == dir && i.Project == project })
}

// Started returns the instance of a directory that was started with the given files (Instance.Files), nil if there is none or
// more than one. It reads no stack file.
func (r *Registry) Started(dir string, files []string) (*Instance, error) {
	all, err := r.List()
	var found []*Instance
	for _, i := range all {
		if i.Dir == dir && slices.Equal(i.Files, files) {
			found = append(found, i)
		}
	}
	if len(found) != 1 {
		return nil, err
	}
	return found[0], err
}

// List returns every saved instance, sorted by name.
func (r *Registry) List() ([]*Instance, error) {
	paths, err := filepath.Glob(filepath.Join(r.Root, "*", "instance.json"))
	if err != nil {
		return nil, fmt.Errorf("cannot list the instances in %s: %w", r.Root, err)
	}
	var out []*Instance
	for _, p := range paths {
		b, err := os.ReadFile(p)
		i := &Instance{root: r.Root}
		if err != nil || json.Unmarshal(b, i) != nil || i.Name != filepath.Base(filepath.Dir(p)) {
			continue // an incomplete file counts as missing: the Docker labels identify the instance
		}
		out = append(out, i)
	}
	return out, nil
}

// Save stores the instance, so that its directory keeps the name.
func (i *Instance) Save() error {
	if err := os.MkdirAll(i.Home(), 0o700); err != nil {
		return fmt.Errorf("cannot create the instance's directory: %w", err)
	}
	b, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot save the instance: %w", err)
	}
	return WriteFile(i.File("instance.json"), b)
}

// Remove deletes the instance's directory.
func (i *Instance) Remove() error {
	if err := os.RemoveAll(i.Home()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove %s: %w", i.Home(), err)
	}
	return nil
}

// WriteFile replaces a file atomically, with mode 0600: readers see the old or the new content, also after a crash. A file that has the
// content and the mode already stays, with a new time: writing would wait for the disk.
func WriteFile(path string, data []byte) error {
	if info, err := os.Lstat(path); err == nil && info.Mode() == 0o600 && info.Size() == int64(len(data)) {
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) && os.Chtimes(path, time.Time{}, time.Now()) == nil {
			return nil
		}
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

// maxName is what paths and Docker objects whose names begin with the instance's leave room for, suffixLength what a second
// directory's name has after the project's.
const (
	maxName      = 133
	suffixLength = 5
)

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

// CheckName returns an error if name is not a valid project name. Its form is Docker Compose's: a-z, 0-9, "-" and "_", with a
// letter or digit first; it has at most 133 characters.
func CheckName(name string) error {
	if !nameForm.MatchString(name) || len(name) > maxName {
		return fmt.Errorf("cannot use %q as a project name: it must be 1 to %d characters of a-z, 0-9, \"-\" and \"_\", "+
			"and begin with a letter or digit", name, maxName)
	}
	return nil
}

var notInName = regexp.MustCompile(`[^a-z0-9_-]+`)

// Normalize converts any text to a valid project name with room for the suffix of a second directory. A name that is one already
// stays as it is.
func Normalize(s string) string {
	if nameForm.MatchString(s) && len(s) <= maxName-suffixLength {
		return s
	}
	s = strings.Trim(notInName.ReplaceAllString(strings.ToLower(s), "-"), "-_")
	if s = s[:min(len(s), maxName-suffixLength)]; s == "" {
		return "stack"
	}
	return s
}
