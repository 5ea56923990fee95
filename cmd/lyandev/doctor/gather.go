package doctor

import (
	"context"
	"time"
)

// Part looks at one part of a machine. It returns a function that enters what it found into the facts, so that a part that comes too
// late changes nothing.
type Part struct {
	Name string
	Look func(ctx context.Context) (enter func(*Facts))
}

// grace is how much later than its limit a part that honours its context may come.
const grace = 300 * time.Millisecond

// Gather runs all parts at once and enters what they find into f. It returns after limit and a little at the latest: parts that have
// not come by then are in f.Late and go on in the background.
func Gather(ctx context.Context, limit time.Duration, parts []Part, f *Facts) {
	type result struct {
		name  string
		enter func(*Facts)
	}
	f.Limit, f.Late = limit, map[string]bool{}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan result, len(parts))
	for _, p := range parts {
		f.Late[p.Name] = true
		go func() {
			enter := p.Look(limited)
			if limited.Err() != nil {
				enter = nil
			}
			done <- result{p.Name, enter}
		}()
	}
	end := time.NewTimer(limit + grace)
	defer end.Stop()
	for range parts {
		select {
		case r := <-done:
			if r.enter != nil {
				r.enter(f)
				delete(f.Late, r.name)
			}
		case <-end.C:
			return
		}
	}
}
