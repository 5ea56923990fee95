package engine

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/docker/client"
)

// Address is where an engine is reached.
type Address struct {
	// Host is a URL. From says who named it: "DOCKER_HOST", "the Docker context NAME" or "the default".
	Host, From string
	// Remote is true if the engine is on another machine.
	Remote bool
}

// Chosen returns the address that NewDocker uses. It does not connect. The error says that the current Docker context cannot be read.
func Chosen() (Address, error) {
	at, err := dockerHost()
	if err != nil {
		return Address{}, err
	}
	if at.host == "" {
		at.host = client.DefaultDockerHost
	}
	return Address{Host: at.host, From: at.from, Remote: isRemote(at.host)}, nil
}

// Context is a context of the docker CLI.
type Context struct {
	Name string
	Address
	// Current is true for the one that `docker context use` or DOCKER_CONTEXT chose, whether or not DOCKER_HOST overrules it.
	Current bool
}

// Contexts lists the docker CLI's contexts, sorted by name, without its built-in one, default. Those that cannot be read are left out.
func Contexts() []Context {
	paths, _ := filepath.Glob(filepath.Join(configDir(), "contexts", "meta", "*", "meta.json")) // the pattern is valid
	current := currentContext()
	var out []Context
	for _, p := range paths {
		var meta contextMeta
		b, err := os.ReadFile(p)
		if err != nil || json.Unmarshal(b, &meta) != nil || meta.Name == "" {
			continue
		}
		host := normalHost(meta.Endpoints["docker"].Host)
		out = append(out, Context{
			Name: meta.Name, Current: meta.Name == current,
			Address: Address{Host: host, From: "the Docker context " + meta.Name, Remote: isRemote(host)},
		})
	}
	slices.SortFunc(out, func(a, b Context) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// contextMeta is the file that describes a context.
type contextMeta struct {
	Name      string
	Endpoints map[string]struct {
		Host          string
		SkipTLSVerify bool
	}
}

// currentContext is the name of DOCKER_CONTEXT, else that of the user's configuration, "" for none.
func currentContext() string {
	if name := os.Getenv("DOCKER_CONTEXT"); name != "" {
		return name
	}
	var conf struct {
		CurrentContext string `json:"currentContext"`
	}
	if b, err := os.ReadFile(filepath.Join(configDir(), "config.json")); err == nil {
		_ = json.Unmarshal(b, &conf) // an invalid configuration is reported by the docker CLI
	}
	return conf.CurrentContext
}
