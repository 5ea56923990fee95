package build

import (
	"testing"

	"github.com/lyandev/lyandev/services"
)

// TestABuildThatChangesNothing: a file that no step uses, as compose.yaml beside the Dockerfile, gave the image another fingerprint and so
// another ID, and every container of it was replaced.
func TestABuildThatChangesNothing(t *testing.T) {
	b := newBench(t)
	x := b.build("web", "FROM debian:trixie-slim\nCOPY f /f\n", map[string]string{"f": "content", "compose.yaml": "one"})
	x.Tags = []string{x.Image + "-too"}
	first := b.must(x, Options{Refs: b.refs})
	tree(t, x.Context, map[string]string{"compose.yaml": "two"})
	if v := b.verdict(x); v.Current {
		t.Errorf("another compose.yaml: %+v", v)
	}
	second := b.must(x, Options{Refs: b.refs})
	if second.Current || second.ImageID != first.ImageID {
		t.Errorf("the same content has the image %s, before %s (current: %v)", second.ImageID, first.ImageID, second.Current)
	}
	for _, ref := range []string{x.Image, x.Tags[0]} {
		if img, err := b.eng.InspectImage(b.ctx, ref); err != nil || img.ID != first.ImageID {
			t.Errorf("%s is %s (%v), want %s", ref, img.ID, err, first.ImageID)
		}
	}
	if imgs, err := b.eng.ListImages(b.ctx, map[string]string{services.ProjectLabel: b.name}); err != nil || len(imgs) != 1 {
		t.Errorf("there are %d images (%v), want one", len(imgs), err)
	}
	if third := b.must(x, Options{Refs: b.refs}); !third.Current || third.ImageID != first.ImageID {
		t.Errorf("again: %+v", third)
	}
	if v := b.verdict(x); !v.Current {
		t.Errorf("again: %+v", v)
	}
	x.Labels = map[string]string{"new": "label"}
	if fourth := b.must(x, Options{Refs: b.refs}); fourth.ImageID == first.ImageID {
		t.Error("a new label gave the same image")
	}
}

// verdict is what Check says of one build.
func (b *bench) verdict(x *services.Build) Verdict {
	b.t.Helper()
	list, err := b.Check(b.ctx, []*services.Build{x}, Options{Refs: b.refs})
	ok(b.t, err)
	return list[0]
}
