//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	readmeBegin = "<!-- made by `make bench-readme`: begin -->"
	readmeEnd   = "<!-- made by `make bench-readme`: end -->"
	// published is the result that README's table shows, in the repository.
	published = "scripts/bench.d/published.json"
	// unpublished stands in the place of the table while there is no such file.
	unpublished = "No run has been published yet: `make bench`, then `make bench-readme`.\n"
)

// publish makes a result the one that README's table shows: it copies the file into the repository and writes the table.
func publish(root, path string) error {
	res, err := readResult(path)
	if err != nil {
		return err
	}
	readme := filepath.Join(root, "README.md")
	text, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	changed, err := replaceBlock(string(text), res.markdown())
	if err != nil {
		return fmt.Errorf("cannot write the table into %s: %w", readme, err)
	}
	if err := res.write(filepath.Join(root, published)); err != nil {
		return err
	}
	return os.WriteFile(readme, []byte(changed), 0o644)
}

// block returns what stands between the two markers of a text.
func block(text string) (string, error) {
	_, rest, found := strings.Cut(text, readmeBegin+"\n")
	inside, _, closed := strings.Cut(rest, readmeEnd)
	if !found || !closed {
		return "", fmt.Errorf("there is no line %q followed by a line %q", readmeBegin, readmeEnd)
	}
	return inside, nil
}

// replaceBlock replaces what stands between the two markers.
func replaceBlock(text, by string) (string, error) {
	old, err := block(text)
	if err != nil {
		return "", err
	}
	return strings.Replace(text, readmeBegin+"\n"+old+readmeEnd, readmeBegin+"\n"+by+readmeEnd, 1), nil
}

// markdown is README's table. Rows without a peer have the target's limit beside them, so that the number means something.
func (res *Result) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| what | lyandev | peer | ratio | goal | |\n|---|---|---|---|---|---|\n")
	for _, r := range res.Rows {
		if len(r.Ours) == 0 {
			continue
		}
		peer := r.theirs()
		if r.Peer != "" {
			peer = strings.TrimSpace(r.Peer + " " + peer)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.What, r.ours(), peer, r.quotient(), r.target(), r.met())
	}
	fmt.Fprintf(&b, "\nMedians of at least %d runs; ± is the largest distance of a run from the median. %s.\n", res.Runs, res.heading())
	return b.String()
}
