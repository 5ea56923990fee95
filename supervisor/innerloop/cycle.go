package innerloop

import (
	"fmt"
	"strings"
	"time"
)

// The limits of a write loop: an action that changes the files it is triggered by. Its writes are noticed while it works or
// within cycleWindow after it. It counts as a loop when that happens cycleCount times in a row with the same files.
const (
	cycleWindow = 300 * time.Millisecond
	cycleCount  = 6
	// A loop is slowed down by cyclePause, doubled every time, and after cycleEnd more times its changes are ignored.
	cyclePause = 3 * time.Second
	cycleEnd   = 5
)

// cycle detects an action that causes the changes it is triggered by. It is pure: times come from the caller.
//
//	counting --the same files, in the window, cycleCount times--> slowed --cycleEnd times--> ended
//	    ^                                                           |                          |
//	    +------------------- other files, or another time ---------+--------------------------+
type cycle struct {
	// paths are the files of the last action; began and done are its times, done is zero while it works.
	paths       map[string]bool
	began, done time.Time
	count       int
}

// verdict is what to do about a change.
type verdict struct {
	// pause delays the action; drop leaves it out.
	pause time.Duration
	drop  bool
	// message is a warning for the user, "" for none.
	message string
}

// start notes that an action for these files begins, end that it is done.
func (c *cycle) start(t *task, now time.Time) {
	c.paths = map[string]bool{}
	for _, p := range t.paths {
		c.paths[p] = true
	}
	c.began, c.done = now, time.Time{}
}

func (c *cycle) end(now time.Time) { c.done = now }

// judge decides about a change that arrived.
func (c *cycle) judge(name string, t *task) verdict {
	if !c.caused(t) {
		c.count = 0
		return verdict{}
	}
	c.count++
	over := c.count - cycleCount
	switch {
	case over < 0:
		return verdict{}
	case over >= cycleEnd:
		v := verdict{drop: true}
		if over == cycleEnd {
			v.message = fmt.Sprintf("%s keeps modifying files that trigger its own sync (%s); changes of these files are ignored until others change", name, c.names(t))
		}
		return v
	}
	v := verdict{pause: cyclePause << over}
	if over == 0 {
		v.message = fmt.Sprintf("%s modifies files that trigger its own sync: %s changed %d times in a row as a result of the sync; "+
			"list the path under ignore of the develop.watch rule", name, c.names(t), c.count)
	}
	return v
}

// caused reports whether the last action may have made a change.
func (c *cycle) caused(t *task) bool {
	if c.began.IsZero() || len(t.paths) == 0 || t.seen.Before(c.began) {
		return false
	}
	if !c.done.IsZero() && t.seen.After(c.done.Add(cycleWindow)) {
		return false
	}
	for _, p := range t.paths {
		if !c.paths[p] {
			return false
		}
	}
	return true
}

func (c *cycle) names(t *task) string {
	shown := t.paths[:min(len(t.paths), 3)]
	text := strings.Join(shown, ", ")
	if more := len(t.paths) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
