package profiles

import (
	"slices"
	"testing"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
)

// TestOneNameForAVolume: whatever the semantics of the services that mount it, a volume of the file has one name in Docker, which
// is Compose's.
func TestOneNameForAVolume(t *testing.T) {
	const kube, set = "x-lyandev: {semantics: kubernetes}", "x-lyandev: {kind: StatefulSet}"
	cases := []struct {
		name, key, volume, a, b string
		// want are the entries: the name in Docker, the claim, the other name, and whether it is made on demand.
		want [][4]string
	}{
		{"plain", "db_data", "", "", "", [][4]string{{"P_db_data", "", "P_db-data", ""}}},
		{"both", "db_data", "", kube, "", [][4]string{{"P_db_data", "db-data", "P_db-data", ""}}},
		{"pods", "db_data", "", kube, kube, [][4]string{{"P_db_data", "db-data", "P_db-data", "on demand"}}},
		{"capitals and dots", "Db.Data", "", kube, "", [][4]string{{"P_Db.Data", "db-data", "P_db-data", ""}}},
		{"a name of Kubernetes", "data", "", kube, "", [][4]string{{"P_data", "data", "", ""}}},
		{"a name of its own", "data", "name: corp_data", kube, "", [][4]string{{"corp_data", "data", "P_data", ""}}},
		{"external", "db_data", "external: true", kube, "", [][4]string{{"db_data", "db-data", "P_db-data", ""}}},
		{"a StatefulSet among others", "data", "", set, "", [][4]string{{"P_data", "", "", ""}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := mustLoad(t, "services:\n  a:\n    image: x\n    volumes: ['"+c.key+":/a']\n    "+c.a+"\n  b:\n    image: x\n    volumes: ['"+
				c.key+":/b']\n    "+c.b+"\nvolumes: {"+c.key+": {"+c.volume+"}}\n", Options{})
			wantVolumes(t, s, c.want)
			if c.b == "" {
				if got := containerOf(t, s, "b").Host.Binds; !slices.Equal(got, []string{compose.Named(s.Volumes[0].Name, "p") + ":/b:rw"}) {
					t.Errorf("b mounts %v", got)
				}
			}
		})
	}
	t.Run("a StatefulSet alone", func(t *testing.T) {
		s := mustLoad(t, "services:\n  a_b:\n    image: x\n    volumes: ['db_data:/a']\n    "+set+"\nvolumes: {db_data: {}}\n", Options{})
		wantVolumes(t, s, [][4]string{{"P_db-data-a-b-0", "db-data-a-b-0", "P_db_data", "on demand"}})
	})
}

func wantVolumes(t *testing.T, s *services.Stack, want [][4]string) {
	t.Helper()
	var got [][4]string
	for _, v := range s.Volumes {
		row := [4]string{compose.Named(v.Name, "P"), v.Claim, compose.Named(v.Else, "P"), ""}
		if v.OnDemand {
			row[3] = "on demand"
		}
		got = append(got, row)
	}
	if !slices.Equal(got, want) {
		t.Errorf("volumes %q, want %q", got, want)
	}
}
