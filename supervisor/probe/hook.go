package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// RunHook runs a postStart or preStop hook of a container and blocks until it is done or ctx ends; nil is success (R96).
// Commands are not expanded (R22) and have no timeout; a non-zero exit code is an error with the output. Any answer to httpGet
// is success. tcpSocket is accepted by the API and always fails (R39).
func (d Deps) RunHook(ctx context.Context, hook *corev1.LifecycleHandler, c *corev1.Container, t Target) error {
	switch {
	case hook.Exec != nil:
		return d.hookExec(ctx, hook.Exec.Command, t)
	case hook.HTTPGet != nil:
		return d.hookHTTP(ctx, hook.HTTPGet, c, t)
	case hook.Sleep != nil:
		return hookSleep(ctx, time.Duration(hook.Sleep.Seconds)*time.Second)
	}
	return errors.New("cannot run hook: it has none of exec, httpGet and sleep")
}

func (d Deps) hookExec(ctx context.Context, cmd []string, t Target) error {
	exit, output, err := d.Exec.Exec(ctx, t.ContainerID, cmd, 0)
	if err != nil {
		return fmt.Errorf("cannot run hook command %q: %w", strings.Join(cmd, " "), err)
	}
	if exit != 0 {
		return fmt.Errorf("command '%s' exited with %d: %s", strings.Join(cmd, " "), exit, output[:min(len(output), maxOutput)])
	}
	return nil
}

func (d Deps) hookHTTP(ctx context.Context, a *corev1.HTTPGetAction, c *corev1.Container, t Target) error {
	req, err := httpRequest(ctx, a, c, t.PodIP, hookAgent)
	if err != nil {
		return fmt.Errorf("cannot run hook: %w", err)
	}
	client := httpClient(d.Dialer, 0)
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if plainHTTP(err) {
		// If the server does not support TLS, retry over plain HTTP, without the credentials meant for TLS.
		req = req.Clone(ctx)
		req.URL.Scheme = "http"
		req.Header.Del("Authorization")
		resp, err = client.Do(req)
	}
	if err != nil {
		return fmt.Errorf("cannot run hook: %w", err)
	}
	defer resp.Body.Close()
	// Any answer is success. The body is read only so that the server can finish; errors are ignored.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxOutput))
	return nil
}

// plainHTTP reports whether an HTTPS request was answered in plain HTTP.
func plainHTTP(err error) bool { return errors.Is(err, http.ErrSchemeMismatch) }

func hookSleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("cannot finish hook's sleep of %s: %w", d, context.Cause(ctx))
	}
}
