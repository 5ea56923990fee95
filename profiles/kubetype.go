package profiles

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var (
	quantityType = reflect.TypeFor[resource.Quantity]()
	intstrType   = reflect.TypeFor[intstr.IntOrString]()
	durationType = reflect.TypeFor[metav1.Duration]()
	timeType     = reflect.TypeFor[metav1.Time]()
	microType    = reflect.TypeFor[metav1.MicroTime]()
	bytesType    = reflect.TypeFor[[]byte]()
)

// jsonFields returns the fields of a struct by JSON name, including those of inlined structs.
func jsonFields(t reflect.Type) map[string]reflect.StructField {
	out := map[string]reflect.StructField{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case name == "" && (f.Anonymous || strings.Contains(opts, "inline")):
			maps.Copy(out, jsonFields(f.Type))
		case name != "":
			out[name] = f
		}
	}
	return out
}

// typeCheck reports every mismatch between a value and a Go type of the Kubernetes API: unknown keys, with the nearest known
// one, and wrong types. extra are additional keys allowed at the top level.
type typeCheck struct {
	p     *problems
	extra []string
}

func (c typeCheck) check(it *item, pos position, t reflect.Type, path keyPath) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if it == nil || (it.value == nil && !it.isMap() && !it.isList) {
		return // null is "not set"
	}
	if c.special(it, t, path) {
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		c.structure(it, pos, t, path)
	case reflect.Map:
		if !it.isMap() {
			c.p.at(it.pos, path, "", "must be a mapping")
			return
		}
		for _, k := range it.keys {
			typeCheck{p: c.p}.check(it.fields[k], it.keyPos[k], t.Elem(), path.with(k))
		}
	case reflect.Slice:
		if !it.isList {
			c.p.at(it.pos, path, "", "must be a list")
			return
		}
		for i, e := range it.list {
			typeCheck{p: c.p}.check(e, e.pos, t.Elem(), path.with(index(it.original(i))))
		}
	default:
		c.scalar(it, t, path)
	}
}

func (c typeCheck) structure(it *item, _ position, t reflect.Type, path keyPath) {
	if !it.isMap() {
		c.p.at(it.pos, path, "", "must be a mapping (%s)", t.Name())
		return
	}
	fields := jsonFields(t)
	for _, k := range slices.Clone(it.keys) {
		f, ok := fields[k]
		switch {
		case ok:
			typeCheck{p: c.p}.check(it.fields[k], it.keyPos[k], f.Type, path.with(k))
		case slices.Contains(c.extra, k):
		default:
			known := append(slices.Collect(maps.Keys(fields)), c.extra...)
			at := path.with(k)
			c.p.say(damage{pos: it.keyPos[k], path: at, rename: Nearest(k, known)}, Error{
				Path: at.String(), Message: "unknown key in a Kubernetes " + t.Name(), Hint: didYouMean(k, known),
			})
		}
	}
}

// special checks types with their own JSON encoding. It reports whether t is one of them.
func (c typeCheck) special(it *item, t reflect.Type, path keyPath) bool {
	s := scalarString(it)
	bad := func(hint, format string, args ...any) bool { c.p.at(it.pos, path, hint, format, args...); return true }
	switch t {
	case quantityType:
		if _, err := resource.ParseQuantity(s); err != nil || s == "" {
			return bad("write for example 100m, 64Mi or 2", "%q is not a quantity", s)
		}
	case intstrType:
		switch it.value.(type) {
		case int, int64, uint64, string:
		default:
			return bad("", "must be a whole number or a name")
		}
	case durationType:
		if _, err := time.ParseDuration(s); err != nil {
			return bad("write for example 10s", "%q is not a duration", s)
		}
	case timeType, microType:
		if _, err := time.Parse(time.RFC3339, s); err != nil {
			return bad("write for example 2026-01-02T15:04:05Z", "%q is not a time", s)
		}
	case bytesType:
		if _, err := base64.StdEncoding.DecodeString(s); err != nil {
			return bad("", "must be base64")
		}
	default:
		return false
	}
	return true
}

func (c typeCheck) scalar(it *item, t reflect.Type, path keyPath) {
	if it.isMap() || it.isList {
		c.p.at(it.pos, path, "", "must be a %s", kindName(t.Kind()))
		return
	}
	s, isString := it.value.(string)
	switch t.Kind() {
	case reflect.String:
		if !isString {
			c.p.at(it.pos, path, "write it in quotes", "must be a string")
		}
	case reflect.Bool:
		if _, ok := it.value.(bool); !ok && !(it.replaced && isBool(s)) {
			c.p.at(it.pos, path, "", "must be true or false%s", replacement(it))
		}
	case reflect.Int, reflect.Int32, reflect.Int64:
		if n, ok := wholeNumber(it.value, it.replaced); !ok || (t.Kind() == reflect.Int32 && (n > math.MaxInt32 || n < math.MinInt32)) {
			c.p.at(it.pos, path, "", "must be a whole number%s", replacement(it))
		}
	}
}

// replacement tells the value of a text in which variables were substituted, "" for other values.
func replacement(it *item) string {
	if it == nil || !it.replaced {
		return ""
	}
	return fmt.Sprintf(", but is %q", fmt.Sprint(it.value))
}

func scalarString(it *item) string {
	switch v := it.value.(type) {
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

func isBool(s string) bool { return s == "true" || s == "false" }

// wholeNumber accepts a string only if a variable was substituted in it: the result is always a string.
func wholeNumber(v any, replaced bool) (int64, bool) {
	switch n := v.(type) {
	case int:
		return int64(n), true
	case int64:
		return n, true
	case uint64:
		return int64(n), n <= math.MaxInt64
	case float64:
		return int64(n), n == math.Trunc(n) && math.Abs(n) < 1<<53
	case string:
		i, err := strconv.ParseInt(n, 10, 64)
		return i, err == nil && replaced
	}
	return 0, false
}

func kindName(k reflect.Kind) string {
	switch k {
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	}
	return "number"
}
