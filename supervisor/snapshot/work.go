package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Command is the hidden command of lyandev that works on volumes inside the porter's container. It reads Requests and
// answers each with a Reply, a line each, until its input ends: starting a process there takes longer than most of the work.
const Command = "copy-volume"

// Request is one piece of work.
type Request struct {
	// Do is "copy" (Src, Dst), "seal" (Dst), "fill" (Src or "", Dst, Sum, Lead), "seed" (Src, Dst, Sum, Lead,
	// Detach), "swap" (Dst) or "abandon" (Dst).
	Do   string `json:"do"`
	Src  string `json:"src,omitempty"`
	Dst  string `json:"dst"`
	Sum  string `json:"sum,omitempty"`
	Lead bool   `json:"lead,omitempty"`
	// Detach is for volumes of another instance: a MariaDB slave forgets its master.
	Detach bool `json:"detach,omitempty"`
}

// Reply says what was done, or why not.
type Reply struct {
	Copied
	Error string `json:"error,omitempty"`
}

// Serve works off requests until in ends.
func Serve(in io.Reader, out io.Writer) error {
	dec, enc := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var q Request
		if err := dec.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("cannot read what to do: %w", err)
		}
		var r Reply
		var err error
		if r.Copied, err = do(q); err != nil {
			r.Error = err.Error()
		}
		if err := enc.Encode(r); err != nil {
			return fmt.Errorf("cannot say what was done: %w", err)
		}
	}
}

func do(q Request) (Copied, error) {
	switch q.Do {
	case "copy":
		return Copy(q.Src, q.Dst)
	case "seal":
		return Seal(q.Dst)
	case "fill":
		return Fill(q.Src, q.Dst, q.Sum, q.Lead)
	case "seed":
		return seed(q.Src, q.Dst, q.Sum, q.Lead, q.Detach)
	case "swap":
		return Copied{}, Swap(q.Dst)
	case "abandon":
		return Copied{}, Abandon(q.Dst)
	}
	return Copied{}, fmt.Errorf("cannot do %q", q.Do)
}
