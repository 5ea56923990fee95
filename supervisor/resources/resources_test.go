package resources

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	dockernet "github.com/docker/docker/api/types/network"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/selfimage"
)

// rig is a Maker of instance p on a fake engine.
type rig struct {
	*enginefake.Engine
	t     *testing.T
	m     *Maker
	i     *instance.Instance
	notes []string
	left  []string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	root := t.TempDir()
	i, err := (&instance.Registry{Root: root}).Resolve(t.Context(), "p", "/dir", "p")
	if err == nil {
		err = i.Save()
	}
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Engine: enginefake.New(), t: t, i: i}
	r.AddImage("img:1", enginefake.Image{})
	r.m = New(Config{
		Engine: r.Engine, Instance: i, Note: func(reason, message string) { r.notes = append(r.notes, reason+" "+message) },
		Leave: func(_ context.Context, name string) error { r.left = append(r.left, name); return nil },
	})
	return r
}

func (r *rig) network(name string, labels map[string]string, change ...func(*engine.NetworkSpec)) {
	r.t.Helper()
	spec := engine.NetworkSpec{Name: name, Labels: labels}
	for _, c := range change {
		c(&spec)
	}
	if _, err := r.CreateNetwork(r.t.Context(), spec); err != nil {
		r.t.Fatal(err)
	}
}

// container is one in a network that does not run.
func (r *rig) container(name, in string, labels map[string]string) {
	r.t.Helper()
	if _, err := r.CreateContainer(r.t.Context(), engine.ContainerSpec{Name: name, Image: "img:1", Network: in, Labels: labels}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) inspect(name string) engine.Network {
	r.t.Helper()
	n, err := r.InspectNetwork(r.t.Context(), name)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

func (r *rig) wantNotes(reasons ...string) {
	r.t.Helper()
	var got []string
	for _, n := range r.notes {
		reason, _, _ := strings.Cut(n, " ")
		got = append(got, reason)
	}
	if !slices.Equal(got, reasons) {
		r.t.Errorf("notes %q, want %q", r.notes, reasons)
	}
	r.notes = nil
}

func ofCompose(project string) map[string]string { return map[string]string{ComposeProject: project} }

func declared(key string) *compose.Network {
	return &compose.Network{Key: key, Name: compose.Project + "_" + key, Source: "compose.yaml:9"}
}

func stackOf(networks ...*compose.Network) *services.Stack {
	return &services.Stack{Networks: networks}
}

var pinned = network.Needs{Default: true, Pinned: &services.Workload{
	Object: &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "api"}}, Source: "compose.yaml:3",
}}

func TestNetworkIsMade(t *testing.T) {
	r := newRig(t)
	back := declared("back")
	back.Internal, back.Labels, back.DriverOpts = true, map[string]string{"a": "b"}, map[string]string{"o": "v"}
	back.IPAM = &dockernet.IPAM{Config: []dockernet.IPAMConfig{{
		Subnet: "172.30.0.0/24", Gateway: "172.30.0.9", IPRange: "172.30.0.128/25", AuxAddress: map[string]string{"x": "172.30.0.7"},
	}}}
	for range 2 {
		if foreign, err := r.m.Ensure(t.Context(), stackOf(declared("default"), back), network.Needs{Default: true}); err != nil || foreign {
			t.Fatal(foreign, err)
		}
	}
	r.wantNotes()
	n := r.inspect("p_back")
	want := map[string]string{
		"a": "b", ComposeProject: "p", "com.docker.compose.network": "back", "com.docker.compose.version": "lyandev",
		services.ProjectLabel: "p", services.DirLabel: "/dir",
	}
	if !n.Internal || n.Options["o"] != "v" || !reflect.DeepEqual(n.Labels, want) {
		t.Errorf("%+v", n)
	}
	if p := n.IPAM.Pools[0]; p.Gateway != netip.MustParseAddr("172.30.0.9") || p.IPRange != netip.MustParsePrefix("172.30.0.128/25") || len(p.Aux) != 1 {
		t.Errorf("%+v", p)
	}
	if _, err := r.InspectNetwork(t.Context(), "p_default"); !engine.IsNotFound(err) {
		t.Errorf("the default network is podnet's to make: %v", err)
	}
}

func TestExternalNetwork(t *testing.T) {
	r := newRig(t)
	ext := &compose.Network{Key: "shared", Name: "corp", External: true, Source: "compose.yaml:12"}
	_, err := r.m.Ensure(t.Context(), stackOf(ext), network.Needs{})
	if err == nil || !strings.HasPrefix(err.Error(), "compose.yaml:12: cannot start the stack: network corp is external") || !strings.Contains(err.Error(), "docker network create corp") {
		t.Errorf("%v", err)
	}
	r.network("corp", nil)
	if _, err := r.m.Ensure(t.Context(), stackOf(ext), network.Needs{}); err != nil {
		t.Error(err)
	}
	r.wantNotes()
}

func TestNetworkThatDiffers(t *testing.T) {
	r := newRig(t)
	r.network("p_back", ofCompose("p"))
	back := declared("back")
	back.Internal = true
	ensure := func() {
		t.Helper()
		if _, err := r.m.Ensure(t.Context(), stackOf(back), network.Needs{}); err != nil {
			t.Fatal(err)
		}
	}
	r.container("user", "p_back", nil)
	ensure()
	if r.inspect("p_back").Internal || len(r.left) > 0 {
		t.Error("a network that a stopped container needs was made anew")
	}
	r.wantNotes("NetworkDiffers")
	if err := r.RemoveContainer(t.Context(), "user"); err != nil {
		t.Fatal(err)
	}
	r.container("agent", "p_back", map[string]string{services.ProjectLabel: "p", selfimage.KindLabel: "agent"})
	ensure()
	if !r.inspect("p_back").Internal || fmt.Sprint(r.left) != "[p_back]" {
		t.Errorf("a network that only the agent used was not made anew; the agent left %v", r.left)
	}
	r.wantNotes("NetworkRecreated")
}

func TestNetworkOfOthersIsUsed(t *testing.T) {
	r := newRig(t)
	r.network("p_back", ofCompose("other"))
	back := declared("back")
	back.Internal = true
	if _, err := r.m.Ensure(t.Context(), stackOf(back), network.Needs{}); err != nil {
		t.Fatal(err)
	}
	r.wantNotes("NetworkOfOthers")
	if r.inspect("p_back").Internal {
		t.Error("another project's network was made anew")
	}
}

// TestNetworksOfCompose that the stack has used are removed at the end, as by docker compose down; they stayed. Those that it has not
// used, that somebody still uses, or that are nobody's, stay.
func TestNetworksOfCompose(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"own", "busy", "unused"} {
		r.network(name, ofCompose("p"))
	}
	r.network("others", ofCompose("q"))
	r.container("user", "busy", nil)
	stack := &services.Stack{Networks: []*compose.Network{{Key: "a", Name: "own"}, {Key: "b", Name: "busy"}, {Key: "c", Name: "others"}, {Key: "d", Name: "p_d"}}}
	if _, err := r.m.Ensure(t.Context(), stack, network.Needs{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.m.RemoveNetworks(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var left []string
	for _, name := range []string{"busy", "others", "own", "p_d", "unused"} {
		if _, err := r.InspectNetwork(t.Context(), name); err == nil {
			left = append(left, name)
		}
	}
	if want := []string{"busy", "others", "p_d", "unused"}; !slices.Equal(left, want) {
		t.Errorf("left are %v, want %v", left, want)
	}
}

// The default network is lyandev's to divide unless the file or somebody else has a say; pods that need that are refused else.
func TestDefaultNetwork(t *testing.T) {
	change := func(f func(n *compose.Network)) *compose.Network {
		n := declared("default")
		f(n)
		return n
	}
	cases := []struct {
		name string
		want *compose.Network
		// there is the network that exists; user says that a container needs it.
		there *engine.NetworkSpec
		user  bool
		// foreign is for plain services, refused what the error for pods says; "" means that they are started.
		foreign bool
		refused string
	}{
		{name: "as always", want: declared("default")},
		{name: "ipam", want: change(func(n *compose.Network) { n.IPAM = new(dockernet.IPAM) }), foreign: true, refused: "its own ipam"},
		{name: "driver", want: change(func(n *compose.Network) { n.Driver = "macvlan" }), foreign: true, refused: "the driver macvlan"},
		{name: "bridge", want: change(func(n *compose.Network) { n.Driver, n.DriverOpts = "bridge", map[string]string{"a": "b"} })},
		{name: "internal", want: change(func(n *compose.Network) { n.Internal = true }), foreign: true, refused: "internal: true"},
		{name: "name", want: change(func(n *compose.Network) { n.Name = "corp" }), foreign: true, refused: "a name of its own (corp)"},
		{name: "no IPv4", want: change(func(n *compose.Network) { n.EnableIPv4 = new(false) }), foreign: true, refused: "enable_ipv4: false"},
		{
			name: "external", want: change(func(n *compose.Network) { n.Name, n.External = "corp", true }),
			there: &engine.NetworkSpec{Name: "corp"}, foreign: true, refused: "external: true",
		},
		{
			name: "ours", want: declared("default"), user: true,
			there: &engine.NetworkSpec{Name: "p_default", Labels: map[string]string{services.ProjectLabel: "p", selfimage.KindLabel: "network"}},
		},
		{
			name: "Compose made it", want: declared("default"), user: true, foreign: true,
			there: &engine.NetworkSpec{Name: "p_default", Labels: ofCompose("p")}, refused: "was made by Docker Compose; stop and remove the containers in it (user)",
		},
		{
			name: "Compose left it", want: declared("default"), foreign: true, // pods get one of their own in its place
			there: &engine.NetworkSpec{Name: "p_default", Labels: ofCompose("p")},
		},
		{
			name: "somebody made it", want: declared("default"), foreign: true,
			there: &engine.NetworkSpec{Name: "p_default"}, refused: "was not made by lyandev; remove it with `docker network rm p_default`",
		},
		{
			name: "the file had settings then", want: declared("default"), user: true, foreign: true,
			there:   &engine.NetworkSpec{Name: "p_default", Internal: true, Labels: map[string]string{services.ProjectLabel: "p", ComposeProject: "p"}},
			refused: "was made with settings that the file had then",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			setUp := func() *rig {
				r := newRig(t)
				if c.there != nil {
					r.network(c.there.Name, c.there.Labels, func(s *engine.NetworkSpec) { s.Internal = c.there.Internal })
				}
				if c.user {
					r.container("user", c.there.Name, nil)
				}
				return r
			}
			r := setUp()
			if says, err := r.m.Foreign(t.Context(), stackOf(c.want), network.Needs{Default: true}); err != nil || says != c.foreign {
				t.Errorf("before: %v, %v", says, err)
			}
			if foreign, err := r.m.Ensure(t.Context(), stackOf(c.want), network.Needs{Default: true}); err != nil || foreign != c.foreign {
				t.Errorf("plain services: %v, %v", foreign, err)
			}
			r = setUp()
			foreign, err := r.m.Ensure(t.Context(), stackOf(c.want), pinned)
			switch {
			case c.refused == "" && (err != nil || foreign):
				t.Errorf("pods: %v, %v", foreign, err)
			case c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused) || !strings.HasPrefix(err.Error(), "compose.yaml:3: cannot start api: ")):
				t.Errorf("pods: %v", err)
			}
		})
	}
}

func TestVolumes(t *testing.T) {
	r := newRig(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(r.CreateVolume(t.Context(), engine.VolumeSpec{Name: "p_old", Labels: ofCompose("p")}))
	must(r.CreateVolume(t.Context(), engine.VolumeSpec{Name: "stray", Labels: ofCompose("q")}))
	must(r.CreateVolume(t.Context(), engine.VolumeSpec{Name: "corp"}))
	volume := func(key, name string) *compose.Volume {
		return &compose.Volume{Key: key, Name: name, Source: "compose.yaml:20"}
	}
	fresh := volume("new", compose.Project+"_new")
	fresh.Labels, fresh.DriverOpts = map[string]string{"a": "b"}, map[string]string{"type": "tmpfs"}
	old := volume("old", compose.Project+"_old")
	old.DriverOpts = map[string]string{"type": "nfs"}
	ext := volume("ext", "corp")
	ext.External = true
	stack := &services.Stack{Volumes: []*compose.Volume{fresh, old, ext, volume("stray", "stray")}}
	for range 2 {
		_, err := r.m.Ensure(t.Context(), stack, network.Needs{})
		must(err)
		r.wantNotes("VolumeDiffers", "VolumeOfOthers")
	}
	made, err := r.InspectVolume(t.Context(), "p_new")
	must(err)
	want := map[string]string{
		"a": "b", ComposeProject: "p", "com.docker.compose.volume": "new", "com.docker.compose.version": "lyandev",
		services.ProjectLabel: "p", services.DirLabel: "/dir",
	}
	if !reflect.DeepEqual(made.Labels, want) || made.Options["type"] != "tmpfs" {
		t.Errorf("%+v", made)
	}
	if list, err := ComposeVolumes(r.i); err != nil || !slices.Equal(list, []string{"p_old"}) {
		t.Errorf("of Compose: %v, %v", list, err)
	}
	ext.Name = "nowhere"
	if _, err := r.m.Ensure(t.Context(), stack, network.Needs{}); err == nil ||
		!strings.HasPrefix(err.Error(), "compose.yaml:20: cannot start the stack: volume nowhere is external") {
		t.Errorf("%v", err)
	}
}
