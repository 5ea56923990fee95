//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestMedianAndSpread(t *testing.T) {
	for _, c := range []struct {
		values         []float64
		median, spread float64
	}{
		{[]float64{3}, 3, 0},
		{[]float64{5, 1, 4, 2}, 3, 2.0 / 3},
		{[]float64{9, 10, 12}, 10, 0.2},
		{[]float64{0, 0, 0}, 0, 0},
		{[]float64{-4, -4, -2}, -4, 0.5},
	} {
		if got := median(c.values); got != c.median {
			t.Errorf("the median of %v is %v, want %v", c.values, got, c.median)
		}
		if got := spread(c.values); math.Abs(got-c.spread) > 1e-9 {
			t.Errorf("the spread of %v is %v, want %v", c.values, got, c.spread)
		}
	}
	if !math.IsNaN(median(nil)) || !math.IsNaN(spread(nil)) || !math.IsNaN(spread([]float64{0, 0, 1})) {
		t.Error("without values, and around a median of 0, there is no number")
	}
}

// The values without ties are those of tables of the exact distribution (n = 5: 2/252, 4/252; n = 3: 2/20); those with ties were
// counted by hand: of the 6 ways to choose 2 of the ranks 1, 2.5, 2.5, 4 two are as far from the mean as 1 + 2.5.
func TestMannWhitney(t *testing.T) {
	for _, c := range []struct {
		a, b []float64
		p    float64
	}{
		{[]float64{1, 2, 3, 4, 5}, []float64{6, 7, 8, 9, 10}, 2.0 / 252},
		{[]float64{6, 7, 8, 9, 10}, []float64{1, 2, 3, 4, 5}, 2.0 / 252},
		{[]float64{1, 2, 3, 4, 6}, []float64{5, 7, 8, 9, 10}, 4.0 / 252},
		{[]float64{1, 2, 3}, []float64{4, 5, 6}, 0.1},
		{[]float64{1, 2}, []float64{2, 3}, 4.0 / 6},
		{[]float64{7, 7, 7}, []float64{7, 7, 7}, 1},
		{nil, []float64{1}, 1},
	} {
		if got := mannWhitney(c.a, c.b); math.Abs(got-c.p) > 1e-9 {
			t.Errorf("p of %v and %v is %v, want %v", c.a, c.b, got, c.p)
		}
	}
}

func TestGrowth(t *testing.T) {
	x := []float64{30, 100, 300}
	for _, c := range []struct {
		y    []float64
		want float64
	}{
		{[]float64{3, 10, 30}, 1},
		{[]float64{900, 10000, 90000}, 2},
		{[]float64{5, 5, 5}, 0},
	} {
		if got := growth(x, c.y); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v grows with exponent %v, want %v", c.y, got, c.want)
		}
	}
	if !math.IsNaN(growth(x[:1], x[:1])) {
		t.Error("one point does not grow")
	}
}

func rowWith(target *Target, more bool, ours, theirs []float64) *Row {
	return &Row{RowSpec: RowSpec{Key: "k", What: "`up`", Unit: "s", Peer: compose, Target: target, More: more}, Ours: ours, Theirs: theirs}
}

func TestTargets(t *testing.T) {
	for _, c := range []struct {
		name string
		row  *Row
		want string
	}{
		{"ratio met", rowWith(ratioOf(0.5), false, []float64{2}, []float64{4}), "met"},
		{"ratio missed", rowWith(ratioOf(0.5), false, []float64{3}, []float64{4}), "missed"},
		{"ratio without a peer", rowWith(ratioOf(0.5), false, []float64{3}, nil), ""},
		{"value met", rowWith(valueOf(3), false, []float64{3}, nil), "met"},
		{"more is better", rowWith(ratioOf(0.9), true, []float64{95}, []float64{100}), "met"},
		{"more is better, missed", rowWith(ratioOf(0.9), true, []float64{80}, []float64{100}), "missed"},
		{"nothing measured", rowWith(valueOf(3), false, nil, nil), ""},
		{"no target", rowWith(nil, false, []float64{3}, nil), ""},
	} {
		if got := c.row.met(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestPeerColumn(t *testing.T) {
	never := rowWith(nil, false, []float64{2}, []float64{15})
	never.AtLeast = true
	if got, ratio := never.theirs(), never.quotient(); got != "> 15.0 s" || ratio != "< 0.13 x" {
		t.Errorf("a lower bound is shown as %q, %q", got, ratio)
	}
	alone := &Row{RowSpec: RowSpec{NoPeer: "nobody else does this"}, Ours: []float64{1}}
	if got := alone.theirs(); got != "none: nobody else does this" {
		t.Errorf("a row without a peer does not say why: %q", got)
	}
	failed := rowWith(nil, false, []float64{1}, nil)
	failed.Error = "the peer failed: there is no Compose"
	if got := failed.theirs(); got != "failed" {
		t.Errorf("a peer that failed is shown as %q", got)
	}
}

// Every row is compared with something or says why not, belongs to a program, and has a key of its own.
func TestRowSpecs(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range rowSpecs {
		if (r.Peer == "") == (r.NoPeer == "") {
			t.Errorf("%s: one of peer %q and reason %q must be set", r.Key, r.Peer, r.NoPeer)
		}
		if r.Peer == "" && r.Target != nil && r.Target.Ratio {
			t.Errorf("%s: a ratio without a peer", r.Key)
		}
		if seen[r.Key] {
			t.Errorf("two rows have the key %s", r.Key)
		}
		seen[r.Key] = true
	}
}

func resultWith(commit string, rows ...*Row) *Result {
	return &Result{Format: formatVersion, Commit: commit, Version: "lyandev 1", Runs: 5, Rows: rows, Machine: Machine{OS: "linux/amd64", CPU: "c", CPUs: 2}, Engine: "20.10"}
}

func TestCompare(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, res *Result) string {
		path := filepath.Join(dir, name)
		if err := res.write(path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	row := func(key string, ours ...float64) *Row {
		r := rowWith(nil, false, ours, []float64{10, 10, 10, 10, 10})
		r.Key = key
		return r
	}
	a := write("a.json", resultWith("aaaa", row("faster", 8, 8.1, 8.2, 8.3, 8.4), row("same", 1, 2, 3, 4, 5), row("slower", 1, 1, 1, 1, 1), row("gone", 1)))
	b := write("b.json", resultWith("bbbb", row("faster", 4, 4.1, 4.2, 4.3, 4.4), row("same", 2, 3, 4, 5, 1), row("slower", 2, 2, 2, 2, 2), row("new", 1)))
	var out bytes.Buffer
	if err := compareFiles(&out, a, b); err != nil {
		t.Fatal(err)
	}
	for _, want := range [][]string{
		{"faster", "8.20 s ±2 %", "4.20 s ±5 %", "-48.8 %", "better, p=0.008 n=5+5", "~", "0.82 x", "0.42 x"},
		{"same", "~", "p=1.000"},
		{"slower", "+100.0 %", "worse, p=0.008"},
		{"gone: only one of the results has it"},
		{"new: only one of the results has it"},
		{"A  commit aaaa, lyandev 1"},
		{"B  commit bbbb, lyandev 1"},
	} {
		if !hasLine(out.String(), want) {
			t.Errorf("no line has %q in:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "different machines") {
		t.Error("the machines are the same")
	}
}

func hasLine(text string, words []string) bool {
	for line := range strings.Lines(text) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			return true
		}
	}
	return false
}

func TestResultOfAnotherFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.json")
	if err := os.WriteFile(path, []byte(`{"format": 99}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readResult(path); err == nil || !strings.Contains(err.Error(), "it has format 99, this program reads 1") {
		t.Errorf("the error is %v", err)
	}
}

func TestAwaitQuiet(t *testing.T) {
	for _, c := range []struct {
		name   string
		force  bool
		loads  []float64 // the last one stays
		after  time.Duration
		loaded bool
		err    string
	}{
		{"quiet", false, []float64{0.1}, 0, false, ""},
		{"unknown", false, []float64{-1}, 0, false, ""},
		{"falls", false, []float64{1.2, 0.7, 0.3}, 2 * loadPoll, false, ""},
		{"never falls", false, []float64{2}, loadPatience, true, "--force"},
		{"forced", true, []float64{2}, 0, true, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			began, n := time.Now(), 0
			var said bytes.Buffer
			_, loaded, err := awaitQuiet(t.Context(), &said, c.force, func() float64 {
				n++
				return c.loads[min(n, len(c.loads))-1]
			})
			if loaded != c.loaded || time.Since(began) != c.after || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: loaded %v after %s: %v", c.name, loaded, time.Since(began), err)
			}
			if waited := c.after > 0 || c.force; waited != (said.Len() > 0) {
				t.Errorf("%s: said %q", c.name, said.String())
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, _, err := awaitQuiet(ctx, new(bytes.Buffer), false, func() float64 { return 2 }); err == nil || ctx.Err() == nil {
			t.Errorf("an interrupted wait ended with %v", err)
		}
	})
}

// README's table is what the published result gives, so nobody has written into it by hand.
func TestReadmeIsGenerated(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	got, err := block(string(text))
	if err != nil {
		t.Fatal(err)
	}
	want := unpublished
	if res, err := readResult(filepath.Base(published)); err == nil {
		want = res.markdown()
	} else if !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("README's table is not that of %s; run `make bench-readme`, or scripts/bench readme %s:\n%s\nwant\n%s", published, published, got, want)
	}
}

func TestPublish(t *testing.T) {
	root := t.TempDir()
	readme := filepath.Join(root, "README.md")
	if err := os.WriteFile(readme, []byte("before\n"+readmeBegin+"\nold\n"+readmeEnd+"\nafter\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "r.json")
	if err := resultWith("abcd", rowWith(ratioOf(0.5), false, []float64{2}, []float64{8})).write(path); err != nil {
		t.Fatal(err)
	}
	if err := publish(root, path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"before\n" + readmeBegin, "| `up` | 2.00 s | Compose 8.00 s | 0.25 x | <= 0.50 x | met |\n", "abcd", readmeEnd + "\nafter\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("README has no %q:\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "old") {
		t.Error("the old table is still there")
	}
	if err := os.WriteFile(readme, []byte("no markers\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := publish(root, path); err == nil || !strings.Contains(err.Error(), "there is no line") {
		t.Errorf("a README without markers: %v", err)
	}
}

func TestCurve(t *testing.T) {
	var rows []*Row
	for _, r := range rowSpecs {
		if r.Program != "scale" {
			continue
		}
		row := &Row{RowSpec: r}
		for _, pods := range scales {
			switch r.Key {
			case scaleKey("up", pods):
				row.Ours, row.Theirs = []float64{float64(pods)}, []float64{float64(2 * pods)}
			case scaleKey("ps", pods):
				row.Ours = []float64{float64(pods * pods)}
			}
		}
		rows = append(rows, row)
	}
	var out bytes.Buffer
	printCurve(&out, rows)
	for _, want := range [][]string{
		{"30 PODS", "100 PODS", "300 PODS"},
		{"up --wait, images built", "30.0 s", "100 s", "300 s", "n^1.00", "linear or better", "0.50 x, 0.50 x, 0.50 x"},
		{"ps", "n^2.00", "MORE than linear"},
	} {
		if !hasLine(out.String(), want) {
			t.Errorf("no line has %q in:\n%s", want, out.String())
		}
	}
}
