package disk

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var now = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// machine has the instance shop, the instance old whose directory is gone, and lost, of which only volumes are left.
func machine() Facts {
	hour := now.Add(-time.Hour)
	return Facts{
		Now: now, BuildCache: 500, UnusedCache: 400,
		Instances: []Instance{
			{Name: "shop", Project: "shop", Dir: "/shop", State: 10, Logs: 5, Wants: []string{"sha256:pinned"}},
			{Name: "old", Project: "old", Dir: "/old", Gone: true, State: 20},
		},
		Containers: []Container{{Instance: "shop", ImageID: "sha256:used", Volumes: []string{"shop_data"}, Logs: 7}},
		Images: []Image{
			{ID: "sha256:used", Tags: []string{"shop-web:latest"}, Project: "shop", Created: hour, Bytes: 100},
			{ID: "sha256:replaced", Project: "shop", Created: hour, Bytes: 90},
			{ID: "sha256:new", Project: "shop", Created: now.Add(-time.Minute), Bytes: 80},
			{ID: "sha256:pinned", Project: "shop", Created: hour, Bytes: 70},
			{ID: "sha256:later", Tags: []string{"shop-job:latest"}, Project: "shop", Created: hour, Bytes: 60},
			{ID: "sha256:old", Tags: []string{"old-web:latest"}, Project: "old", Created: hour, Bytes: 50},
			{ID: "sha256:who", Tags: []string{"who:latest"}, Project: "who", Created: hour, Bytes: 40},
			{ID: "sha256:self", Tags: []string{"lyandev/agent:1"}, Self: true, Created: hour, Bytes: 30},
		},
		Volumes: []Volume{
			{Name: "shop_data", Instance: "shop", Dir: "/shop", Bytes: 1000},
			{Name: "shop_s1", Instance: "shop", Dir: "/shop", Snapshot: "monday", Bytes: 200},
			{Name: "shop_t1", Instance: "shop", Dir: "/shop", Snapshot: "test-1", Prepared: true, Bytes: 300},
			{Name: "shop_t1m", Instance: "shop", Dir: "/shop", Snapshot: "test-1", Prepared: true, Bytes: 1},
			{Name: "old_data", Instance: "old", Dir: "/old", DirGone: true, Bytes: 2000},
			{Name: "lost_data", Instance: "lost", Dir: "/lost", DirGone: true, Bytes: -1},
			{Name: "who_data", Instance: "who", Bytes: 3000},
			{Name: "elsewhere_data", Instance: "elsewhere", Dir: "/elsewhere", Bytes: 4000},
		},
	}
}

func names(list []Item) (out []string) {
	for _, x := range list {
		out = append(out, string(x.Kind)+" "+x.Name)
	}
	return out
}

func TestPlan(t *testing.T) {
	images := []string{"image replaced", "image old-web:latest", "image lyandev/agent:1"}
	for _, c := range []struct {
		name   string
		o      Options
		change func(f *Facts)
		want   []string
	}{
		{"only what costs nothing", Options{}, nil, images},
		{"all images", Options{All: true}, nil, []string{"image replaced", "image shop-job:latest", "image old-web:latest", "image who:latest", "image lyandev/agent:1"}},
		{"the build cache", Options{BuildCache: true}, nil, append(slices.Clone(images), "build cache build cache")},
		{"snapshots of test runs", Options{Snapshots: true}, nil, append(slices.Clone(images), "snapshot test-1")},
		{"a snapshot in use", Options{Snapshots: true}, func(f *Facts) { f.Containers[0].Volumes = []string{"shop_t1"} }, images},
		{"volumes and state", Options{Volumes: true}, nil, append(slices.Clone(images), "volume old_data", "volume lost_data", "state old")},
		{"a gone instance with containers", Options{Volumes: true}, func(f *Facts) {
			f.Containers = append(f.Containers, Container{Instance: "old"})
		}, append(slices.Clone(images), "volume lost_data")},
		{"its directory is there again under another name", Options{Volumes: true}, func(f *Facts) {
			f.Instances[1].Gone = false
		}, []string{"image replaced", "image lyandev/agent:1", "volume lost_data"}},
		{"the state says whose the snapshots are", Options{Volumes: true}, func(f *Facts) {
			f.Volumes = append(f.Volumes, Volume{Name: "old_s", Instance: "old", Snapshot: "friday"})
		}, append(slices.Clone(images), "volume old_data", "volume lost_data")},
		{"all of a gone instance", Options{Volumes: true, Snapshots: true}, func(f *Facts) {
			f.Volumes = append(f.Volumes, Volume{Name: "old_s", Instance: "old", Snapshot: "friday"})
		}, append(slices.Clone(images), "snapshot friday", "snapshot test-1", "volume old_data", "volume lost_data", "state old")},
	} {
		f := machine()
		if c.change != nil {
			c.change(&f)
		}
		got, _ := Plan(f, c.o)
		if d := cmp.Diff(c.want, names(got)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

func TestWhatIsKeptIsSaid(t *testing.T) {
	f := machine()
	_, kept := Plan(f, Options{})
	if len(kept) != 1 || kept[0].Name != "old" || !strings.Contains(kept[0].Why, "--volumes removes") {
		t.Errorf("kept: %+v", kept)
	}
	f.Containers = append(f.Containers, Container{Instance: "old"})
	if _, kept = Plan(f, Options{Volumes: true}); len(kept) != 1 || !strings.Contains(kept[0].Why, "`lyandev down -p old` removes them") {
		t.Errorf("kept: %+v", kept)
	}
}

func TestUsage(t *testing.T) {
	got := Usage(machine())
	want := []Row{
		{Instance: "elsewhere", Dir: "/elsewhere", Volumes: 4000},
		{Instance: "who", Volumes: 3000, Images: 40},
		{Instance: "old", Dir: "/old", Gone: true, Volumes: 2000, Images: 50, State: 20},
		{Instance: "shop", Dir: "/shop", Images: 400, Volumes: 1000, Snapshots: 501, Logs: 12, State: 10},
		{Images: 30},
		{Instance: "lost", Dir: "/lost", Gone: true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestOnlyWhatWasAgreedTo: what has come into use while somebody was asked stays, and nothing is added.
func TestOnlyWhatWasAgreedTo(t *testing.T) {
	f := machine()
	agreed, _ := Plan(f, Options{Volumes: true})
	f.Containers = append(f.Containers, Container{Instance: "old", ImageID: "sha256:replaced"})
	now, _ := Plan(f, Options{Volumes: true, All: true})
	if d := cmp.Diff([]string{"image old-web:latest", "image lyandev/agent:1", "volume lost_data"}, names(Both(agreed, now))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
