package profiles

import (
	"encoding/json"
	"testing"
)

// TestBuildKeys: what a build section says reaches the build, also what only BuildKit's frontend understands.
func TestBuildKeys(t *testing.T) {
	s, err := loadText(t, `
name: p
services:
  web:
    build:
      context: .
      tags: [web:1, web:2]
      extra_hosts: {one: 192.0.2.1, gate: host-gateway}
      shm_size: 32m
      ulimits: {nofile: {soft: 2000, hard: 4000}, nproc: 7}
      entitlements: [network.host]
      privileged: true
      no_cache_filter: [base]
      secrets: [file, {source: env, target: renamed}]
secrets:
  file: {file: ./secret.txt}
  env: {environment: TOKEN}
`, Options{Env: []string{"TOKEN=from-host"}}, map[string]string{"secret.txt": "12345"})
	if err != nil {
		t.Fatal(err)
	}
	b := s.Builds[0]
	got, err := json.Marshal([]any{b.Tags, b.ExtraHosts, b.ShmSize, b.Ulimits, b.Entitlements, b.NoCacheFilter, b.SecretValues, len(b.Secrets)})
	want := `[["web:1","web:2"],["gate=host-gateway","one=192.0.2.1"],33554432,["nofile=2000:4000","nproc=7:7"],["network.host","security.insecure"],["base"],` +
		`{"renamed":"from-host"},1]`
	if err != nil || string(got) != want {
		t.Errorf("the build is\n%s, want\n%s (%v)", got, want, err)
	}
}
