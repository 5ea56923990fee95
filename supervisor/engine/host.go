package engine

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/docker/cli/cli/connhelper"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/tlsconfig"
	"github.com/opencontainers/go-digest"
)

// AllowRemote reports whether LYANDEV_ALLOW_REMOTE allows an engine on another machine: any value but "" and what means false
// (0, false ...).
func AllowRemote() bool {
	v := os.Getenv("LYANDEV_ALLOW_REMOTE")
	on, err := strconv.ParseBool(v)
	return v != "" && (on || err != nil)
}

// endpoint is how to reach an engine.
type endpoint struct {
	// host is a URL, "" for the platform's default. from says who named it.
	host, from string
	// tlsDir holds a context's ca.pem, cert.pem and key.pem; "" or absent files are none. insecure trusts every server.
	tlsDir   string
	insecure bool
}

// dockerHost finds the engine as the docker CLI does: DOCKER_HOST, then DOCKER_CONTEXT or currentContext of the user's
// configuration, then the default.
func dockerHost() (endpoint, error) {
	if h := os.Getenv("DOCKER_HOST"); h != "" {
		return endpoint{host: normalHost(h), from: "DOCKER_HOST"}, nil
	}
	dir, name := configDir(), currentContext()
	if name == "" || name == "default" {
		return endpoint{from: "the default"}, nil
	}
	var meta contextMeta
	id := digest.FromString(name).Encoded()
	b, err := os.ReadFile(filepath.Join(dir, "contexts", "meta", id, "meta.json"))
	if err == nil {
		err = json.Unmarshal(b, &meta)
	}
	if err != nil {
		return endpoint{}, wrap(err, "read the Docker context %q; choose another with `docker context use`", name)
	}
	found := meta.Endpoints["docker"]
	return endpoint{
		host: normalHost(found.Host), from: "the Docker context " + name,
		tlsDir: filepath.Join(dir, "contexts", "tls", id, "docker"), insecure: found.SkipTLSVerify,
	}, nil
}

// normalHost makes a URL of what people write: a path is a Unix socket, HOST[:PORT] is TCP (port 2375), and fd:// (how a service
// manager hands the socket to the engine) is the default socket.
func normalHost(h string) string {
	switch {
	case strings.HasPrefix(h, "fd://"):
		return client.DefaultDockerHost
	case strings.HasPrefix(h, "/"):
		return "unix://" + h
	case h == "" || strings.Contains(h, "://"):
		return h
	}
	_, err := netip.ParseAddr(strings.Trim(h, "[]"))
	_, _, splitErr := net.SplitHostPort(h)
	switch {
	case splitErr == nil:
		return "tcp://" + h
	case err == nil || strings.EqualFold(h, "localhost"):
		return "tcp://" + net.JoinHostPort(strings.Trim(h, "[]"), "2375")
	}
	return h // the client says that it is no address
}

// isRemote reports whether an address is on another machine: any TCP address but the loopback ones, and ssh.
func isRemote(host string) bool {
	u, err := url.Parse(host)
	if host == "" || err != nil || u.Scheme == "unix" || u.Scheme == "npipe" {
		return host != "" && err != nil
	}
	if u.Scheme == "ssh" {
		return true
	}
	name := u.Hostname()
	a, err := netip.ParseAddr(name)
	return !strings.EqualFold(name, "localhost") && (err != nil || !a.IsLoopback())
}

// options are those of the client that reaches the engine.
func (e endpoint) options() ([]client.Opt, error) {
	if strings.HasPrefix(e.host, "ssh://") {
		helper, err := connhelper.GetConnectionHelper(e.host)
		if err != nil {
			return nil, wrap(err, "reach the Docker engine at %s (from %s)", e.host, e.from)
		}
		return []client.Opt{
			client.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: helper.Dialer}}),
			client.WithHost(helper.Host), client.WithDialContext(helper.Dialer),
		}, nil
	}
	opts := []client.Opt{client.WithTLSClientConfigFromEnv()}
	if e.tlsDir != "" {
		secured, err := e.tlsOptions()
		if err != nil {
			return nil, err
		}
		opts = append(opts, secured...)
	}
	if e.host != "" {
		opts = append(opts, client.WithHost(e.host))
	}
	return opts, nil
}

// tlsOptions use a context's TLS files, none if it has none.
func (e endpoint) tlsOptions() ([]client.Opt, error) {
	o := tlsconfig.Options{InsecureSkipVerify: e.insecure, ExclusiveRootPools: true}
	found := false
	for name, to := range map[string]*string{"ca.pem": &o.CAFile, "cert.pem": &o.CertFile, "key.pem": &o.KeyFile} {
		path := filepath.Join(e.tlsDir, name)
		if _, err := os.Stat(path); err == nil {
			*to, found = path, true
		}
	}
	if !found && !e.insecure {
		return nil, nil
	}
	conf, err := tlsconfig.Client(o)
	if err != nil {
		return nil, wrap(err, "use the TLS files of %s in %s", e.from, e.tlsDir)
	}
	return []client.Opt{client.WithHTTPClient(&http.Client{
		Transport: &http.Transport{TLSClientConfig: conf}, CheckRedirect: client.CheckRedirect,
	})}, nil
}
