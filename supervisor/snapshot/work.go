package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Command is the hidden lyandev command that works on volumes inside the copy container. It reads Requests as JSON lines
// and answers each with a Reply until its input ends.
const Command = "copy-volume"

// Request is one operation on a volume.
type Request struct {
	// Do is "copy" (Src, Dst), "seal" (Dst), "sync" (All), "fill" (Src or "", Dst, Sum, Lead), "seed" (Src, Dst, Sum, Lead,
	// Detach), "swap" (Dst) or "abandon" (Dst).
	Do  string `json:"do"`
	Src string `json:"src,omitempty"`
	Dst string `json:"dst"`
	// All are the volumes of a "sync".
	All  []string `json:"all,omitempty"`
	Sum  string   `json:"sum,omitempty"`
	Lead bool     `json:"lead,omitempty"`
	// Detach removes the master settings of a MariaDB slave, for volumes of another instance.
	Detach bool `json:"detach,omitempty"`
}

// Reply is the result of a Request, or its error.
type Reply struct {
	Copied
	Error string `json:"error,omitempty"`
}

// Serve handles requests until in ends.
func Serve(in io.Reader, out io.Writer) error {
	dec, enc := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var q Request
		if err := dec.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("cannot read the request: %w", err)
		}
		var r Reply
		var err error
		if r.Copied, err = do(context.Background(), q); err != nil {
			r.Error = err.Error()
		}
		if err := enc.Encode(r); err != nil {
			return fmt.Errorf("cannot write the reply: %w", err)
		}
	}
}

// Sync syncs the file systems of volumes to disk, and blocks until that is done.
func Sync(dirs ...string) error {
	var roots []*os.Root
	defer func() {
		for _, r := range roots {
			_ = r.Close()
		}
	}()
	for _, dir := range dirs {
		r, err := os.OpenRoot(dir)
		if err != nil {
			return fmt.Errorf("cannot sync the copy to disk: %w", err)
		}
		roots = append(roots, r)
	}
	if err := syncTrees(roots...); err != nil {
		return fmt.Errorf("cannot sync the copy to disk: %w", err)
	}
	return nil
}

func do(ctx context.Context, q Request) (Copied, error) {
	switch q.Do {
	case "copy":
		return Copy(ctx, q.Src, q.Dst)
	case "seal":
		return Seal(ctx, q.Dst)
	case "sync":
		return Copied{}, Sync(q.All...)
	case "fill":
		return Fill(ctx, q.Src, q.Dst, q.Sum, q.Lead)
	case "seed":
		return seed(ctx, q.Src, q.Dst, q.Sum, q.Lead, q.Detach)
	case "swap":
		return Copied{}, Swap(q.Dst)
	case "abandon":
		return Copied{}, Abandon(q.Dst)
	}
	return Copied{}, fmt.Errorf("unknown operation %q", q.Do)
}
