package livesync

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Memory records the files synced since the images were built, by workload, container and image. Containers that are created
// later get these files before they start. It is marshalled to JSON to survive a restart of the supervisor.
type Memory struct {
	mu sync.Mutex
	// Overlays by "workload/container", then by image.
	overlays map[string]map[string]*overlay
}

// overlay holds the differences from one image.
type overlay struct {
	// Seq is the number of the latest entry.
	Seq uint64 `json:"seq"`
	// Entries by target.
	Entries map[string]entry `json:"entries"`
	// Born is when the image came into use.
	Born time.Time `json:"born"`
}

type entry struct {
	Item Item      `json:"item"`
	Seq  uint64    `json:"seq"`
	At   time.Time `json:"at"`
}

// keptImages bounds the overlays per container: for the image in use and those of earlier rollouts.
const keptImages = 4

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return &Memory{overlays: map[string]map[string]*overlay{}} }

// Use records that a container uses an image from now on. A new image starts with the entries that it cannot contain: those
// newer than built, and those whose source is not part of the build, for which inside returns false.
func (m *Memory) Use(container, image string, built time.Time, inside func(source string) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	byImage := m.overlays[container]
	if byImage == nil {
		byImage = map[string]*overlay{}
		m.overlays[container] = byImage
	}
	if byImage[image] != nil {
		return
	}
	o := &overlay{Entries: map[string]entry{}, Born: built}
	if last := newest(byImage); last != nil {
		o.Seq = last.Seq
		for target, e := range last.Entries {
			if !e.At.Before(built) || !inside(e.Item.Source) {
				o.Entries[target] = e
			}
		}
		o.Born = later(built, last.Born.Add(1))
	}
	byImage[image] = o
	for len(byImage) > keptImages {
		images := slices.SortedFunc(maps.Keys(byImage), func(a, b string) int { return byImage[a].Born.Compare(byImage[b].Born) })
		delete(byImage, images[0])
	}
}

func newest(byImage map[string]*overlay) *overlay {
	var last *overlay
	for _, o := range byImage {
		if last == nil || o.Born.After(last.Born) {
			last = o
		}
	}
	return last
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// Record records items that a container must have from now on, with any of its images.
func (m *Memory) Record(container string, items []Item, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.overlays[container] {
		o.Seq++
		for _, i := range items {
			o.Entries[i.Target()] = entry{Item: i, Seq: o.Seq, At: at}
		}
	}
}

// Since returns the items recorded for a container and image after seq, directories before their contents, and the sequence
// number for the next call.
func (m *Memory) Since(container, image string, seq uint64) ([]Item, uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.overlays[container][image]
	if o == nil {
		return nil, seq
	}
	var out []Item
	for _, e := range o.Entries {
		if e.Seq > seq {
			out = append(out, e.Item)
		}
	}
	slices.SortFunc(out, func(a, b Item) int { return cmp.Compare(a.Target(), b.Target()) })
	return out, o.Seq
}

// Forget removes the containers for which keep returns false.
func (m *Memory) Forget(keep func(container string) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.overlays, func(container string, _ map[string]*overlay) bool { return !keep(container) })
}

// MarshalJSON implements json.Marshaler.
func (m *Memory) MarshalJSON() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return json.Marshal(m.overlays)
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *Memory) UnmarshalJSON(b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	loaded := map[string]map[string]*overlay{}
	if err := json.Unmarshal(b, &loaded); err != nil {
		return fmt.Errorf("cannot read what was synced: %w", err)
	}
	for _, byImage := range loaded {
		for image, o := range byImage {
			if o == nil {
				delete(byImage, image)
			} else if o.Entries == nil {
				o.Entries = map[string]entry{}
			}
		}
	}
	m.overlays = loaded
	return nil
}
