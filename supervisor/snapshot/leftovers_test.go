package snapshot

import (
	"slices"
	"testing"

	"github.com/lyandev/lyandev/supervisor/engine"
)

func TestOrphans(t *testing.T) {
	volume := func(kind, snapshot, name string, more map[string]string) engine.Volume {
		l := labels("s", "/s", kind, snapshot)
		for k, v := range more {
			l[k] = v
		}
		return engine.Volume{Name: name, Labels: l}
	}
	marker := func(snapshot string, volumes ...string) engine.Volume {
		m := Meta{Name: snapshot}
		for _, v := range volumes {
			m.Claims = append(m.Claims, ClaimMeta{Volume: v})
		}
		text, err := m.label()
		if err != nil {
			t.Fatal(err)
		}
		return volume(KindSnapshot, snapshot, markVolume("s", snapshot), map[string]string{MetaLabel: text})
	}
	for _, c := range []struct {
		name string
		vols []engine.Volume
		want []string
	}{
		{"a complete snapshot", []engine.Volume{marker("a", "s_snap_a_db"), volume(KindCopy, "a", "s_snap_a_db", nil)}, nil},
		{"a save that was killed", []engine.Volume{volume(KindCopy, "a", "s_snap_a_db", nil), volume(KindCopy, "a", "s_snap_a_x", nil)}, []string{"s_snap_a_db", "s_snap_a_x"}},
		{
			"a replacement that was killed", []engine.Volume{
				marker("a", "s_snap_a_db"), volume(KindCopy, "a", "s_snap_a_db", nil), volume(KindCopy, "a", "s_snap_a_db.17", nil),
			}, []string{"s_snap_a_db.17"},
		},
		{
			"replaced, and killed before the old copy was removed", []engine.Volume{
				marker("a", "s_snap_a_db.17"), volume(KindCopy, "a", "s_snap_a_db", nil), volume(KindCopy, "a", "s_snap_a_db.17", nil),
			}, []string{"s_snap_a_db"},
		},
		{"an automatic snapshot of another process", []engine.Volume{volume(KindCopy, "a", "s_snap_a_db", map[string]string{preparedLabel: ""})}, nil},
		{
			"a marker that cannot be read", []engine.Volume{
				volume(KindSnapshot, "a", "s_snap_a", map[string]string{MetaLabel: "{"}), volume(KindCopy, "a", "s_snap_a_db", nil),
			}, nil,
		},
		{"volumes of services", []engine.Volume{volume("claim", "", "s_db", nil), {Name: "other"}}, nil},
	} {
		if got := orphans(c.vols); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
