package engine

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/credentials"
	"github.com/docker/docker/api/types/registry"
)

// hubKey is what Docker Hub is called in the Docker configuration.
const hubKey = "https://index.docker.io/v1/"

// configDir is the directory of the Docker configuration: DOCKER_CONFIG, else ~/.docker.
func configDir() string {
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	home, _ := os.UserHomeDir()
	return filepath.Join(home, ".docker")
}

// dockerConfig reads the Docker configuration, which is empty if there is none. Without any credentials in it the platform's usual
// credential helper is asked, as by the docker CLI.
func dockerConfig() (*configfile.ConfigFile, error) {
	conf, err := config.Load(configDir())
	if err != nil {
		return nil, wrap(err, "read the Docker configuration in %s", configDir())
	}
	if !conf.ContainsAuth() {
		conf.CredentialsStore = credentials.DetectDefaultStore(conf.CredentialsStore)
	}
	return conf, nil
}

// registryAuth returns the credentials for a reference's registry, "" if there are none: those of its credential helper
// (credHelpers, else credsStore), else those that `docker login` wrote into the Docker configuration.
func registryAuth(ref string) (string, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", nil // the engine says so too
	}
	key := reference.Domain(named)
	if key == "docker.io" {
		key = hubKey
	}
	conf, err := dockerConfig()
	if err != nil {
		return "", err
	}
	a, err := conf.GetAuthConfig(key)
	if err != nil {
		return "", fmt.Errorf("cannot get the credentials for %s: %w; run `docker login`, or correct credHelpers and credsStore in "+
			"the Docker configuration", reference.Domain(named), err)
	}
	if a.Username == "" && a.Password == "" && a.Auth == "" && a.IdentityToken == "" && a.RegistryToken == "" {
		return "", nil
	}
	return registry.EncodeAuthConfig(registry.AuthConfig{
		Username: a.Username, Password: a.Password, Auth: a.Auth, ServerAddress: a.ServerAddress,
		IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken,
	})
}

// Credentials returns a Docker configuration file that holds the credentials of all registries that the host's Docker configuration
// and its credential helpers know, as Docker Compose writes it for use_api_socket.
func Credentials() ([]byte, error) {
	conf, err := dockerConfig()
	if err != nil {
		return nil, err
	}
	all, err := conf.GetAllCredentials()
	if err != nil {
		return nil, fmt.Errorf("cannot get the credentials of the registries: %w; correct credHelpers and credsStore in the Docker "+
			"configuration", err)
	}
	var out bytes.Buffer
	if err := (&configfile.ConfigFile{AuthConfigs: all}).SaveToWriter(&out); err != nil {
		return nil, fmt.Errorf("cannot write the credentials of the registries: %w", err)
	}
	return out.Bytes(), nil
}

// ProxyEnv returns the variables (HTTP_PROXY, http_proxy ...) that the Docker configuration sets in containers and builds of the
// engine at a host, by "proxies" HOST or "default".
func ProxyEnv(host string) map[string]string {
	out := map[string]string{}
	conf, err := dockerConfig()
	if err != nil {
		return out // the docker CLI says what is wrong with it
	}
	for k, v := range conf.ParseProxyConfig(host, nil) {
		if v != nil {
			out[k] = *v
		}
	}
	return out
}

// withProxies adds the variables of ProxyEnv that env does not set, in their order.
func withProxies(env []string, proxies map[string]string) []string {
	out := slices.Clone(env)
	for _, k := range slices.Sorted(maps.Keys(proxies)) {
		if !slices.ContainsFunc(env, func(e string) bool { return e == k || strings.HasPrefix(e, k+"=") }) {
			out = append(out, k+"="+proxies[k])
		}
	}
	return out
}
