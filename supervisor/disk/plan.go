package disk

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Options say what a plan may remove beyond what costs nothing but time.
type Options struct {
	// All removes all images that no container uses, also those that the next up of an instance would use.
	All bool
	// Volumes removes the volumes and the state of instances whose directory is gone.
	Volumes bool
	// Snapshots removes the snapshots that test runs have made, and all of instances whose directory is gone.
	Snapshots bool
	// BuildCache removes the engine's unused build cache, which is everybody's.
	BuildCache bool
}

// Kind is what an item is.
type Kind string

// The kinds of items, in the order of their removal.
const (
	KindImage      Kind = "image"
	KindBuildCache Kind = "build cache"
	KindSnapshot   Kind = "snapshot"
	KindVolume     Kind = "volume"
	KindState      Kind = "state"
)

// Item is one thing to remove.
type Item struct {
	Kind     Kind   `json:"kind"`
	Name     string `json:"name"`
	Instance string `json:"instance,omitempty"`
	// Bytes is how much that frees, -1 if it is not known.
	Bytes int64  `json:"bytes"`
	Why   string `json:"why"`
	// ID is an image's; for other kinds the name says what it is.
	ID string `json:"id,omitempty"`
}

// Kept is something that would be removed but for one reason.
type Kept struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// settleTime is how old an image is at least when it is removed: a build that has just ended may wait for its pods.
const settleTime = 10 * time.Minute

// Plan is what to remove, in order, and what stays though its directory is gone. It never has a volume of an instance that still
// exists, except snapshots of test runs.
func Plan(f Facts, o Options) (remove []Item, kept []Kept) {
	for _, i := range f.Images {
		if why := f.unusedImage(i, o.All); why != "" {
			remove = append(remove, Item{Kind: KindImage, Name: ImageName(i), ID: i.ID, Instance: f.ownerOf(i), Bytes: i.Bytes, Why: why})
		}
	}
	if o.BuildCache && f.UnusedCache > 0 {
		remove = append(remove, Item{Kind: KindBuildCache, Name: "build cache", Bytes: f.UnusedCache, Why: "of all builds of this engine, also of other tools"})
	}
	if o.Snapshots {
		remove = append(remove, f.snapshots()...)
	}
	for _, v := range f.Volumes {
		if v.Snapshot == "" && o.Volumes && f.gone(v) {
			remove = append(remove, Item{Kind: KindVolume, Name: v.Name, Instance: v.Instance, Bytes: v.Bytes, Why: "its directory is gone: " + f.dirOf(v)})
		}
	}
	for _, i := range f.Instances {
		switch {
		case !i.Gone:
		case f.hasContainers(i.Name):
			kept = append(kept, Kept{i.Name, "its directory " + i.Dir + " is gone, but it has containers; `lyandev down -p " + i.Name + "` removes them"})
		case o.Volumes && !f.keepsSnapshots(i.Name, o):
			remove = append(remove, Item{Kind: KindState, Name: i.Name, Instance: i.Name, Bytes: i.State + i.Logs, Why: "its directory is gone: " + i.Dir})
		case !o.Volumes:
			kept = append(kept, Kept{i.Name, "its directory " + i.Dir + " is gone; --volumes removes its volumes and state, with --snapshots its snapshots too"})
		default:
			kept = append(kept, Kept{i.Name, "its directory " + i.Dir + " is gone, but it has snapshots; --snapshots removes them"})
		}
	}
	return remove, kept
}

// unusedImage says why an image is to be removed, "" if it stays.
func (f *Facts) unusedImage(i Image, all bool) string {
	if f.Now.Sub(i.Created) < settleTime {
		return ""
	}
	names := append([]string{i.ID}, i.Tags...)
	for _, c := range f.Containers {
		if c.ImageID == i.ID || slices.Contains(names, c.Image) {
			return ""
		}
	}
	wanted := slices.ContainsFunc(f.Instances, func(x Instance) bool {
		return !x.Gone && slices.ContainsFunc(x.Wants, func(ref string) bool { return slices.Contains(names, ref) })
	})
	switch {
	case wanted:
		return ""
	case i.Self:
		return "an image of lyandev itself that no container uses"
	case len(i.Tags) == 0:
		return "a newer build has replaced it"
	case f.projectGone(i.Project):
		return "the directory of its project is gone"
	case all:
		return "no container uses it"
	}
	return ""
}

// projectGone reports whether all instances of a project are known to have lost their directory.
func (f *Facts) projectGone(project string) bool {
	known := false
	for _, x := range f.Instances {
		if project != "" && (x.Project == project || x.Name == project) {
			if !x.Gone {
				return false
			}
			known = true
		}
	}
	return known
}

// gone reports whether a volume's instance is gone: its directory is known and does not exist, no container of it is left, and no
// instance of that name has a directory.
func (f *Facts) gone(v Volume) bool {
	if v.Instance == "" || f.hasContainers(v.Instance) || f.mounted(v.Name) {
		return false
	}
	for _, x := range f.Instances {
		if x.Name == v.Instance {
			return x.Gone && (v.Dir == "" || v.DirGone)
		}
	}
	return v.DirGone
}

func (f *Facts) dirOf(v Volume) string {
	for _, x := range f.Instances {
		if v.Dir == "" && x.Name == v.Instance {
			return x.Dir
		}
	}
	return v.Dir
}

func (f *Facts) hasContainers(instance string) bool {
	return slices.ContainsFunc(f.Containers, func(c Container) bool { return c.Instance == instance })
}

func (f *Facts) mounted(volume string) bool {
	return slices.ContainsFunc(f.Containers, func(c Container) bool { return slices.Contains(c.Volumes, volume) })
}

// snapshots are those to remove, one item each.
func (f *Facts) snapshots() []Item {
	byName := map[[2]string]*Item{}
	stays := map[[2]string]bool{}
	for _, v := range f.Volumes {
		if v.Snapshot == "" {
			continue
		}
		key := [2]string{v.Instance, v.Snapshot}
		if byName[key] == nil {
			byName[key] = &Item{Kind: KindSnapshot, Name: v.Snapshot, Instance: v.Instance}
		}
		it := byName[key]
		if v.Bytes < 0 || it.Bytes < 0 {
			it.Bytes = -1
		} else {
			it.Bytes += v.Bytes
		}
		switch {
		case f.mounted(v.Name):
			stays[key] = true
		case f.gone(v):
			it.Why = "its directory is gone: " + f.dirOf(v)
		case v.Prepared:
			it.Why = cmp.Or(it.Why, "test runs have made it, and make it again")
		default:
			stays[key] = true
		}
	}
	var out []Item
	for key, it := range byName {
		if !stays[key] {
			out = append(out, *it)
		}
	}
	slices.SortFunc(out, func(a, b Item) int {
		return cmp.Or(strings.Compare(a.Instance, b.Instance), strings.Compare(a.Name, b.Name))
	})
	return out
}

// keepsSnapshots reports whether snapshots of an instance stay, which only its state tells whose they are.
func (f *Facts) keepsSnapshots(instance string, o Options) bool {
	return !o.Snapshots && slices.ContainsFunc(f.Volumes, func(v Volume) bool { return v.Instance == instance && v.Snapshot != "" })
}

// ImageName is how people call an image: its tags, else a short ID.
func ImageName(i Image) string {
	if len(i.Tags) > 0 {
		return strings.Join(i.Tags, ", ")
	}
	id := strings.TrimPrefix(i.ID, "sha256:")
	return id[:min(len(id), 12)]
}

// Both are the items of the plan that people have agreed to and that are still to be removed now.
func Both(agreed, now []Item) []Item {
	return slices.DeleteFunc(slices.Clone(now), func(x Item) bool {
		return !slices.ContainsFunc(agreed, func(a Item) bool {
			return a.Kind == x.Kind && a.Name == x.Name && a.Instance == x.Instance && a.ID == x.ID
		})
	})
}
