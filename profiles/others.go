package profiles

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/services"
)

// others loads the stack once with each profile that is not active. Mistakes that only a profile of x-lyandev has are mistakes of the file;
// those of a profile of Compose are warnings. It does nothing if the load itself did not get to its end.
func (l *load) others(ctx context.Context, stack *services.Stack) error {
	if !l.complete {
		return nil
	}
	for _, name := range l.order {
		if pr := l.profiles[name]; pr.base || slices.Contains(l.chain, pr) {
			continue
		}
		found, err := l.other(ctx, name)
		if err != nil {
			return err
		}
		for _, e := range found {
			if !strings.HasPrefix(e.Path, extensionKey+".profiles.") {
				e.Message = fmt.Sprintf("with profile %s: %s", name, e.Message)
			}
			l.p.add(e)
		}
	}
	if !l.p.empty() {
		return nil
	}
	for _, name := range l.composeProfiles() {
		if slices.Contains(l.activated, name) || l.profiles[name] != nil {
			continue
		}
		found, err := l.other(ctx, name)
		if err != nil {
			return err
		}
		for _, e := range found {
			e.Message = fmt.Sprintf("with profile %s: %s", name, e.Message)
			stack.Notes = appendNew(stack.Notes, e.Error())
			stack.Warnings = appendNew(stack.Warnings, e.Error())
		}
	}
	return nil
}

// other returns the mistakes of a load with another profile.
func (l *load) other(ctx context.Context, profile string) (Errors, error) {
	o := l.o
	o.Profiles, o.NoProfiles, o.Active, o.EveryProfile = []string{profile}, false, "", false
	other, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	other.cycles = slices.Clone(l.cycles) // they are reported already
	if _, err := other.stack(ctx); err != nil {
		return nil, err
	}
	return other.p.list, nil
}
