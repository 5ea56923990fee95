package engine

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

// TestAttachTyping: what is typed reaches the process, in a terminal of the size that was set, and its answer comes back.
func TestAttachTyping(t *testing.T) {
	b := newBench(t)
	id, err := b.CreateContainer(b.ctx, ContainerSpec{Name: b.name + "-a", Image: testImage, Labels: b.labels(), Exact: &Exact{
		Config: container.Config{
			Entrypoint: []string{"sh", "-c", `read -r x; echo "got $x"; stty size; exit 4`}, Tty: true, OpenStdin: true,
		},
	}})
	b.must(err)
	in, typed := io.Pipe()
	var out bytes.Buffer
	wait, err := b.Attach(b.ctx, id, AttachOptions{Stdin: in, Stdout: &out})
	b.must(err)
	end, err := b.Wait(b.ctx, id, UntilNextExit)
	b.must(err)
	b.must(b.StartContainer(b.ctx, id))
	b.must(b.ResizeTTY(b.ctx, id, 101, 33))
	if _, err := io.WriteString(typed, "hello\n"); err != nil {
		t.Fatal(err)
	}
	b.must(wait())
	b.must(typed.Close())
	if e := <-end; e.ExitCode != 4 || e.Err != nil {
		t.Errorf("end %+v", e)
	}
	if text := out.String(); !strings.Contains(text, "got hello") || !strings.Contains(text, "33 101") {
		t.Errorf("output %q", text)
	}
}

// TestStatsOfALoop measures a process that does nothing but run.
func TestStatsOfALoop(t *testing.T) {
	b := newBench(t)
	id := b.run(ContainerSpec{Network: "bridge"}, "while :; do :; done")
	for {
		before, err := b.Stats(b.ctx, id)
		b.must(err)
		time.Sleep(100 * time.Millisecond)
		after, err := b.Stats(b.ctx, id)
		b.must(err)
		if after.CPUNanos > before.CPUNanos && after.SystemNanos > before.SystemNanos && after.Memory > 0 && after.PIDs == 1 &&
			after.CPUs > 0 && after.MemoryLimit >= after.Memory {
			return
		}
		b.must(b.ctx.Err())
	}
}
