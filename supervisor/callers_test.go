package supervisor

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/instance"
)

// staticBinary writes the smallest file that is a static Linux binary by its header.
func staticBinary(t *testing.T, dir string) string {
	t.Helper()
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT), Ehsize: 64}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, h); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "binary")
	if err := os.WriteFile(path, b.Bytes(), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestStopDuringAnApply: the stack is stopped while the engine is making something that the first apply has asked for. The engine
// finishes that, as Docker does, some time after the client has lost interest. Nothing may be left when Run has returned: formerly a
// network and the agent's container appeared after the clean-up.
func TestStopDuringAnApply(t *testing.T) {
	root := t.TempDir()
	program := staticBinary(t, root)
	for _, blocked := range []string{"CreateNetwork s_back", "CreateNetwork s_default", "CreateVolume s_data", "InspectImage lyandev/agent", "CreateContainer s-agent", "StartContainer s-agent"} {
		t.Run(blocked, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stopDuring(t, filepath.Join(root, strings.ReplaceAll(blocked, "/", "-")), program, blocked)
			})
		})
	}
}

func stopDuring(t *testing.T, dir, program, blocked string) {
	i, err := (&instance.Registry{Root: dir}).Resolve(t.Context(), "s", dir, "s")
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Save(); err != nil {
		t.Fatal(err)
	}
	eng := enginefake.New()
	eng.AddImage("img:1", enginefake.Image{})
	s := New(Config{Instance: i, Engine: eng, Builder: &build.Builder{}, Binary: program, Log: slog.New(slog.DiscardHandler)})
	reached := make(chan struct{}, 1)
	eng.Inject(func(f *enginefake.Faults) {
		f.Any = func(ctx context.Context, c enginefake.Call) error {
			if !strings.HasPrefix(c.Method+" "+c.Object, blocked) || strings.HasPrefix(c.Method, "Inspect") && len(reached) > 0 {
				return nil
			}
			reached <- struct{}{}
			time.Sleep(30 * time.Second)
			if strings.HasPrefix(c.Method, "Inspect") {
				return ctx.Err()
			}
			return nil
		}
	})
	run, applied := make(chan error, 1), make(chan error, 1)
	go func() { run <- s.Run(t.Context()) }()
	stack := &services.Stack{
		Name: "s", Workloads: []*services.Workload{deployment("web", 1)},
		Networks: []*compose.Network{{Key: "back", Name: "s_back"}}, Volumes: []*compose.Volume{{Key: "data", Name: "s_data"}},
	}
	go func() {
		_, err := s.Apply(t.Context(), stack, ApplyOptions{NoBuild: true, NoWatch: true})
		applied <- err
	}()
	select {
	case <-reached:
	case err := <-applied:
		t.Fatalf("the apply ended early: %v", err)
	}
	s.Stop()
	if err := <-run; err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := <-applied; !errors.Is(err, errStopping) {
		t.Errorf("the apply ended with %v, want: %v", err, errStopping)
	}
	time.Sleep(time.Minute)
	left(t, eng)
	if saved, err := SavedStack(i); err != nil || saved != nil {
		t.Errorf("the stack is still saved as one that runs (%v)", err)
	}
	if _, err := s.Apply(t.Context(), stack, ApplyOptions{NoBuild: true}); !errors.Is(err, errStopping) {
		t.Errorf("an apply after the end: %v", err)
	}
}

// TestApplyWarns: what is not as the file says was told only by an event, which an up shows or not. Each apply says it once.
func TestApplyWarns(t *testing.T) {
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		eng := enginefake.New()
		s := idleOn(t, root, eng)
		s.cfg.Builder = &build.Builder{}
		if err := eng.CreateVolume(t.Context(), engine.VolumeSpec{Name: "s_data"}); err != nil {
			t.Fatal(err)
		}
		run := make(chan error, 1)
		go func() { run <- s.Run(t.Context()) }()
		for n := uint64(1); n <= 2; n++ {
			stack := &services.Stack{Name: "s", Volumes: []*compose.Volume{{Key: "data", Name: "s_data"}}}
			a, err := s.Apply(t.Context(), stack, ApplyOptions{NoBuild: true, NoWatch: true})
			if err != nil || a.Applied != n || len(a.Warnings) != 1 || !strings.Contains(a.Warnings[0], "volume s_data was not made for this project") {
				t.Errorf("%+v, %v", a, err)
			}
		}
		s.Stop()
		if err := <-run; err != nil {
			t.Error(err)
		}
	})
}

// left reports the containers and networks that the engine has of the project.
func left(t *testing.T, eng *enginefake.Engine) {
	t.Helper()
	eng.Heal()
	project := map[string]string{services.ProjectLabel: "s"}
	containers, err := eng.ListContainers(t.Context(), project)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range containers {
		t.Errorf("container %s is left", c.Name)
	}
	networks, err := eng.ListNetworks(t.Context(), project)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range networks {
		t.Errorf("network %s is left", n.Name)
	}
}
