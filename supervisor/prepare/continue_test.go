package prepare

import (
	"strings"
	"testing"

	"github.com/lyandev/lyandev/services"
)

// ofProfile is a stack that was started with a Compose profile.
func ofProfile(name string) *services.Stack {
	s := onlyStack(":1")
	s.Profile = name
	return s
}

// TestContinue: an up without service names removed the services of inactive Compose profiles that were started by name.
func TestContinue(t *testing.T) {
	without := func(profile string, inactive ...string) *services.Stack {
		s := onlyStack(":2")
		s.Profile, s.OwnProfile, s.Inactive = profile, profile, inactive
		s.Workloads, s.Services, s.HostPorts = s.Workloads[:1], s.Services[:1], s.HostPorts[:1]
		return s
	}
	for _, c := range []struct {
		running, next *services.Stack
		want          string // images, services, host ports, dependencies
	}{
		{nil, without("", "api"), "db:2 | db | db |"},
		{onlyStack(":1"), without(""), "db:2 | db | db |"},
		{onlyStack(":1"), without("", "api"), "db:2 api:1 | db api | db api | api->db"},
		{onlyStack(":1"), without("", "web"), "db:2 web:1 | db web | db web |"}, // api is gone, and web depends on it
		{onlyStack(":1"), without("", "api", "web"), "db:2 api:1 web:1 | db api web | db api web | api->db web->api"},
		{onlyStack(":1"), without("other", "api"), "db:2 | db | db |"},
		{ofProfile("dbg"), without("", "api"), "db:2 api:1 | db api | db api | api->db"}, // a Compose profile is that of one command line
	} {
		got, added := Continue(c.running, c.next)
		var words, ends []string
		for _, w := range got.Workloads {
			words = append(words, w.PodSpec().Containers[0].Image)
			for _, d := range w.DependsOn {
				ends = append(ends, w.Name()+"->"+d.Workload)
			}
		}
		words = append(words, "|")
		for _, v := range got.Services {
			words = append(words, v.Name)
		}
		words = append(words, "|")
		for _, h := range got.HostPorts {
			words = append(words, h.Service)
		}
		text := strings.Join(append(append(words, "|"), ends...), " ")
		if text != c.want || len(added) != len(got.Workloads)-1 {
			t.Errorf("inactive %v: %s, added %v, want %s", c.next.Inactive, text, added, c.want)
		}
	}
}

// TestContinueRecreated: the up after an up --force-recreate made all containers anew once more.
func TestContinueRecreated(t *testing.T) {
	running, next := onlyStack(":1"), onlyStack(":2")
	Annotate(running.Workload("db"), services.RecreatedAnnotation, "yesterday")
	Annotate(running.Workload("api"), services.RecreatedAnnotation, "yesterday")
	Annotate(next.Workload("api"), services.RecreatedAnnotation, "today")
	got, _ := Continue(running, next)
	for name, want := range map[string]string{"db": "yesterday", "api": "today", "web": ""} {
		if at := got.Workload(name).PodMeta().Annotations[services.RecreatedAnnotation]; at != want {
			t.Errorf("%s is marked %q, want %q", name, at, want)
		}
	}
	if next.Workload("db").PodMeta().Annotations[services.RecreatedAnnotation] != "" {
		t.Error("the loaded stack was changed")
	}
}
