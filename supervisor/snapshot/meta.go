// Package snapshot saves and restores copies of the volumes of running stateful services.
//
// A copy is crash-consistent: its last, short pass runs while the containers that write the volumes are paused, so that
// everything they acknowledged is in their files, and a server recovers from the copy as from a crash. Each volume is copied
// into a volume of its own, <project>_snap_<name>_<claim>. The snapshot exists once the marker volume <project>_snap_<name>
// exists: it is empty, and its label holds the metadata (Meta). Where the engine keeps its volumes on this host and this process
// may open them, it copies itself; otherwise this binary does in a container of its own image.
package snapshot

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// Labels of a snapshot's volumes; they also carry services.ProjectLabel and KindLabel.
const (
	KindLabel = "dev.lyandev.kind"
	// KindSnapshot marks the marker volume of a snapshot, KindCopy a volume that holds a copy.
	KindSnapshot = "snapshot"
	KindCopy     = "snapshot-copy"
	NameLabel    = "dev.lyandev.snapshot"
	MetaLabel    = "dev.lyandev.snapshot-meta"
	claimLabel   = "dev.lyandev.claim"
)

// Meta is the metadata of a snapshot.
type Meta struct {
	Name    string    `json:"name"`
	Project string    `json:"project"`
	Profile string    `json:"profile,omitempty"`
	Created time.Time `json:"created"`
	// Took is how long the save took, Frozen how long services were paused during it.
	Took   time.Duration `json:"took"`
	Frozen time.Duration `json:"frozen"`
	Bytes  int64         `json:"bytes"`
	Claims []ClaimMeta   `json:"claims"`
	// LeftOut are the Docker volumes of the services that the snapshot does not have; see the function of that name.
	LeftOut []string `json:"leftOut,omitempty"`
	// Steps maps the bootstrap steps that had passed to the containers they passed in. Only set if all volumes were saved.
	Steps map[string]string `json:"steps,omitempty"`
	// Prepared is the key of an automatic snapshot (prepared volumes of test runs): a hash of everything that determines its
	// content. It is "" for other snapshots.
	Prepared string `json:"prepared,omitempty"`
}

// ClaimMeta is one volume of a snapshot.
type ClaimMeta struct {
	Claim    string `json:"claim"`
	Workload string `json:"workload"`
	Operator string `json:"operator,omitempty"`
	// Role is the pod's role label when the copy was made, "" for none.
	Role string `json:"role,omitempty"`
	// Product and Version are read from the data; see identity.
	Product string `json:"product,omitempty"`
	Version string `json:"version,omitempty"`
	// ImageID is the ID of the image whose server wrote the data, "" if no server was running when the copy was made.
	ImageID string `json:"imageID,omitempty"`
	Files   int    `json:"files"`
	Bytes   int64  `json:"bytes"`
	// Sum is the checksum of the manifest, which holds the checksum of each file.
	Sum string `json:"sum"`
	// Volume is the Docker volume that holds the copy.
	Volume string `json:"volume"`
}

func (m *Meta) byVolume(name string) *ClaimMeta {
	for i := range m.Claims {
		if m.Claims[i].Volume == name {
			return &m.Claims[i]
		}
	}
	return nil
}

// Claim finds a claim, or nil.
func (m *Meta) Claim(name string) *ClaimMeta {
	for i := range m.Claims {
		if m.Claims[i].Claim == name {
			return &m.Claims[i]
		}
	}
	return nil
}

var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,46}[a-z0-9])?$`)

// CheckName returns an error if name is not a valid snapshot name.
func CheckName(name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("cannot use %q as the name of a snapshot: it must be 1 to 48 characters of a-z, 0-9, \".\" and \"-\", "+
			"and begin and end with a letter or digit", name)
	}
	return nil
}

// markVolume is the name of a snapshot's marker volume.
func markVolume(project, name string) string { return project + "_snap_" + name }

func copyVolume(project, name, claim string) string {
	return markVolume(project, name) + "_" + invalidNameChars.ReplaceAllString(claim, "_")
}

var invalidNameChars = regexp.MustCompile(`[^a-zA-Z0-9_.-]+`)

// labels are the labels of a snapshot's volume.
func labels(project, dir, kind, name string) map[string]string {
	return map[string]string{
		services.ProjectLabel: project, services.DirLabel: dir, KindLabel: kind, NameLabel: name,
	}
}

func (m *Meta) label() (string, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("cannot encode the snapshot's metadata: %w", err)
	}
	return string(b), nil
}

// List reads the snapshots from a project's volumes, oldest first. If the metadata of some cannot be read, it returns the
// others together with an error.
func List(vols []engine.Volume) ([]Meta, error) {
	var out []Meta
	var bad []string
	for _, v := range vols {
		if v.Labels[KindLabel] != KindSnapshot {
			continue
		}
		var m Meta
		if err := json.Unmarshal([]byte(v.Labels[MetaLabel]), &m); err != nil || m.Name != v.Labels[NameLabel] {
			bad = append(bad, v.Name)
			continue
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b Meta) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Name, b.Name))
	})
	if len(bad) > 0 {
		return out, fmt.Errorf("cannot read the metadata of the snapshots in volumes %s; remove them with `docker volume rm`", strings.Join(bad, ", "))
	}
	return out, nil
}

// find finds a snapshot by name.
func find(vols []engine.Volume, name string) (*Meta, error) {
	all, err := List(vols)
	var names []string
	for i := range all {
		if all[i].Name == name {
			return &all[i], nil
		}
		names = append(names, all[i].Name)
	}
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%w: %s; there are none yet, create it with `lyandev snapshot save %s`", ErrNoSnapshot, name, name)
	}
	return nil, fmt.Errorf("%w: %s; existing snapshots: %s", ErrNoSnapshot, name, strings.Join(names, ", "))
}

// volumesOf returns the names of all volumes of a snapshot, complete or not, the marker volume first.
func volumesOf(vols []engine.Volume, name string) []string {
	var mark, copies []string
	for _, v := range vols {
		switch {
		case v.Labels[NameLabel] != name:
		case v.Labels[KindLabel] == KindSnapshot:
			mark = append(mark, v.Name)
		case v.Labels[KindLabel] == KindCopy:
			copies = append(copies, v.Name)
		}
	}
	slices.Sort(copies)
	return append(mark, copies...)
}

// Compatible returns ErrIncompatible if data of version written is newer than the version of the server that is to open it.
// Unknown products and versions are accepted: the images check their data themselves.
func Compatible(claim, product, written, server string) error {
	if product == "" || written == "" || server == "" || !newer(written, server) {
		return nil
	}
	return fmt.Errorf("%w: the copy of %s was written by %s %s, but the stack's image has %s; use an image with %s or newer",
		ErrIncompatible, claim, product, written, server, written)
}

// newer reports whether version a (major.minor) is newer than b.
func newer(a, b string) bool {
	x, y := numbers(a), numbers(b)
	return slices.Compare(x[:], y[:]) > 0
}

func numbers(v string) (n [2]int) {
	major, rest, _ := strings.Cut(v, ".")
	minor, _, _ := strings.Cut(rest, ".")
	n[0], _ = strconv.Atoi(major)
	n[1], _ = strconv.Atoi(minor)
	return n
}
