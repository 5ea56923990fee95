// Package snapshot copies the volumes of stateful services while they run, and puts such copies back.
//
// A copy is consistent because its last, short pass is made while the containers that write the volumes are frozen: what
// they acknowledged is in their files, and they recover from it as from a crash. Each volume is copied into a volume of its
// own, <project>_snap_<name>_<claim>; a snapshot exists from the moment that the volume <project>_snap_<name> does, which
// holds nothing but, in a label, what the snapshot is. Copying is done by lyandev itself in a container of its own image.
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
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
)

// Labels of a snapshot's volumes; they also carry services.ProjectLabel and KindLabel.
const (
	KindLabel = "dev.lyandev.kind"
	// KindSnapshot is the volume that says that a snapshot exists, KindCopy one that holds a copy.
	KindSnapshot = "snapshot"
	KindCopy     = "snapshot-copy"
	NameLabel    = "dev.lyandev.snapshot"
	MetaLabel    = "dev.lyandev.snapshot-meta"
	claimLabel   = "dev.lyandev.claim"
)

// Meta is what a snapshot is.
type Meta struct {
	Name    string    `json:"name"`
	Project string    `json:"project"`
	Profile string    `json:"profile,omitempty"`
	Created time.Time `json:"created"`
	// Took is how long it took to make, Frozen how long of that services stood still.
	Took   time.Duration `json:"took"`
	Frozen time.Duration `json:"frozen"`
	Bytes  int64         `json:"bytes"`
	Claims []ClaimMeta   `json:"claims"`
	// Steps are the bootstrap steps that had passed, with the containers that they passed in; only where all volumes are in it.
	Steps map[string]string `json:"steps,omitempty"`
	// Prepared is the key of a snapshot that was made by itself: a hash of what decides its content.
	Prepared string `json:"prepared,omitempty"`
}

// ClaimMeta is one volume of a snapshot.
type ClaimMeta struct {
	Claim    string `json:"claim"`
	Workload string `json:"workload"`
	Operator string `json:"operator,omitempty"`
	// Role is what the pod was when the copy was made, "" where nobody says.
	Role string `json:"role,omitempty"`
	// Product and Version are what the data says of itself.
	Product string `json:"product,omitempty"`
	Version string `json:"version,omitempty"`
	// ImageID is the engine's ID of the image whose server wrote it, "" if none ran when the copy was made.
	ImageID string `json:"imageID,omitempty"`
	Files   int    `json:"files"`
	Bytes   int64  `json:"bytes"`
	// Sum is the checksum of the list of files, which has the checksum of each.
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

// CheckName says whether a snapshot can have a name.
func CheckName(name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("cannot use %q as the name of a snapshot: it must be 1 to 48 characters of a-z, 0-9, \".\" and \"-\", "+
			"and begin and end with a letter or digit", name)
	}
	return nil
}

// markVolume and copyVolume are the names of a snapshot's volumes.
func markVolume(project, name string) string { return project + "_snap_" + name }

// claimVolume is the volume of a claim, as pods name it.
func claimVolume(project, claim string) string { return dockerpod.ClaimVolume(project, claim) }

func copyVolume(project, name, claim string) string {
	return markVolume(project, name) + "_" + unfit.ReplaceAllString(claim, "_")
}

var unfit = regexp.MustCompile(`[^a-zA-Z0-9_.-]+`)

// labels are those of a snapshot's volume.
func labels(project, dir, kind, name string) map[string]string {
	return map[string]string{
		services.ProjectLabel: project, services.DirLabel: dir, KindLabel: kind, NameLabel: name,
	}
}

func (m *Meta) label() (string, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("cannot write down what the snapshot is: %w", err)
	}
	return string(b), nil
}

// List reads the snapshots from a project's volumes, oldest first. A volume that says it is one and cannot be read is an
// error of its own, beside the others.
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
		return out, fmt.Errorf("cannot read what the snapshots in %s are; remove them with `docker volume rm`", strings.Join(bad, ", "))
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
		return nil, fmt.Errorf("%w: %s; there are none yet, `lyandev snapshot save %s` makes it", ErrNoSnapshot, name, name)
	}
	return nil, fmt.Errorf("%w: %s; there are %s", ErrNoSnapshot, name, strings.Join(names, ", "))
}

// volumesOf are the names of all volumes of a snapshot, whole or not; the one that says that it exists comes first.
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

// Compatible says whether a server of a version can open data of another one: the same or an older one of the same product.
// What is not known is not refused: the images themselves look at what they are given.
func Compatible(claim, product, written, server string) error {
	if product == "" || written == "" || server == "" || !newer(written, server) {
		return nil
	}
	return fmt.Errorf("%w: the copy of %s was written by %s %s, and the stack's image has %s; use an image of %s or newer",
		ErrIncompatible, claim, product, written, server, written)
}

// newer compares versions of two numbers.
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
