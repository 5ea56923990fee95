package mariadb

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// account is a user of the server.
type account struct{ User, Password string }

// credentials are the accounts of one pod's server.
type credentials struct {
	// Root is created by the image. Own is the operator's account, created by root for servers that reject root over TCP.
	// Repl is for replication.
	Root, Own, Repl account
}

// ownUser is the name of the account that the operator creates for itself.
const ownUser = "lyandev"

// mode returns the role that the environment declares.
func mode(env map[string]string) Role {
	switch strings.ToLower(env["MARIADB_REPLICATION_MODE"]) {
	case "master":
		return Master
	case "slave", "replica":
		return Slave
	}
	if env["MARIADB_MASTER_HOST"] != "" {
		return Slave
	}
	return ""
}

// readCredentials reads the accounts from the environment, with the variable names of Bitnami's, the official and lyandev's
// images. A NAME_FILE is read in the container. Passwords that the environment lacks are derived from root's, so that they
// need not be stored.
func readCredentials(ctx context.Context, view services.View, pod, container string, env map[string]string) (credentials, error) {
	var failed error
	first := func(fallback string, names ...string) string {
		for _, name := range names {
			if v := env[name]; v != "" {
				return v
			}
			path := env[name+"_FILE"]
			if path == "" {
				continue
			}
			exit, out, err := view.Exec(ctx, pod, container, []string{"cat", path}, nil)
			switch {
			case err != nil:
				failed = fmt.Errorf("cannot read %s of pod %s (%s_FILE): %w", path, pod, name, err)
				continue
			case exit != 0:
				failed = fmt.Errorf("cannot read %s of pod %s (%s_FILE): exit %d", path, pod, name, exit)
				continue
			}
			return strings.TrimRight(string(out), "\r\n")
		}
		return fallback
	}
	var c credentials
	c.Root = account{
		first("root", "MARIADB_ROOT_USER", "MARIADB_MASTER_ROOT_USER"),
		first("", "MARIADB_ROOT_PASSWORD", "MYSQL_ROOT_PASSWORD", "MARIADB_MASTER_ROOT_PASSWORD"),
	}
	c.Own = account{ownUser, derive(c.Root.Password, "own")}
	c.Repl = account{
		first("lyandev_repl", "MARIADB_REPLICATION_USER", "MARIADB_MASTER_USER"),
		first(derive(c.Root.Password, "replication"), "MARIADB_REPLICATION_PASSWORD", "MARIADB_MASTER_PASSWORD"),
	}
	return c, failed
}

// derive derives a password of 32 characters from another one.
func derive(from, purpose string) string {
	h := hmac.New(sha256.New, []byte(from))
	h.Write([]byte("lyandev " + purpose))
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// fingerprint is a hash of the accounts and of the version of prepare; when it changes, prepare runs again.
func (c credentials) fingerprint() string {
	const version = "1"
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%s\x00%s\x00%s", version, c.Own.User, c.Own.Password, c.Repl.User, c.Repl.Password)
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// serverOf returns the container and port of the server in a pod: the container with the port, by name or number, else the one
// with MariaDB variables in its environment, else the first.
func serverOf(view services.View, pod *corev1.Pod) (container string, port int) {
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			if p.ContainerPort == defaultPort || p.Name == "mysql" || p.Name == "mariadb" {
				return c.Name, int(p.ContainerPort)
			}
		}
	}
	for _, c := range pod.Spec.Containers {
		env, err := view.Env(pod.Name, c.Name)
		if err != nil {
			continue
		}
		for name := range env {
			if strings.HasPrefix(name, "MARIADB_") || strings.HasPrefix(name, "MYSQL_") {
				return c.Name, defaultPort
			}
		}
	}
	if len(pod.Spec.Containers) == 0 {
		return "", defaultPort
	}
	return pod.Spec.Containers[0].Name, defaultPort
}

const defaultPort = 3306
