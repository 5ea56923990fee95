package ui

import "testing"

func TestPaintAndSize(t *testing.T) {
	plain, coloured := &Streams{}, &Streams{Color: true}
	if plain.Paint(Red, "x") != "x" || coloured.Paint(Red, "x") != "\x1b[31mx\x1b[0m" || coloured.Paint(Red, "") != "" {
		t.Error("colours")
	}
	if c, r := plain.Size(); c != 80 || r != 24 {
		t.Errorf("%d by %d", c, r)
	}
	t.Setenv("NO_COLOR", "1")
	t.Setenv("TERM", "xterm")
	if st := System(); st.Color || st.Dumb || st.Err == nil {
		t.Error("NO_COLOR is not honoured")
	}
	t.Setenv("TERM", "dumb")
	if st := System(); !st.Dumb {
		t.Error("TERM=dumb is not honoured")
	}
}
