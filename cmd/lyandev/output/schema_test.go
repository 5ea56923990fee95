package output

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

type inner struct {
	Port int `json:"port"`
}

type base struct {
	Name  string  `json:"name"`
	Note  string  `json:"note,omitempty"`
	Inner []inner `json:"inner"`
}

// TestBroken: what programs can no longer rely on is said; what is added is not.
func TestBroken(t *testing.T) {
	for _, tc := range []struct {
		name string
		now  any
		want string
	}{
		{"the same", base{}, ""},
		{"an added key", struct {
			base
			More string `json:"more"`
		}{}, ""},
		{"a key is gone", struct {
			Name  string  `json:"name"`
			Inner []inner `json:"inner"`
		}{}, ".note is gone"},
		{"another name", struct {
			Name  string  `json:"title"`
			Note  string  `json:"note,omitempty"`
			Inner []inner `json:"inner"`
		}{}, ".name is gone"},
		{"another type", struct {
			Name  int     `json:"name"`
			Note  string  `json:"note,omitempty"`
			Inner []inner `json:"inner"`
		}{}, ".name: type was string and is integer"},
		{"may be missing", struct {
			Name  string  `json:"name,omitempty"`
			Note  string  `json:"note,omitempty"`
			Inner []inner `json:"inner"`
		}{}, ".name may be missing now"},
		{"may be null", struct {
			Name  *string `json:"name"`
			Note  string  `json:"note,omitempty"`
			Inner []inner `json:"inner"`
		}{}, ".name: it may be null now"},
		{"within a list", struct {
			Name  string `json:"name"`
			Note  string `json:"note,omitempty"`
			Inner []struct {
				Port string `json:"port"`
			} `json:"inner"`
		}{}, ".inner[].port: type was integer and is string"},
		{"a list becomes an object", struct {
			Name  string `json:"name"`
			Note  string `json:"note,omitempty"`
			Inner inner  `json:"inner"`
		}{}, ".inner: type was array and is object"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := Schemas(map[string]any{"old": base{}, "now": tc.now})
			got, err := Broken(s["old"], s["now"])
			if err != nil || strings.Join(got, "|") != tc.want {
				t.Errorf("got %q (%v), want %q", got, err, tc.want)
			}
		})
	}
}

type tree struct {
	At       time.Time     `json:"at"`
	Took     time.Duration `json:"took"`
	Children []*tree       `json:"children,omitempty"`
	Pod      *corev1.Pod   `json:"pod,omitempty"`
	hidden   int
}

// TestSchemaOfARecursiveType: a type may contain itself; objects of Kubernetes are named, not described.
func TestSchemaOfARecursiveType(t *testing.T) {
	var s struct {
		Defs map[string]struct {
			Properties map[string]map[string]any
			Required   []string
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Schemas(map[string]any{"t": []tree{{hidden: 1}}})["t"], &s); err != nil {
		t.Fatal(err)
	}
	p := s.Defs["tree"].Properties
	if p["at"]["format"] != "date-time" || p["took"]["type"] != "integer" || p["pod"]["description"] != "Kubernetes' api/core/v1.Pod" || len(p) != 4 ||
		strings.Join(s.Defs["tree"].Required, " ") != "at took" {
		t.Errorf("%+v", s)
	}
}
