package agent

import (
	"strings"
	"testing"
)

func TestMatchIngress(t *testing.T) {
	rule := func(host, kind, path, service string) IngressRule {
		return IngressRule{Host: host, PathType: kind, Path: path, Service: service}
	}
	rules := []IngressRule{
		{Service: "default"},
		rule("", "Prefix", "/any", "any-host"),
		rule("a.test", "Prefix", "/", "root"),
		rule("a.test", "Prefix", "/foo", "foo"),
		rule("a.test", "Prefix", "/foo/bar/", "foobar"),
		rule("a.test", "Exact", "/foo", "foo-exact"),
		rule("a.test", "Exact", "/exact/", "exact-slash"),
		rule("*.a.test", "Prefix", "/", "wild"),
		rule("b.a.test", "Prefix", "/only", "b-only"),
	}
	for _, c := range []struct{ host, path, want string }{
		{"a.test", "/", "root"},
		{"A.TEST:8080", "/", "root"},
		{"a.test.", "/", "root"},
		{"a.test", "/foo", "foo-exact"},
		{"a.test", "/foo/", "foo"},
		{"a.test", "/foo/x", "foo"},
		{"a.test", "/foobar", "root"},
		{"a.test", "/foo/bar", "foobar"},
		{"a.test", "/foo/bar/baz", "foobar"},
		{"a.test", "/foo/../foo/bar", "foobar"},
		{"a.test", "/exact", "root"},
		{"a.test", "/exact/", "exact-slash"},
		{"a.test", "", "root"},
		{"a.test", "/any", "root"}, // the rules of the host, not those without one
		{"x.a.test", "/foo", "wild"},
		{"x.y.a.test", "/foo", "default"}, // a wildcard is one label
		{"b.a.test", "/only/this", "b-only"},
		{"b.a.test", "/other", "default"},
		{"c.test", "/any/thing", "any-host"},
		{"c.test", "/", "default"},
		{"", "/", "default"},
		{"[::1]:80", "/any", "any-host"},
	} {
		got := "none"
		if r := matchIngress(rules, c.host, c.path); r != nil {
			got = r.Service
		}
		if got != c.want {
			t.Errorf("%s%s went to %s, want %s", c.host, c.path, got, c.want)
		}
	}
	if r := matchIngress(rules[1:], "c.test", "/"); r != nil {
		t.Errorf("no rule matches, got %+v", r)
	}
}

func FuzzMatchIngress(f *testing.F) {
	f.Add("a.test", "/foo/bar", "/foo")
	f.Add("*.a.test", "/../..", "/")
	f.Fuzz(func(t *testing.T, host, urlPath, prefix string) {
		rules := []IngressRule{{Host: host, PathType: "Prefix", Path: prefix}, {Service: "default"}}
		if matchIngress(rules, host, urlPath) == nil {
			t.Fatal("the default backend takes everything")
		}
		if !strings.HasPrefix(prefix, "/") || strings.Contains(urlPath, "..") || strings.Contains(prefix, "..") {
			return
		}
		// What matches a prefix begins with its elements.
		got := pathScore(&rules[0], urlPath) > 0
		clean := strings.Trim(prefix, "/")
		if got && clean != "" && !strings.Contains(urlPath, strings.Split(clean, "/")[0]) {
			t.Fatalf("%q matched %q", urlPath, prefix)
		}
	})
}
