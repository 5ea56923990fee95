package timeline

import (
	"context"
	"time"
)

type contextKey struct{}

// place is where spans of a context go: the recorder and the pod that they are for.
type place struct {
	recorder *Recorder
	pod      string
}

// With returns a context whose spans go to a recorder; pod is the pod that they are for, "" for none.
func With(ctx context.Context, r *Recorder, pod string) context.Context {
	if r == nil {
		return ctx
	}
	return context.WithValue(ctx, contextKey{}, place{r, pod})
}

// PodOf is the pod of With, "" if there is none.
func PodOf(ctx context.Context) string { return placeOf(ctx).pod }

func placeOf(ctx context.Context) place {
	p, _ := ctx.Value(contextKey{}).(place)
	return p
}

// Begin begins a span about the pod of a context. The returned function ends it; it may be given a detail in the place of the one given
// here. Without a recorder in the context nothing is recorded.
func Begin(ctx context.Context, kind Kind, name, detail string) (end func(detail ...string)) {
	p := placeOf(ctx)
	return p.recorder.Begin(Span{Kind: kind, Name: name, Object: p.pod, Detail: detail})
}

// Begin begins a span now. The returned function ends it; it may be given a detail in the place of the span's.
func (r *Recorder) Begin(s Span) (end func(detail ...string)) {
	if r == nil {
		return func(...string) {}
	}
	s.Start = time.Now()
	return func(detail ...string) {
		s.End = time.Now()
		for _, d := range detail {
			s.Detail = d
		}
		r.Add(s)
	}
}

// Add records a span about the pod of a context that has ended now.
func Add(ctx context.Context, s Span) {
	p := placeOf(ctx)
	if p.recorder == nil {
		return
	}
	s.Object, s.End = p.pod, time.Now()
	p.recorder.Add(s)
}
