package api

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/lyandev/lyandev/supervisor/state"
)

// TestTheSocketIsMadeAgain: after its file was removed, a client that comes later is answered, and one that watches goes on.
func TestTheSocketIsMadeAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in", "sock")
	l, err := ListenSocket(path)
	ok(t, err)
	f := &fake{store: state.NewStore(&state.Status{Project: "shop"}), events: state.NewEvents()}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, f, slog.New(slog.DiscardHandler)) }()
	before, after := NewClient(path), NewClient(path)
	defer before.http.CloseIdleConnections()
	defer after.http.CloseIdleConnections()
	if made, err := l.Restore(); made || err != nil {
		t.Fatalf("made again though it was there: %t, %v", made, err)
	}
	seen := 0
	err = before.WatchState(t.Context(), func(*state.Status) bool {
		seen++
		if seen == 2 {
			return false
		}
		ok(t, os.RemoveAll(filepath.Dir(path)))
		if after.Alive(t.Context()) {
			t.Error("a socket without a file answers")
		}
		made, err := l.Restore()
		if !made || err != nil {
			t.Errorf("not made again: %t, %v", made, err)
		}
		if _, err := after.State(t.Context()); err != nil {
			t.Errorf("nobody answers on it: %v", err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		f.store.Publish(&state.Status{Project: "shop"})
		return true
	})
	ok(t, err)
	cancel()
	ok(t, <-done)
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket's file is left: %v", err)
	}
}

// TestCloseLeavesTheSocketOfAnother: a supervisor that ends does not take away the socket of the one after it.
func TestCloseLeavesTheSocketOfAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in", "sock")
	first, err := ListenSocket(path)
	ok(t, err)
	ok(t, os.RemoveAll(filepath.Dir(path)))
	second, err := ListenSocket(path)
	ok(t, err)
	defer second.Close()
	ok(t, first.Close())
	if !second.ours() {
		t.Error("the second one's socket is gone")
	}
}
