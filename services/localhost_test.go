package services_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lyandev/lyandev/services"
)

func TestLocalhost(t *testing.T) {
	want := services.Localhost{11211: "cache:11211", 6379: "redis.default:6380", 3306: services.FollowRole("db:3306")}
	text := "3306=db:3306@role,6379=redis.default:6380,11211=cache:11211"
	if got := want.String(); got != text {
		t.Errorf("written as %q", got)
	}
	got, err := services.ParseLocalhost(text)
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("error %v, (-want +got):\n%s", err, d)
	}
	for _, bad := range []string{"", "6379", "6379=redis", "6379=:6379", "0=redis:1", "65536=redis:1", "x=redis:1", "1=redis:0", "1=a:1,1=b:1", "1=a b:1", "1=a:1@", "1=@role"} {
		if l, err := services.ParseLocalhost(bad); err == nil {
			t.Errorf("%q was read as %v", bad, l)
		}
	}
}
