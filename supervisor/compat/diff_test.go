package compat_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// difference is one value that differs: where, and what each side has ("" is nothing).
type difference struct {
	step, path       string
	compose, lyandev string
}

func (d difference) String() string {
	return fmt.Sprintf("after %q, %s\n\tcompose: %s\n\tlyandev: %s", d.step, d.path, d.compose, d.lyandev)
}

// compare compares two snapshots of the same step.
func compare(a, b *snapshot) []difference {
	if a.Failed != b.Failed {
		return []difference{{step: a.Step, path: "/Failed", compose: show(a.Failed), lyandev: fmt.Sprintf("%v: %s%s", b.Failed, b.result.out, b.result.err)}}
	}
	if a.Failed {
		a, b = failed(a), failed(b)
	}
	var all []difference
	walk("", decode(encode(a)), decode(encode(b)), func(path string, x, y any) {
		all = append(all, difference{step: a.Step, path: path, compose: show(x), lyandev: show(y)})
	})
	return all
}

// failed is what is compared after a step that failed: the containers that were started.
func failed(s *snapshot) *snapshot {
	started := &snapshot{Step: s.Step, Failed: true, Containers: maps.Clone(s.Containers)}
	maps.DeleteFunc(started.Containers, func(_ string, c *container) bool { return strings.HasPrefix(c.shape, "created") })
	return started
}

func encode(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // only JSON and strings are in it
	}
	return strings.TrimSpace(b.String())
}

// show is a value as a difference shows it.
func show(v any) string {
	if v == nil {
		return "-"
	}
	text := encode(v)
	if len(text) > 400 {
		return text[:400] + " ..."
	}
	return text
}

// walk calls differ for each place at which two JSON values differ. If one of them is not there, neither are its parts.
func walk(path string, a, b any, differ func(path string, a, b any)) {
	x, isObject := a.(object)
	y, both := b.(object)
	if isObject && both {
		keys := append(sortedKeys(x), sortedKeys(y)...)
		slices.Sort(keys)
		for _, k := range slices.Compact(keys) {
			walk(path+"/"+k, x[k], y[k], differ)
		}
		return
	}
	if encode(a) == encode(b) {
		return
	}
	if wholeContainer.MatchString(path) {
		differ(path, there(a), there(b))
		return
	}
	if l, m := asList(a), asList(b); sets.MatchString(strings.ReplaceAll(path, "/", ".")) && l != nil && m != nil {
		differ(path, without(l, m), without(m, l))
		return
	}
	differ(path, a, b)
}

// wholeContainer is the path of a whole container.
var wholeContainer = regexp.MustCompile(`^/Containers/[^/]+$`)

// there is what a difference shows of something that only one side has.
func there(v any) any {
	if v == nil {
		return nil
	}
	return "it is there"
}

// without are the elements of a list that another has not.
func without(a, b []any) []any {
	return slices.DeleteFunc(slices.Clone(a), func(x any) bool {
		return slices.ContainsFunc(b, func(y any) bool { return encode(x) == encode(y) })
	})
}
