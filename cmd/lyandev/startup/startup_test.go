package startup

import (
	"math"
	"os"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

// TestDoneRestores: what init changed is as before when the process goes on.
func TestDoneRestores(t *testing.T) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		t.Setenv("GOGC", "")
		t.Setenv("GOMEMLIMIT", "")
		relax()
	}
	synctest.Test(t, func(t *testing.T) {
		if got := os.Getenv(procVariable); got != noProc {
			t.Errorf("%s is %q before Done", procVariable, got)
		}
		Done()
		if got, set := os.LookupEnv(procVariable); got != hostProc || set != hostProcSet {
			t.Errorf("%s is %q after Done, was %q", procVariable, got, hostProc)
		}
		if limit := debug.SetMemoryLimit(-1); limit != memoryLimit {
			t.Errorf("the memory limit is %d at once", limit)
		}
		time.Sleep(settleAfter)
		synctest.Wait()
		growth := debug.SetGCPercent(100)
		if limit := debug.SetMemoryLimit(-1); growth != 100 || limit != math.MaxInt64 {
			t.Errorf("a second later: growth %d, limit %d", growth, limit)
		}
	})
}

// TestChosenSettingsStay: the collector's settings of the user are not changed.
func TestChosenSettingsStay(t *testing.T) {
	t.Setenv("GOGC", "50")
	before := debug.SetGCPercent(50)
	defer debug.SetGCPercent(before)
	relax()
	settle()
	if got := debug.SetGCPercent(50); got != 50 {
		t.Errorf("the heap growth is %d", got)
	}
}
