package provider

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// systemPlugins are the directories of Docker CLI plugins for all users.
var systemPlugins = []string{
	"/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins", "/usr/lib/docker/cli-plugins",
	"/usr/libexec/docker/cli-plugins",
}

// variable is the value of a variable of the programs' environment.
func (r *Runner) variable(name string) string {
	value := ""
	for _, e := range r.Env {
		if k, v, _ := strings.Cut(e, "="); k == name {
			value = v
		}
	}
	return value
}

// plugin is the path of a plugin of the Docker CLI, "" if there is none: of the directories of cliPluginsExtraDirs in the Docker
// configuration, of the configuration's own, and of the system's.
func (r *Runner) plugin(name string) string {
	config := r.variable("DOCKER_CONFIG")
	if config == "" {
		config = filepath.Join(r.variable("HOME"), ".docker")
	}
	var settings struct{ CLIPluginsExtraDirs []string }
	if b, err := os.ReadFile(filepath.Join(config, "config.json")); err == nil {
		_ = json.Unmarshal(b, &settings) // the docker CLI says what is wrong with it
	}
	dirs := append(settings.CLIPluginsExtraDirs, filepath.Join(config, "cli-plugins"))
	for _, dir := range append(dirs, systemPlugins...) {
		if path := filepath.Join(dir, "docker-"+name); executable(path) {
			return path
		}
	}
	return ""
}

// lookPath finds a program in the PATH of the programs' environment.
func (r *Runner) lookPath(name string) (string, error) {
	if strings.Contains(name, "/") {
		return exec.LookPath(name)
	}
	for _, dir := range filepath.SplitList(r.variable("PATH")) {
		if path := filepath.Join(dir, name); filepath.IsAbs(path) && executable(path) {
			return path, nil
		}
	}
	return "", exec.ErrNotFound
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
