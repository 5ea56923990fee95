package profiles

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/services"
)

// otherLoads are the loads with the profiles that are not chosen, which go on while the chosen ones are loaded.
type otherLoads map[string]<-chan otherLoad

type otherLoad struct {
	found Errors
	err   error
}

// startOthers begins to load the profiles of x-lyandev that are not chosen, and those of Compose, as many at a time as there are
// processors. The end of ctx ends those that have not begun.
func (l *load) startOthers(ctx context.Context) otherLoads {
	out := otherLoads{}
	room := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, name := range slices.Concat(l.otherProfiles(), l.otherComposeProfiles()) {
		done := make(chan otherLoad, 1)
		out[name] = done
		go func() {
			room <- struct{}{}
			defer func() { <-room }()
			found, err := l.other(ctx, name)
			done <- otherLoad{found, err}
		}()
	}
	return out
}

// otherProfiles are the profiles of x-lyandev that are not chosen.
func (l *load) otherProfiles() (out []string) {
	for _, name := range l.order {
		if pr := l.profiles[name]; !pr.base && !slices.Contains(l.chain, pr) {
			out = append(out, name)
		}
	}
	return out
}

// otherComposeProfiles are the profiles of Compose that are not active.
func (l *load) otherComposeProfiles() (out []string) {
	for _, name := range l.composeProfiles() {
		if !slices.Contains(l.activated, name) && l.profiles[name] == nil {
			out = append(out, name)
		}
	}
	return out
}

// others adds the mistakes that only other profiles have. Those of profiles of x-lyandev are mistakes of the file; those of profiles of
// Compose are warnings. It does nothing if the load itself did not get to its end.
func (l *load) others(ctx context.Context, stack *services.Stack, loads otherLoads) error {
	if !l.complete {
		return nil
	}
	for _, name := range l.otherProfiles() {
		other := l.otherLoad(ctx, loads, name)
		if other.err != nil {
			return other.err
		}
		for _, e := range other.found {
			if !strings.HasPrefix(e.Path, extensionKey+".profiles.") {
				e.Message = fmt.Sprintf("with profile %s: %s", name, e.Message)
			}
			l.p.add(e)
		}
	}
	if !l.p.empty() {
		return nil
	}
	for _, name := range l.otherComposeProfiles() {
		other := l.otherLoad(ctx, loads, name)
		if other.err != nil {
			return other.err
		}
		for _, e := range other.found {
			e.Message = fmt.Sprintf("with profile %s: %s", name, e.Message)
			stack.Notes = appendNew(stack.Notes, e.Error())
			stack.Warnings = appendNew(stack.Warnings, e.Error())
		}
	}
	return nil
}

// otherLoad waits for the load with a profile. A profile whose name is a variable is known only after the load has begun, and is loaded now.
func (l *load) otherLoad(ctx context.Context, loads otherLoads, profile string) otherLoad {
	if done, begun := loads[profile]; begun {
		return <-done
	}
	found, err := l.other(ctx, profile)
	return otherLoad{found, err}
}

// other returns the mistakes of a load with another profile.
func (l *load) other(ctx context.Context, profile string) (Errors, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	o := l.o
	o.Profiles, o.NoProfiles, o.Active, o.EveryProfile = []string{profile}, false, "", false
	other, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	other.cyclesTold = true // this load tells of those of all profiles
	other.chain = other.choose()
	if _, err := other.stack(ctx); err != nil {
		return nil, err
	}
	return other.p.list, nil
}
