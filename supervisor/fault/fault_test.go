package fault

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/docker/docker/api/types/network"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// world is an engine of containers that can be paused and cut off.
type world struct {
	paused, off map[string]bool
	fails       bool
}

var errRefused = errors.New("refused")

func (w *world) InspectContainer(_ context.Context, id string) (engine.Container, error) {
	c := engine.Container{ID: id, State: engine.StateRunning, IPs: map[string]netip.Addr{}}
	if w.paused[id] {
		c.State = engine.StatePaused
	}
	if !w.off[id] {
		c.IPs["net"] = netip.MustParseAddr("10.0.0.1")
	}
	return c, nil
}

func (w *world) UnpauseContainer(_ context.Context, id string) error {
	if w.fails {
		return errRefused
	}
	if !w.paused[id] {
		return errors.New("it is not paused")
	}
	delete(w.paused, id)
	return nil
}

func (w *world) ConnectNetwork(_ context.Context, _, id string, settings network.EndpointSettings) error {
	if settings.IPAMConfig == nil || settings.IPAMConfig.IPv4Address != "10.0.0.9" {
		return errors.New("another address")
	}
	delete(w.off, id)
	return nil
}

func both() (*world, []Fault) {
	return &world{paused: map[string]bool{"a": true}, off: map[string]bool{"b": true}}, []Fault{
		{Kind: Paused, Container: "a"}, {Kind: Cut, Container: "b", Network: "net", IP: netip.MustParseAddr("10.0.0.9")},
	}
}

func TestUndo(t *testing.T) {
	w, faults := both()
	for range 2 { // what is whole already is no error
		if err := Undo(t.Context(), w, faults); err != nil {
			t.Fatal(err)
		}
		if len(w.paused)+len(w.off) != 0 {
			t.Errorf("left: %+v", w)
		}
	}
}

func TestOverdue(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		until time.Time
		alive bool
		undo  bool
	}{
		"its process works on":     {now.Add(time.Minute), true, false},
		"its process is gone":      {now.Add(time.Minute), false, true},
		"its time is over, though": {now.Add(-time.Second), true, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			w, faults := both()
			forget, err := Remember(dir, "drill", c.until, faults)
			if err != nil {
				t.Fatal(err)
			}
			alive := func(pid int) bool { return c.alive && pid == os.Getpid() }
			if cuts := Cuts(dir, now, alive); cuts[faults[1].Container] == c.undo || cuts[faults[0].Container] && faults[0].Kind != Cut {
				t.Errorf("disconnected on purpose: %v", cuts)
			}
			undone, err := Overdue(t.Context(), w, dir, now, alive)
			if err != nil || (len(undone) == 2) != c.undo || (len(w.paused) == 0) != c.undo {
				t.Errorf("undone %v, %v, %+v", undone, err, w)
			}
			files, _ := filepath.Glob(filepath.Join(dir, "*"))
			if (len(files) == 0) != c.undo {
				t.Errorf("records: %v", files)
			}
			forget()
			if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 0 {
				t.Errorf("not forgotten: %v", files)
			}
		})
	}
}

func TestOverdueTriesAgain(t *testing.T) {
	dir := t.TempDir()
	w, faults := both()
	if _, err := Remember(dir, "snapshot", time.Now(), faults); err != nil {
		t.Fatal(err)
	}
	gone := func(int) bool { return false }
	w.fails = true
	if _, err := Overdue(t.Context(), w, dir, time.Now(), gone); !errors.Is(err, errRefused) {
		t.Errorf("got %v", err)
	}
	w.fails = false
	if _, err := Overdue(t.Context(), w, dir, time.Now(), gone); err != nil || len(w.paused) != 0 {
		t.Errorf("the second time: %v, %+v", err, w)
	}
	if err := os.WriteFile(filepath.Join(dir, prefix+"drill-1"+suffix), []byte(`{"pid`), 0o600); err != nil {
		t.Fatal(err)
	}
	if undone, err := Overdue(t.Context(), w, dir, time.Now(), gone); err != nil || len(undone) != 0 {
		t.Errorf("a torn record: %v, %v", undone, err)
	}
}

func TestAlive(t *testing.T) {
	if !Alive(os.Getpid()) || Alive(0) || Alive(1<<30) {
		t.Error("Alive does not know who lives")
	}
}
