// Package disk says what lyandev has on the disk, by instance, and what of it nobody needs. It decides only: what there is comes in as
// Facts, what to remove goes out as Items.
package disk

import (
	"cmp"
	"slices"
	"time"
)

// Facts are what lyandev has on this machine.
type Facts struct {
	Now       time.Time
	Instances []Instance
	Images    []Image
	Volumes   []Volume
	// Containers are all of the engine, running or not, also those of other tools: any may use an image.
	Containers []Container
	// BuildCache and UnusedCache are the engine's; nothing tells whose build made which part.
	BuildCache, UnusedCache int64
}

// Instance is a registered instance: a project in a directory.
type Instance struct {
	Name, Project, Dir string
	// Gone: the directory does not exist any more.
	Gone bool
	// State and Logs are bytes of its state directory: the files for the next supervisor, and logs.
	State, Logs int64
	// Wants are the images that its saved stack refers to, by reference or ID.
	Wants []string
}

// Image is an image that lyandev has built or made of itself.
type Image struct {
	ID   string
	Tags []string
	// Project is the project in the file that it was built for, "" for none.
	Project string
	// Self is true for an image that holds nothing but the lyandev binary.
	Self    bool
	Created time.Time
	// Bytes is what its removal frees.
	Bytes int64
}

// Volume is a volume with lyandev's label.
type Volume struct {
	Name string
	// Instance is the name of the instance, Dir its directory, "" if the volume does not say.
	Instance, Dir string
	// DirGone: Dir is known and does not exist any more.
	DirGone bool
	// Snapshot is the name of the snapshot that it belongs to, "" for none. Prepared: test runs have made it, to begin with.
	Snapshot string
	Prepared bool
	// Bytes is the size of its files, -1 if that is not known.
	Bytes int64
}

// Container is a container. Instance is "" if it does not have lyandev's label.
type Container struct {
	Instance, ImageID, Image string
	Volumes                  []string
	// Logs is the size of its log, 0 if that cannot be read.
	Logs int64
}

// Row is what one instance has on the disk, in bytes. Dir is "" if it is not known.
type Row struct {
	Instance  string `json:"instance"`
	Dir       string `json:"dir,omitempty"`
	Gone      bool   `json:"gone,omitempty"`
	Images    int64  `json:"images"`
	Volumes   int64  `json:"volumes"`
	Snapshots int64  `json:"snapshots"`
	Logs      int64  `json:"logs"`
	State     int64  `json:"state"`
}

// Total is the sum of a row.
func (r Row) Total() int64 { return r.Images + r.Volumes + r.Snapshots + r.Logs + r.State }

// Usage is what every instance has, the largest first. What belongs to no instance, such as images of lyandev itself, is in a row
// without a name.
func Usage(f Facts) []Row {
	rows := map[string]*Row{}
	row := func(name string) *Row {
		if rows[name] == nil {
			rows[name] = &Row{Instance: name}
		}
		return rows[name]
	}
	for _, i := range f.Instances {
		r := row(i.Name)
		r.Dir, r.Gone, r.State, r.Logs = i.Dir, i.Gone, i.State, i.Logs
	}
	for _, c := range f.Containers {
		row(c.Instance).Logs += c.Logs
	}
	for _, v := range f.Volumes {
		r := row(v.Instance)
		if r.Dir == "" {
			r.Dir, r.Gone = v.Dir, v.DirGone
		}
		if v.Snapshot != "" {
			r.Snapshots += max(v.Bytes, 0)
		} else {
			r.Volumes += max(v.Bytes, 0)
		}
	}
	for _, i := range f.Images {
		row(f.ownerOf(i)).Images += i.Bytes
	}
	var out []Row
	for _, r := range rows {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Total(), a.Total()), cmp.Compare(a.Instance, b.Instance))
	})
	return out
}

// ownerOf is the instance that an image is shown with: the one of its project that has a directory, else its project. Two instances of a
// project share their images.
func (f *Facts) ownerOf(i Image) string {
	for _, x := range f.Instances {
		if i.Project != "" && (x.Project == i.Project || x.Name == i.Project) {
			return x.Name
		}
	}
	return i.Project
}
