package redis

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

const (
	serverPort   = 6379
	sentinelPort = 26379
)

// process is the location of one container's redis, known before any query.
type process struct {
	Process
	role     Role // declared; Watcher for a sentinel
	env      map[string]string
	password string
	// settings are the group's settings from its environment and options.
	settings Settings
}

// find returns the redis processes of the pods and the settings of their group.
func find(ctx context.Context, view services.View) ([]process, Settings, error) {
	var out []process
	for _, pod := range view.Pods {
		w := workloadOf(view, pod)
		for _, c := range pod.Spec.Containers {
			env, err := view.Env(pod.Name, c.Name)
			if err != nil {
				env = nil
			}
			port, role := kind(c, env, w)
			if port == 0 {
				continue
			}
			p := process{role: role, env: env}
			p.Pod, p.Container = pod.Name, c.Name
			p.At = Endpoint{addressOf(view, pod), port}
			p.password, err = password(ctx, view, p, err)
			p.settings = declared(env, w)
			p.Reason, p.Error = notStarted(pod, p, err)
			out = append(out, p)
		}
	}
	return out, merge(out), nil
}

func addressOf(view services.View, pod *corev1.Pod) string {
	if pod.Status.PodIP != "" {
		return pod.Status.PodIP
	}
	if view.Addr != nil {
		addr, _ := view.Addr(pod.Name)
		return addr
	}
	return ""
}

func notStarted(pod *corev1.Pod, p process, err error) (reason, message string) {
	switch {
	case err != nil:
		return "NotStarted", err.Error()
	case p.At.Host == "":
		return "NotStarted", "it has no address yet"
	case pod.Status.Phase != corev1.PodRunning && pod.Status.Phase != "":
		return "NotStarted", "the pod is " + string(pod.Status.Phase)
	}
	return "", ""
}

// kind determines whether a container is a server or a sentinel: by the port's name or number, the command, the environment,
// or the workload's option role. For other containers, such as exporters, the port is 0.
func kind(c corev1.Container, env map[string]string, w *services.Workload) (port int, role Role) {
	var option Role
	if w != nil {
		option = Role(w.Options["role"])
	}
	if option == "slave" {
		option = Replica
	}
	for _, p := range c.Ports {
		switch {
		case p.Name == "sentinel" || p.ContainerPort == sentinelPort:
			return int(p.ContainerPort), Watcher
		case p.Name == "redis" || p.ContainerPort == serverPort:
			return int(p.ContainerPort), serverRole(env, option)
		}
	}
	command := strings.Join(slices.Concat(c.Command, c.Args), " ")
	switch {
	case strings.Contains(command, "sentinel") || truth(env["SENTINEL"]) || env["REDIS_MODE"] == "sentinel" ||
		env["REDIS_SENTINEL_QUORUM"] != "" && env["REDIS_REPLICATION_MODE"] == "":
		return number(env["REDIS_SENTINEL_PORT_NUMBER"], sentinelPort), Watcher
	case option == Watcher && !strings.Contains(command, "redis-server"):
		return sentinelPort, Watcher
	case len(c.Ports) > 0:
		return 0, ""
	}
	return number(env["REDIS_PORT_NUMBER"], serverPort), serverRole(env, option)
}

func serverRole(env map[string]string, option Role) Role {
	switch {
	case option == Master || option == Replica:
		return option
	case truth(env["MASTER"]) || env["REDIS_REPLICATION_MODE"] == "master":
		return Master
	case env["REDIS_REPLICATION_MODE"] == "slave" || env["REDIS_REPLICATION_MODE"] == "replica":
		return Replica
	}
	return ""
}

func truth(s string) bool {
	b, err := strconv.ParseBool(s)
	return err == nil && b || s == "yes"
}

func number(s string, fallback int) int {
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return n
	}
	return fallback
}

// password returns the password that the process requires from clients. A NAME_FILE is read in the container.
func password(ctx context.Context, view services.View, p process, failed error) (string, error) {
	names := []string{"REDIS_PASSWORD"}
	if p.role == Watcher {
		names = []string{"REDIS_SENTINEL_PASSWORD"}
	}
	return secret(ctx, view, p, failed, names...)
}

// masterPassword returns the password that replicas and sentinels use for servers.
func masterPassword(ctx context.Context, view services.View, p process) (string, error) {
	return secret(ctx, view, p, nil, "REDIS_MASTER_PASSWORD", "REDIS_PASSWORD")
}

func secret(ctx context.Context, view services.View, p process, failed error, names ...string) (string, error) {
	if failed != nil {
		return "", failed
	}
	for _, n := range names {
		if v := p.env[n]; v != "" {
			return v, nil
		}
		if path := p.env[n+"_FILE"]; path != "" {
			exit, out, err := view.Exec(ctx, p.Pod, p.Container, []string{"cat", path}, nil)
			if err != nil {
				return "", fmt.Errorf("cannot read %s of pod %s (%s_FILE): %w", path, p.Pod, n, err)
			}
			if exit != 0 {
				return "", fmt.Errorf("cannot read %s of pod %s (%s_FILE): exit %d", path, p.Pod, n, exit)
			}
			return strings.TrimRight(string(out), "\r\n"), nil
		}
	}
	return "", nil
}

// declared returns the group's settings from a workload's options or a sentinel's environment. Times are milliseconds in the
// environment, Go durations or milliseconds in options.
func declared(env map[string]string, w *services.Workload) Settings {
	s := Settings{Group: env["REDIS_MASTER_SET"], Quorum: number(env["REDIS_SENTINEL_QUORUM"], 0), Declared: map[string]string{}}
	set := func(name string, values ...string) {
		for _, v := range values {
			if ms := milliseconds(v); ms != "" {
				s.Declared[name] = ms
				return
			}
		}
	}
	var options map[string]string
	if w != nil {
		options = w.Options
	}
	if g := options["group"]; g != "" {
		s.Group = g
	}
	s.Quorum = number(options["quorum"], s.Quorum)
	set("down-after-milliseconds", options["down-after"], env["REDIS_SENTINEL_DOWN_AFTER_MS"], env["REDIS_SENTINEL_DOWN_AFTER_MILLISECONDS"])
	set("failover-timeout", options["failover-timeout"], env["REDIS_SENTINEL_FAILOVER_TIMEOUT_MS"], env["REDIS_SENTINEL_FAILOVER_TIMEOUT"])
	return s
}

// milliseconds parses a Go duration or a number of milliseconds and returns milliseconds, "" for anything else.
func milliseconds(s string) string {
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return strconv.FormatInt(d.Milliseconds(), 10)
	}
	if n := number(s, 0); n > 0 {
		return strconv.Itoa(n)
	}
	return ""
}

// merge combines the settings of all processes; the first declaration of a setting wins. The default quorum is the majority.
func merge(processes []process) Settings {
	out := Settings{
		Declared: map[string]string{},
		Defaults: map[string]string{"down-after-milliseconds": "5000", "failover-timeout": "10000", "parallel-syncs": "1"},
	}
	sentinels := 0
	for _, p := range processes {
		if p.role == Watcher {
			sentinels++
		}
		out.Group = orElse(out.Group, p.settings.Group)
		if out.Quorum == 0 {
			out.Quorum = p.settings.Quorum
		}
		for k, v := range p.settings.Declared {
			if _, ok := out.Declared[k]; !ok {
				out.Declared[k] = v
			}
		}
	}
	out.QuorumDeclared = out.Quorum != 0
	out.Group = orElse(out.Group, "mymaster")
	if out.Quorum == 0 {
		out.Quorum = sentinels/2 + 1
	}
	return out
}

// workloadOf returns the workload of a pod: by owner reference, else the one with the longest name that prefixes the pod's.
func workloadOf(view services.View, pod *corev1.Pod) *services.Workload {
	var best *services.Workload
	for _, w := range view.Workloads {
		name := w.Name()
		for _, ref := range pod.OwnerReferences {
			if ref.Name == name {
				return w
			}
		}
		if pod.Name == name || strings.HasPrefix(pod.Name, name+"-") {
			if best == nil || len(best.Name()) < len(name) {
				best = w
			}
		}
	}
	return best
}
