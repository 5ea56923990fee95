package enginefake

import (
	"fmt"

	"github.com/containerd/errdefs"
)

// classed is an error of one of errdefs' classes with Docker's own text.
type classed struct {
	class error
	text  string
}

func (e *classed) Error() string { return "Error response from daemon: " + e.text }
func (e *classed) Unwrap() error { return e.class }

func fail(class error, format string, args ...any) error {
	return &classed{class: class, text: fmt.Sprintf(format, args...)}
}

func errNotFound(format string, args ...any) error { return fail(errdefs.ErrNotFound, format, args...) }

func errConflict(format string, args ...any) error { return fail(errdefs.ErrConflict, format, args...) }

func errInvalid(format string, args ...any) error {
	return fail(errdefs.ErrInvalidArgument, format, args...)
}

func errInternal(format string, args ...any) error { return fail(errdefs.ErrInternal, format, args...) }

func errForbidden(format string, args ...any) error {
	return fail(errdefs.ErrPermissionDenied, format, args...)
}

func errUnavailable(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), errdefs.ErrUnavailable)
}

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("cannot %s: %w", fmt.Sprintf(format, args...), err)
}

func short(id string) string {
	if len(id) == 64 {
		return id[:12]
	}
	return id
}
