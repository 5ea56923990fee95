package profiles

import (
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/interpolation"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/tree"
	"github.com/compose-spec/compose-go/v2/types"
)

// casts are compose-go's conversions of texts to numbers and booleans, by the pattern of the paths that they are for.
type casts map[tree.Path]interpolation.Cast

// allCasts are those of compose-go, which hands them out only this way.
var allCasts = sync.OnceValue(func() casts {
	return loader.ToOptions(new(types.ConfigDetails), nil).Interpolate.TypeCastMapping
})

// castsByLast are allCasts by the last part of their pattern: most values have none of these keys, so that no pattern is compared.
var castsByLast = sync.OnceValue(func() map[string]casts {
	out := map[string]casts{}
	for pattern, cast := range allCasts() {
		last := pattern.Last()
		if out[last] == nil {
			out[last] = casts{}
		}
		out[last][pattern] = cast
	}
	return out
})

// castFor returns the conversion for a path and its pattern, nil if there is none.
func castFor(path tree.Path) (tree.Path, interpolation.Cast) {
	last := string(path[strings.LastIndexByte(string(path), '.')+1:])
	for _, key := range []string{last, tree.PathMatchAll} {
		for pattern, cast := range castsByLast()[key] {
			if path.Matches(pattern) {
				return pattern, cast
			}
		}
	}
	return "", nil
}

// neededCasts are the conversions that compose-go has to make for the documents: all of them if there are mistakes, because a key that was
// misspelt can need one under its right name.
func (l *load) neededCasts() casts {
	if len(l.p.damage) > 0 {
		return allCasts()
	}
	return l.casts
}
