package snapshot

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
)

func claimed(name, operator, role, claim string) *services.Workload {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{services.WorkloadLabel: name}}}
	p.Spec.Containers = []corev1.Container{{Name: "main", Image: "img/" + name}}
	if claim != "" {
		p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
		p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
		}}}
	}
	return &services.Workload{Object: p, Operator: operator, Options: map[string]string{"role": role}}
}

func ha() *services.Stack {
	return &services.Stack{Name: "s", Profile: "ha", Workloads: []*services.Workload{
		claimed("db", "mariadb", "master", "db"), claimed("db-slave", "mariadb", "slave", "db-slave"),
		claimed("redis-master", "redis", "master", "redis"), claimed("redis", "redis", "replica", ""),
		claimed("cache", "memcached", "", ""), claimed("web", "", "", ""),
	}}
}

func minimal() *services.Stack {
	s := ha()
	s.Profile = "minimal"
	s.Workloads = slices.DeleteFunc(s.Workloads, func(w *services.Workload) bool { return w.Name() == "db-slave" || w.Name() == "redis" })
	return s
}

func running(w *services.Workload, role string) *corev1.Pod {
	p := w.Object.(*corev1.Pod).DeepCopy()
	p.Labels[services.RoleLabel] = role
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "main", ContainerID: "docker://id-" + p.Name, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
	}}
	return p
}

// TestLeftOut: volumes that only services with Compose's semantics mount are named, since no snapshot has them.
func TestLeftOut(t *testing.T) {
	plain := func(name string, binds ...string) *services.Workload {
		c := &compose.Container{Service: name}
		c.Host.Binds = binds
		text, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		w := &services.ComposeService{ObjectMeta: metav1.ObjectMeta{Name: name}}
		w.Spec.Template.Annotations = map[string]string{compose.Annotation: text}
		return &services.Workload{Object: w}
	}
	s := &services.Stack{
		Name:    "s",
		Volumes: []*compose.Volume{{Key: "data", Name: compose.Project + "_data", Claim: "data"}, {Key: "own", Name: compose.Project + "_own"}},
		Workloads: []*services.Workload{
			claimed("db", "", "", "data"), plain("web", compose.Project+"_own:/own", compose.Project+"_data:/data:ro", "/home:/home"), plain("idle"),
		},
	}
	if got := LeftOut(s, nil); !slices.Equal(got, []string{"s_own"}) {
		t.Errorf("left out: %v", got)
	}
	if got := LeftOut(s, []string{"db"}); len(got) != 0 {
		t.Errorf("of db: %v", got)
	}
	if _, err := Sources(s, nil, []string{"web"}); !errors.Is(err, ErrNothing) || !strings.Contains(err.Error(), "and not s_own") {
		t.Errorf("web alone: %v", err)
	}
	s.Workloads = s.Workloads[1:]
	if _, err := Sources(s, nil, nil); !errors.Is(err, ErrNothing) || !strings.Contains(err.Error(), "and not s_data, s_own") {
		t.Errorf("no other service: %v", err)
	}
}

func TestSources(t *testing.T) {
	s := ha()
	pods := []*corev1.Pod{running(s.Workloads[0], "slave"), running(s.Workloads[1], "master"), running(s.Workloads[2], "master")}
	got, err := Sources(s, pods, nil)
	if err != nil || len(got) != 3 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if g := got[1]; g.Claim != "db-slave" || g.Role != "master" || g.Declared != "slave" || !slices.Equal(g.Containers, []string{"id-db-slave"}) || g.Image != "img/db-slave" {
		t.Errorf("slave's source: %+v", g)
	}
	if got, err := Sources(s, nil, []string{"db"}); err != nil || len(got) != 1 || len(got[0].Containers) != 0 {
		t.Errorf("only db: %+v, %v", got, err)
	}
	if _, err := Sources(s, nil, []string{"nope"}); err == nil || !strings.Contains(err.Error(), "db, db-slave, redis-master") {
		t.Errorf("unknown service: %v", err)
	}
	if _, err := Sources(s, nil, []string{"web"}); !errors.Is(err, ErrNothing) {
		t.Errorf("service without volumes: %v", err)
	}
	if _, err := Sources(&services.Stack{Name: "s"}, nil, nil); !errors.Is(err, ErrNothing) {
		t.Errorf("empty stack: %v", err)
	}
}

func TestClaimsOfTemplates(t *testing.T) {
	n := int32(2)
	w := &services.Workload{Object: &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "db"},
		Spec: appsv1.StatefulSetSpec{
			Replicas:             &n,
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "data"}}},
		},
	}}
	if got := ClaimsOf(w); !slices.Equal(got, []string{"data-db-0", "data-db-1"}) {
		t.Errorf("got %v", got)
	}
}

func meta(profile string, claims ...ClaimMeta) *Meta {
	return &Meta{Name: "m", Profile: profile, Claims: claims}
}

func TestPlanRestore(t *testing.T) {
	db := func(role string) ClaimMeta {
		return ClaimMeta{Claim: "db", Workload: "db", Operator: "mariadb", Role: role, Sum: "1"}
	}
	slave := func(role string) ClaimMeta {
		return ClaimMeta{Claim: "db-slave", Workload: "db-slave", Operator: "mariadb", Role: role, Sum: "2"}
	}
	redis := func(role string) ClaimMeta {
		return ClaimMeta{Claim: "redis", Workload: "redis-master", Operator: "redis", Role: role, Sum: "3"}
	}
	for name, c := range map[string]struct {
		meta  *Meta
		stack *services.Stack
		names []string
		want  string
		err   string
	}{
		"each its own":                                {meta("ha", db("master"), slave("slave"), redis("master")), ha(), nil, "db<db db-slave<db-slave redis<redis", ""},
		"slave without a copy":                        {meta("minimal", db("master"), redis("master")), ha(), nil, "db<db db-slave< redis<redis", ""},
		"into the smaller profile":                    {meta("ha", db("master"), slave("slave"), redis("master")), minimal(), nil, "db<db redis<redis", ""},
		"master not in profile":                       {meta("ha", db("slave"), slave("master")), minimal(), nil, "", "switch to profile ha first"},
		"promoted, both there":                        {meta("ha", db("slave"), slave("master")), ha(), nil, "db<db db-slave<db-slave", ""},
		"redis was a replica":                         {meta("ha", redis("replica")), minimal(), nil, "redis<redis!", ""},
		"one service takes all of its operator along": {meta("minimal", db("master"), redis("master")), ha(), []string{"db"}, "db<db db-slave<", ""},
		"nothing of what is asked for":                {meta("minimal", db("master")), ha(), []string{"redis-master"}, "", "it holds only db"},
	} {
		t.Run(name, func(t *testing.T) {
			sources, err := Sources(c.stack, nil, Group(c.stack, c.names))
			if err != nil {
				t.Fatal(err)
			}
			got, err := PlanRestore(c.meta, sources, c.stack.Profile)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var text []string
			for _, r := range got {
				lead := ""
				if r.Lead {
					lead = "!"
				}
				text = append(text, fmt.Sprintf("%s<%s%s", r.Claim, r.From, lead))
			}
			want := strings.Fields(c.want)
			slices.Sort(text)
			slices.Sort(want)
			if !slices.Equal(text, want) {
				t.Errorf("got %s, want %s", text, want)
			}
		})
	}
}

func TestAffected(t *testing.T) {
	got := Affected(ha(), []Restoring{{Claim: "db", Workload: "db", Operator: "mariadb"}})
	if !slices.Equal(got, []string{"db", "db-slave", "cache"}) {
		t.Errorf("a database takes along %v", got)
	}
	got = Affected(ha(), []Restoring{{Claim: "redis", Workload: "redis-master", Operator: "redis"}})
	if !slices.Equal(got, []string{"redis-master", "redis"}) {
		t.Errorf("a Redis takes along %v", got)
	}
}

func TestNames(t *testing.T) {
	for _, good := range []string{"a", "before-merge", "v1.2", strings.Repeat("x", 48)} {
		if err := CheckName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "-a", "a-", "A", "a_b", "a/b", "..", "ä", "a b", strings.Repeat("x", 49), "a\nb", "$(x)"} {
		if err := CheckName(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestCompatible(t *testing.T) {
	for _, c := range []struct {
		written, server string
		ok              bool
	}{
		{"11.8", "11.8", true},
		{"10.11", "11.8", true},
		{"11.8", "10.11", false},
		{"11.8", "11.4", false},
		{"8.0", "7.2", false},
		{"7.0", "8.0", true},
		{"", "8.0", true},
		{"8.0", "", true},
		{"11", "11.8", true},
	} {
		err := Compatible("db", "mariadb", c.written, c.server)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrIncompatible) {
			t.Errorf("%s -> %s: %v", c.written, c.server, err)
		}
	}
}

func TestListAndFind(t *testing.T) {
	m := &Meta{Name: "one", Project: "p", Created: time.Unix(100, 0).UTC(), Bytes: 7, Claims: []ClaimMeta{{Claim: "db", Volume: "p_snap_one_db"}}}
	text, err := m.label()
	if err != nil {
		t.Fatal(err)
	}
	vols := []engine.Volume{
		{Name: "p_db", Labels: map[string]string{KindLabel: "claim"}},
		{Name: "p_snap_one_db", Labels: map[string]string{KindLabel: KindCopy, NameLabel: "one"}},
		{Name: "p_snap_one", Labels: map[string]string{KindLabel: KindSnapshot, NameLabel: "one", MetaLabel: text}},
		{Name: "p_snap_half_db", Labels: map[string]string{KindLabel: KindCopy, NameLabel: "half"}},
	}
	all, err := List(vols)
	if err != nil || len(all) != 1 || all[0].Bytes != 7 || all[0].Claim("db") == nil {
		t.Fatalf("got %+v, %v", all, err)
	}
	if got, err := find(vols, "one"); err != nil || got.Name != "one" {
		t.Errorf("find: %v, %v", got, err)
	}
	if _, err := find(vols, "half"); !errors.Is(err, ErrNoSnapshot) || !strings.Contains(err.Error(), "existing snapshots: one") {
		t.Errorf("an unfinished snapshot was found: %v", err)
	}
	if got := volumesOf(vols, "one"); !slices.Equal(got, []string{"p_snap_one", "p_snap_one_db"}) {
		t.Errorf("the mark must go first: %v", got)
	}
	if got := volumesOf(vols, "half"); !slices.Equal(got, []string{"p_snap_half_db"}) {
		t.Errorf("leftovers: %v", got)
	}
	vols = append(vols, engine.Volume{Name: "torn", Labels: map[string]string{KindLabel: KindSnapshot, NameLabel: "x", MetaLabel: "{"}})
	if all, err := List(vols); err == nil || len(all) != 1 {
		t.Errorf("with a torn one: %v, %v", all, err)
	}
}

func TestVersionsOfVolumes(t *testing.T) {
	for name, c := range map[string]struct{ file, content, product, version string }{
		"ours":     {".lyandev-identity", "product=redis\nid=x\nversion=8.0\n", "redis", "8.0"},
		"mariadb":  {"mariadb_upgrade_info", "11.8.3-MariaDB\x00", "mariadb", "11.8"},
		"mysql":    {"mysql_upgrade_info", "10.11.6-MariaDB", "mariadb", "10.11"},
		"postgres": {"PG_VERSION", "16\n", "postgres", "16"},
		"unknown":  {"x", "y", "", ""},
	} {
		dir := t.TempDir()
		write(t, dir, c.file, c.content)
		if p, v := identity(openRoot(t, dir)); p != c.product || v != c.version {
			t.Errorf("%s: got %q %q", name, p, v)
		}
	}
}
