//go:build unix

package main

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// compareFiles prints how the figures of a second result differ from those of a first.
func compareFiles(w io.Writer, before, after string) error {
	a, err := readResult(before)
	if err != nil {
		return err
	}
	b, err := readResult(after)
	if err != nil {
		return err
	}
	compareResults(w, a, b)
	return nil
}

// compareResults prints a line for each row that both results have. CHANGE is that of lyandev's median; "~" means that the runs do
// not differ more than by chance (Mann-Whitney U test, p >= 0.05). A change of the machine shows in the peer's column too.
func compareResults(w io.Writer, a, b *Result) {
	fmt.Fprintf(w, "A  %s\nB  %s\n", a.heading(), b.heading())
	if a.Machine != b.Machine || a.Engine != b.Engine {
		fmt.Fprintln(w, "A and B were measured on different machines or engines: only the ratios to the peer can be compared.")
	}
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(tw, "\nROW\tA\tB\tCHANGE\t\tPEER\tRATIO A\tRATIO B")
	var missing []string
	for _, ra := range a.Rows {
		rb := b.row(ra.Key)
		if rb == nil || len(ra.Ours) == 0 || len(rb.Ours) == 0 {
			missing = append(missing, ra.Key)
			continue
		}
		change, why := changeOf(ra.Ours, rb.Ours, ra.More)
		peer, _ := changeOf(ra.Theirs, rb.Theirs, ra.More)
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", ra.Key, ra.ours(), rb.ours(), change, why, peer, ra.quotient(), rb.quotient())
	}
	_ = tw.Flush()
	for _, rb := range b.Rows {
		if a.row(rb.Key) == nil {
			missing = append(missing, rb.Key)
		}
	}
	for _, key := range missing {
		fmt.Fprintf(w, "%s: only one of the results has it\n", key)
	}
}

// changeOf says how the median changed, and why one may believe it: "-12 %", "better, p=0.008 n=5+5".
func changeOf(a, b []float64, more bool) (change, why string) {
	if len(a) == 0 || len(b) == 0 {
		return "", ""
	}
	p := mannWhitney(a, b)
	why = fmt.Sprintf("p=%.3f n=%d+%d", p, len(a), len(b))
	if p >= significance {
		if len(a) < 4 || len(b) < 4 {
			why += ", too few runs"
		}
		return "~", why
	}
	ma, mb := median(a), median(b)
	word := "worse, "
	if (mb > ma) == more {
		word = "better, "
	}
	if ma == 0 {
		return fmt.Sprintf("%+.3g", mb-ma), word + why
	}
	return fmt.Sprintf("%+.1f %%", 100*(mb-ma)/math.Abs(ma)), word + why
}
