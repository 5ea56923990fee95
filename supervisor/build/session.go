package build

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/docker/cli/cli/config"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/session/secrets"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/session/sshforward/sshprovider"

	"github.com/lyandev/lyandev/services"
)

// CASecret is the ID of a secret available to every build: the host's CA bundle, so that package managers work behind a
// TLS-inspecting proxy.
const CASecret = "ca"

// CABundle returns the path of the host's CA bundle: SSL_CERT_FILE, else one of the usual paths, "" if there is none.
func CABundle() string {
	for _, p := range []string{
		os.Getenv("SSL_CERT_FILE"),
		"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem",
	} {
		if info, err := os.Stat(p); p != "" && err == nil && info.Mode().IsRegular() && info.Size() <= secretsprovider.MaxSecretSize {
			return p
		}
	}
	return ""
}

// secretStore gives secrets whose values are known, and others from files.
type secretStore struct {
	values map[string]string
	files  secrets.SecretStore
}

// GetSecret implements secrets.SecretStore.
func (s secretStore) GetSecret(ctx context.Context, id string) ([]byte, error) {
	if v, ok := s.values[id]; ok {
		return []byte(v), nil
	}
	return s.files.GetSecret(ctx, id)
}

// sessionFor returns what BuildKit may request from this client during a build: registry credentials, secrets, SSH agents.
func sessionFor(x *services.Build) ([]session.Attachable, error) {
	conf := config.LoadDefaultConfigFile(io.Discard)
	out := []session.Attachable{authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{ConfigFile: conf})}
	var sources []secretsprovider.Source
	for id, path := range x.Secrets {
		if id == CASecret && !exists(path) {
			continue
		}
		if !exists(path) {
			return nil, fmt.Errorf("cannot read the build secret %s: %s does not exist", id, path)
		}
		sources = append(sources, secretsprovider.Source{ID: id, FilePath: path})
	}
	_, given := x.SecretValues[CASecret]
	if path, declared := x.Secrets[CASecret]; !given && (!declared || !exists(path)) {
		if ca := CABundle(); ca != "" {
			sources = append(sources, secretsprovider.Source{ID: CASecret, FilePath: ca})
		}
	}
	files, err := secretsprovider.NewStore(sources)
	if err != nil {
		return nil, fmt.Errorf("cannot provide the build's secrets: %w", err)
	}
	out = append(out, secretsprovider.NewSecretProvider(secretStore{values: x.SecretValues, files: files}))
	if len(x.SSH) == 0 {
		return out, nil
	}
	var agents []sshprovider.AgentConfig
	for id, path := range x.SSH {
		a := sshprovider.AgentConfig{ID: id}
		if path != "" {
			a.Paths = []string{path}
		}
		agents = append(agents, a)
	}
	ssh, err := sshprovider.NewSSHAgentProvider(agents)
	if err != nil {
		return nil, fmt.Errorf("cannot provide the SSH agent to the build: %w", err)
	}
	return append(out, ssh), nil
}
