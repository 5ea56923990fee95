package profiles

import (
	"errors"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/interpolation"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/tree"
	"github.com/compose-spec/compose-go/v2/types"
)

// interpolator substitutes variables in documents as Compose does and records which were not set.
type interpolator struct {
	options interpolation.Options
	p       *problems
	// unset are the variables without value and default, each with its first position.
	unset map[string]position
	order []string
	// used are the conversions that texts of the documents needed.
	used casts
}

func newInterpolator(env types.Mapping, p *problems) *interpolator {
	in := &interpolator{p: p, unset: map[string]position{}, used: casts{}}
	details := &types.ConfigDetails{Environment: env}
	in.options.LookupValue = details.LookupEnv
	in.options.Substitute = substitute
	return in
}

func substitute(s string, mapping template.Mapping) (string, error) {
	if !strings.Contains(s, "$") {
		return s, nil
	}
	return template.SubstituteWithOptions(s, mapping, template.WithoutLogging)
}

// document substitutes variables in a tree. path is the tree's path in Compose's model, for the casts; shown is its path in the
// file, for messages. With quiet, failed substitutions are left unchanged and not reported.
func (in *interpolator) tree(it *item, path tree.Path, shown keyPath, quiet bool) {
	switch {
	case it == nil:
	case it.fields != nil:
		for _, k := range it.keys {
			in.tree(it.fields[k], path.Next(k), shown.with(k), quiet)
		}
	case it.isList:
		for i, c := range it.list {
			in.tree(c, path.Next(tree.PathMatchList), shown.with(index(i)), quiet)
		}
	default:
		in.scalar(it, path, shown, quiet)
	}
}

func (in *interpolator) scalar(it *item, path tree.Path, shown keyPath, quiet bool) {
	s, ok := it.value.(string)
	if !ok {
		return
	}
	if strings.Count(s, "$") > maxReferences || nesting(s) > maxNested {
		in.p.at(it.pos, shown, "move a part of it to a file", "the value has more than %d variables, or more than %d inside each other", maxReferences, maxNested)
		return
	}
	v, err := in.options.Substitute(s, func(name string) (string, bool) {
		v, ok := in.options.LookupValue(name)
		if !ok && !quiet && !mayBeUnset(s, name) {
			in.miss(name, it.pos)
		}
		return v, ok
	})
	if err != nil {
		if quiet {
			in.spoil(it, shown)
		} else {
			in.report(it, shown, err)
		}
		return
	}
	it.replaced = it.replaced || v != s
	it.value = v
	pattern, cast := castFor(path)
	if cast == nil {
		return
	}
	in.used[pattern] = cast
	if c, err := cast(v); err == nil {
		it.value = c
	} else if !quiet {
		in.p.at(it.pos, shown, "", "%q cannot be used here: %s", v, castReason(err))
	} else {
		in.spoil(it, shown)
	}
}

// spoil marks a value of a profile that is not active: in a check of that profile it is left out.
func (in *interpolator) spoil(it *item, shown keyPath) {
	in.p.spoil(damage{file: it.pos.file, pos: it.pos, path: shown})
}

// castReason says why a text is not the number or the boolean that is needed.
func castReason(err error) string {
	var number *strconv.NumError
	switch {
	case !errors.As(err, &number):
		return err.Error()
	case errors.Is(number.Err, strconv.ErrRange):
		return "the number is out of range"
	}
	return "it is not a number"
}

// Limits of one value: the time that compose-go's substitution takes grows with the square of both.
const (
	maxReferences = 5000
	maxNested     = 100
)

// nesting is how many variable references stand inside each other, as in ${A:-${B:-c}}.
func nesting(s string) int {
	depth, deepest := 0, 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '$' && i+1 < len(s) && s[i+1] == '{':
			depth++
			deepest = max(deepest, depth)
		case s[i] == '}' && depth > 0:
			depth--
		}
	}
	return deepest
}

func (in *interpolator) miss(name string, pos position) {
	if _, ok := in.unset[name]; !ok {
		in.unset[name] = pos
		in.order = append(in.order, name)
	}
}

// mayBeUnset reports whether a reference handles an unset variable: ${NAME:-default}, ${NAME:?message} and ${NAME:+other} do,
// ${NAME} and $NAME do not.
func mayBeUnset(s, name string) bool {
	for _, op := range []string{":-", "-", ":?", "?", ":+", "+"} {
		if strings.Contains(s, "${"+name+op) {
			return true
		}
	}
	return false
}

func (in *interpolator) report(it *item, shown keyPath, err error) {
	var invalid *template.InvalidTemplateError
	var missing *template.MissingRequiredError
	switch {
	case errors.As(err, &invalid):
		in.p.at(it.pos, shown, "a literal $ is written $$", "%q is not a valid variable reference", invalid.Template)
	case errors.As(err, &missing):
		reason := missing.Reason
		if reason == "" {
			reason = "it is not set"
		}
		in.p.at(it.pos, shown, "set "+missing.Variable+" in the environment or in .env", "variable %s is required: %s", missing.Variable, reason)
	default:
		in.p.at(it.pos, shown, "", "%v", err)
	}
}
