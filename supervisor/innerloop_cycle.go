package supervisor

import (
	"fmt"
	"strings"
	"time"
)

// The bounds of what counts as a write loop. An action's own writes are noticed while it works or right after it; a
// person is not that regular: cycleCount times in a row the same files, each time in that window.
const (
	cycleWindow = 300 * time.Millisecond
	cycleCount  = 6
	// A loop that was found is slowed down, by cyclePause and twice as long every time, and ended after cycleEnd more.
	cyclePause = 3 * time.Second
	cycleEnd   = 5
)

// cycle finds out that an action causes the changes that it is done for. It is pure: times come from the caller.
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
	// pause is how long it waits; drop: it is not acted upon any more.
	pause time.Duration
	drop  bool
	// say is what people should know, "" if nothing new.
	say string
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

// judge says what to do about a change that came.
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
			v.say = fmt.Sprintf("%s still writes %s, which it is watched for; these files are left alone until others change", name, c.names(t))
		}
		return v
	}
	v := verdict{pause: cyclePause << over}
	if over == 0 {
		v.say = fmt.Sprintf("%s writes into its own watched tree: %s changed %d times in a row because of what was done about it; "+
			"name it under ignore of the develop.watch rule", name, c.names(t), c.count)
	}
	return v
}

// caused says that a change may come from the action before it.
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
