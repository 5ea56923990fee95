package engine

import (
	"fmt"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/xhit/go-str2duration/v2"
)

// Pull policies of the Compose specification; "" is PullMissing. Besides them there is every_DURATION (every_12h, every_1w2d).
const (
	PullAlways       = "always"
	PullNever        = "never"
	PullMissing      = "missing"
	PullIfNotPresent = "if_not_present"
	PullBuild        = "build"
	PullDaily        = "daily"
	PullWeekly       = "weekly"
)

// refresh returns the age at which a policy pulls again, 0 for a policy that does not look at the age.
func refresh(policy string) (time.Duration, error) {
	switch policy {
	case "", PullAlways, PullNever, PullMissing, PullIfNotPresent, PullBuild:
		return 0, nil
	case PullDaily:
		return 24 * time.Hour, nil
	case PullWeekly:
		return 7 * 24 * time.Hour, nil
	}
	text, every := strings.CutPrefix(policy, "every_")
	d, err := str2duration.ParseDuration(text)
	if !every || err != nil || d <= 0 {
		return 0, fmt.Errorf("invalid pull_policy %q: use always, never, missing, if_not_present, build, daily, weekly or "+
			"every_DURATION (every_12h)", policy)
	}
	return d, nil
}

// PullDue reports whether an image must be pulled before its service starts, as `docker compose up` decides: have is the local
// image, nil if there is none. A local image of another platform (OS[/ARCH[/VARIANT]]; "" is any) counts as none. The age of
// an image is the time since Image.LastTagged: where that is zero, daily, weekly and every_DURATION always pull, as in Compose.
func PullDue(policy, platform string, have *Image, now time.Time) (bool, error) {
	age, err := refresh(policy)
	if have != nil && !have.Runs(platform) {
		have = nil
	}
	switch {
	case err != nil:
		return false, err
	case policy == PullAlways:
		return true, nil
	case policy == PullNever || policy == PullBuild:
		return false, nil
	case have == nil:
		return true, nil
	}
	return age > 0 && now.After(have.LastTagged.Add(age)), nil
}

// PullAsked reports whether `pull` pulls an image, as `docker compose pull` decides: all but what is never pulled, and what is
// there and is pulled only if missing (a tag latest is pulled again).
func PullAsked(policy, platform, ref string, have *Image, now time.Time) (bool, error) {
	age, err := refresh(policy)
	switch {
	case err != nil:
		return false, err
	case policy == "" || age > 0:
		return true, nil
	case policy == PullMissing || policy == PullIfNotPresent:
		if latest(ref) {
			return true, nil
		}
	}
	return PullDue(policy, platform, have, now)
}

func latest(ref string) bool {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return false
	}
	t, ok := reference.TagNameOnly(named).(reference.Tagged)
	return ok && t.Tag() == "latest"
}

// Runs reports whether an image is for a platform, OS[/ARCH[/VARIANT]]; "" is any.
func (i Image) Runs(platform string) bool {
	p := parsePlatform(platform)
	same := func(want, have string) bool { return want == "" || have == "" || want == have }
	return p == nil || same(p.OS, i.OS) && same(p.Architecture, i.Arch) && same(p.Variant, i.Variant)
}
