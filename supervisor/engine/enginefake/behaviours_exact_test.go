package enginefake_test

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
)

// exact makes a specification exact, with what change says.
func exact(p process, change func(x *engine.Exact)) func(s *engine.ContainerSpec) {
	return func(s *engine.ContainerSpec) {
		s.Exact = &engine.Exact{Config: container.Config{Entrypoint: p.cmd[:1], Cmd: p.cmd[1:]}}
		s.Exact.Host.NetworkMode = "none"
		if change != nil {
			change(s.Exact)
		}
	}
}

// restarting is the change of an exact container that gives it a restart policy.
func restarting(policy container.RestartPolicyMode, tries int) func(x *engine.Exact) {
	return func(x *engine.Exact) {
		x.Host.RestartPolicy = container.RestartPolicy{Name: policy, MaximumRetryCount: tries}
	}
}

var (
	// flawed fails at once.
	flawed = process{[]string{"sh", "-c", "exit 3"}, enginefake.Script{Exit: &enginefake.Exit{Code: 3}}}
	// brief lives for a moment.
	brief = process{
		[]string{"sh", "-c", "echo ran; sleep 0.3; exit 3"},
		enginefake.Script{Exit: &enginefake.Exit{After: 300 * time.Millisecond, Code: 3}, Output: []enginefake.Output{{Text: "ran"}}},
	}
	// well passes its first check.
	well = process{[]string{"sleep", "1000"}, enginefake.Script{IgnoreStop: true, Health: []enginefake.HealthChange{
		{After: 200 * time.Millisecond, Status: engine.HealthHealthy, Output: "fine\n"},
	}}}
	// ill fails its checks.
	ill = process{[]string{"sleep", "1000"}, enginefake.Script{IgnoreStop: true, Health: []enginefake.HealthChange{
		{After: 400 * time.Millisecond, Status: engine.HealthUnhealthy, Output: "bad\n"},
	}}}
)

// checked is a health check that runs a shell command every 200 ms and fails twice before the container is unhealthy.
func checked(command string) func(x *engine.Exact) {
	return func(x *engine.Exact) {
		x.Config.Healthcheck = &container.HealthConfig{
			Test: []string{"CMD-SHELL", command}, Interval: 200 * time.Millisecond, Timeout: 10 * time.Second, Retries: 2,
		}
	}
}

// untilHealth waits for a status of the health check.
func (r *rig) untilHealth(id, status string) engine.Container {
	r.t.Helper()
	for {
		if c := r.inspect(id); c.Health != nil && c.Health.Status == status {
			return c
		}
		r.pause(20 * time.Millisecond)
	}
}

var exactBehaviours = []behaviour{
	{"exact: configuration, labels and mounts are merged", func(r *rig) {
		vol := r.name + "-vol"
		id := r.create("a", stubborn, func(s *engine.ContainerSpec) {
			exact(stubborn, func(x *engine.Exact) {
				x.Config.Image, x.Config.Labels = "replaced", map[string]string{"own": "1", testLabel: "replaced"}
				x.Config.Env, x.Config.Tty, x.Config.OpenStdin = []string{"A=1"}, true, true
				x.Host.Mounts = []mount.Mount{{Type: mount.TypeTmpfs, Target: "/data"}, {Type: mount.TypeTmpfs, Target: "/other"}}
			})(s)
			s.Mounts = []engine.Mount{{Volume: vol, Target: "/data"}}
		})
		c := r.inspect(id)
		r.same("image", c.Image, testImage)
		r.same("labels", []string{c.Labels["own"], c.Labels[testLabel]}, []string{"1", r.name})
		r.same("env", slices.Contains(c.Env, "A=1"), true)
		r.same("terminal", []bool{c.TTY, c.Stdin}, []bool{true, true})
		r.same("policy", []any{c.RestartPolicy, c.AutoRemove}, []any{"no", false})
		v, err := r.InspectVolume(r.ctx, vol)
		r.must(err)
		r.same("volume", v.Name, vol)
		r.must(r.RemoveContainer(r.ctx, id))
		r.must(r.RemoveVolume(r.ctx, vol))
	}},
	{"exact: several networks, each with its settings", func(r *rig) {
		first, second := r.network(), r.name+"-second"
		_, err := r.CreateNetwork(r.ctx, engine.NetworkSpec{Name: second, Labels: r.labels(), Internal: true})
		r.must(err)
		id := r.create("a", stubborn, exact(stubborn, func(x *engine.Exact) {
			x.Networks = []engine.NetworkAttachment{
				{Network: first, Settings: engine.EndpointAt(r.static, "db")},
				{Network: second, Settings: network.EndpointSettings{Aliases: []string{"other"}}},
			}
		}))
		c := r.inspect(id)
		r.same("networks before the start", len(c.Networks), 2)
		r.must(r.StartContainer(r.ctx, id))
		c = r.inspect(id)
		r.same("static address", c.IPs[first], r.static)
		r.same("address", c.IPs[second].IsValid() && c.Networks[second].IP == c.IPs[second] && c.Networks[second].MAC != "", true)
		r.same("aliases", []bool{slices.Contains(c.Networks[first].Aliases, "db"), slices.Contains(c.Networks[second].Aliases, "other")}, []bool{true, true})
		n, err := r.InspectNetwork(r.ctx, second)
		r.must(err)
		r.same("members", n.Containers, []string{id})
		r.same("network of the endpoint", c.Networks[second].NetworkID, n.ID)
	}},
	{"exact: a network that is not there fails the start", func(r *rig) {
		first := r.network()
		id := r.create("a", stubborn, exact(stubborn, func(x *engine.Exact) {
			x.Networks = []engine.NetworkAttachment{{Network: first}, {Network: "lyconf-no-such-network"}}
		}))
		r.wants("notfound", r.StartContainer(r.ctx, id))
		r.same("state", r.inspect(id).State, engine.StateCreated)
	}},
	{"exact: what the engine's API does not know is refused, or warned of", func(r *rig) {
		info, err := r.Info(r.ctx)
		r.must(err)
		if info.APIVersion != "1.41" {
			return // the table of TestAPIVersions has the other versions
		}
		s := engine.ContainerSpec{Name: r.name + "-a", Image: testImage, Labels: r.labels()}
		exact(stubborn, func(x *engine.Exact) {
			x.Host.Mounts = []mount.Mount{{Type: mount.TypeImage, Source: testImage, Target: "/image"}}
		})(&s)
		_, err = r.CreateContainer(r.ctx, s)
		r.wants("old", err)
		r.same("it says what", strings.Contains(err.Error(), "the mount at /image: type: image needs Docker API 1.48"), true)
		var warned []string
		r.create("b", stubborn, func(s *engine.ContainerSpec) {
			exact(stubborn, func(x *engine.Exact) {
				x.Config.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "true"}, StartInterval: time.Second}
				x.Host.Annotations = map[string]string{"a": "b"}
			})(s)
			s.Warn = func(text string) { warned = append(warned, text) }
		})
		r.same("warnings", warned, []string{
			"annotations needs Docker API 1.43 or newer; this engine has 1.41, and ignores it",
			"healthcheck.start_interval needs Docker API 1.44 or newer; this engine has 1.41, and ignores it",
		})
	}},
	{"restart policy: no leaves it", func(r *rig) {
		c := r.until(r.start("a", flawed, exact(flawed, nil)), engine.StateExited)
		r.same("end", []int{c.ExitCode, c.RestartCount}, []int{3, 0})
	}},
	{"restart policy: on-failure has its limit", func(r *rig) {
		id := r.start("a", flawed, exact(flawed, restarting("on-failure", 2)))
		for r.inspect(id).RestartCount < 2 {
			r.pause(20 * time.Millisecond)
		}
		c := r.until(id, engine.StateExited)
		r.same("end", []any{c.ExitCode, c.RestartCount, c.RestartPolicy}, []any{3, 2, "on-failure"})
		r.must(r.StartContainer(r.ctx, id))
		for r.inspect(id).RestartCount < 1 { // counts anew
			r.pause(20 * time.Millisecond)
		}
	}},
	{"restart policy: the same container goes on, with its log", func(r *rig) {
		id := r.start("a", brief, exact(brief, restarting("always", 0)))
		for r.inspect(id).RestartCount < 2 {
			r.pause(20 * time.Millisecond)
		}
		r.must(r.StopContainer(r.ctx, id, "", 20*time.Second))
		r.same("log", strings.Count(r.readLog(id, false, -1), "ran") >= 2, true)
		r.same("state", r.inspect(id).State, engine.StateExited)
	}},
	{"restart policy: a stop ends the waiting", func(r *rig) {
		id := r.start("a", flawed, exact(flawed, restarting("unless-stopped", 0)))
		for {
			if c := r.inspect(id); c.State == engine.StateRestarting && c.RestartCount > 2 {
				r.same("restarting", c.Restarting, true)
				break
			}
			r.pause(10 * time.Millisecond)
		}
		r.must(r.StopContainer(r.ctx, id, "", 20*time.Second))
		r.until(id, engine.StateExited)
		r.pause(2 * time.Second)
		r.same("state later", r.inspect(id).State, engine.StateExited)
	}},
	{"restart policy: a kill is asked for, an own end is not", func(r *rig) {
		ctx, cancel := context.WithCancel(r.ctx)
		defer cancel()
		events, _, err := r.Events(ctx, r.labels())
		r.must(err)
		id := r.start("a", polite, exact(polite, restarting("always", 0)))
		r.must(r.KillContainer(r.ctx, id, "SIGKILL"))
		r.until(id, engine.StateExited)
		var got []string
		for e := range events {
			if e.Network == "" {
				got = append(got, strings.TrimSpace(e.Type+" "+e.Signal))
			}
			if e.Type == "die" {
				break
			}
		}
		r.same("events", got, []string{"create", "start", "kill 9", "die"})
	}},
	{"health: starting, healthy, and unhealthy after the end", func(r *rig) {
		ctx, cancel := context.WithCancel(r.ctx)
		defer cancel()
		events, _, err := r.Events(ctx, r.labels())
		r.must(err)
		id := r.start("a", well, exact(well, checked("echo fine")))
		r.same("at first", r.inspect(id).Health.Status, engine.HealthStarting)
		c := r.untilHealth(id, engine.HealthHealthy)
		r.same("health", *c.Health, engine.Health{Status: engine.HealthHealthy, LastOutput: "fine\n"})
		for e := range events {
			if e.Type == "health_status" {
				r.same("event", []any{e.Health, e.ID == id}, []any{engine.HealthHealthy, true})
				break
			}
		}
		r.must(r.KillContainer(r.ctx, id, "SIGKILL"))
		r.same("after the end", r.until(id, engine.StateExited).Health.Status, engine.HealthUnhealthy)
	}},
	{"health: unhealthy, with the last output", func(r *rig) {
		c := r.untilHealth(r.start("a", ill, exact(ill, checked("echo bad; exit 1"))), engine.HealthUnhealthy)
		h := c.Health
		r.same("health", []any{h.FailingStreak >= 2, h.LastOutput, h.LastExitCode, c.State}, []any{true, "bad\n", 1, engine.StateRunning})
	}},
	{"health: none without a check", func(r *rig) {
		r.same("none", r.inspect(r.start("a", stubborn, exact(stubborn, nil))).Health == nil, true)
	}},
	{"exact: auto-remove", func(r *rig) {
		id := r.create("a", failing, exact(failing, func(x *engine.Exact) { x.Host.AutoRemove = true }))
		r.same("says so", r.inspect(id).AutoRemove, true)
		gone, err := r.Wait(r.ctx, id, engine.UntilRemoved)
		r.must(err)
		r.must(r.StartContainer(r.ctx, id))
		r.same("end", <-gone, engine.Ended{ExitCode: 3})
		for {
			_, err := r.InspectContainer(r.ctx, id)
			if engine.IsNotFound(err) {
				break
			}
			r.pause(20 * time.Millisecond)
		}
	}},
	{"exact: the container's own stop timeout", func(r *rig) {
		id := r.start("a", stubborn, exact(stubborn, func(x *engine.Exact) { one := 1; x.Config.StopTimeout = &one }))
		began := time.Now()
		r.must(r.StopContainer(r.ctx, id, "", -1))
		took := time.Since(began)
		r.same("took a second", took >= time.Second && took < 9*time.Second, true)
	}},
}
