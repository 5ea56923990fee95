package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"
)

// Errors for errors.Is.
var (
	// ErrExecTimeout means that a command was killed at its timeout.
	ErrExecTimeout = errors.New("command timed out")
	// ErrExecNotStarted means that the engine could not start the command (no such file, container gone or paused). It is not a
	// failure of the command (R53).
	ErrExecNotStarted = errors.New("command could not be started")
	// ErrNoAnswer means that the engine accepted the call and did not answer in time: it hangs.
	ErrNoAnswer = errors.New("the Docker engine did not answer")
	// ErrUnsupported means that the engine is too old for the request.
	ErrUnsupported = errors.New("not supported by this Docker engine")
)

// IsNotFound reports that the object does not exist.
func IsNotFound(err error) bool { return errdefs.IsNotFound(err) }

// IsConflict reports a name in use, or an operation that is already in progress.
func IsConflict(err error) bool { return errdefs.IsConflict(err) || errdefs.IsAlreadyExists(err) }

// IsInvalid reports that the engine refused the request as invalid: the same request is refused again. For mounts that it looks at
// late, Docker answers 500 with this text.
func IsInvalid(err error) bool {
	return errdefs.IsInvalidArgument(err) || err != nil && strings.Contains(err.Error(), "invalid mount config")
}

// IsPortTaken reports that a published port could not be bound. Docker has no error class for that (20.10 to 28 answer 500
// with the text of bind(2)), so this one matches text.
func IsPortTaken(err error) bool {
	if err == nil {
		return false
	}
	return strings.Contains(err.Error(), "address already in use") || strings.Contains(err.Error(), "port is already allocated")
}

// IsOverlap reports that a subnet overlaps another network's ("Pool overlaps with other one on this address space",
// 403 on 20.10, 400 on newer engines).
func IsOverlap(err error) bool {
	return err != nil && strings.Contains(err.Error(), "verlap")
}

// IsUnavailable reports that the engine did not answer: it is down, restarting or hanging, or the connection broke. The call can
// be retried after a reconnect.
func IsUnavailable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	var op *net.OpError
	return errors.Is(err, ErrNoAnswer) || client.IsErrConnectionFailed(err) || errdefs.IsUnavailable(err) || errors.As(err, &op) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("cannot %s: %w", fmt.Sprintf(format, args...), err)
}
