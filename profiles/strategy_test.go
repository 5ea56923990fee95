package profiles

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
)

// TestStrategy: a Deployment of one pod that writes into a volume ends the old pod first; it started the new one beside it, so that a
// database server died over the other's lock. The file may say otherwise.
func TestStrategy(t *testing.T) {
	for _, c := range []struct {
		name, service string
		want          appsv1.DeploymentStrategyType
	}{
		{"a volume", "volumes: [data:/data]", appsv1.RecreateDeploymentStrategyType},
		{"read only", "volumes: [data:/data:ro]", appsv1.RollingUpdateDeploymentStrategyType},
		{"no volume", "volumes: [/scratch, ./src:/src]", appsv1.RollingUpdateDeploymentStrategyType},
		{"several pods share it", "volumes: [data:/data]\n    deploy: {replicas: 2}", appsv1.RollingUpdateDeploymentStrategyType},
		{"start-first", "volumes: [data:/data]\n    deploy: {update_config: {order: start-first}}", appsv1.RollingUpdateDeploymentStrategyType},
		{"stop-first", "volumes: [data:/data]\n    deploy: {update_config: {order: stop-first}}", appsv1.RollingUpdateDeploymentStrategyType},
		{
			"a strategy of its own", "volumes: [data:/data]\n    x-lyandev: {spec: {strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}}}",
			appsv1.RollingUpdateDeploymentStrategyType,
		},
		{"another part of the spec", "volumes: [data:/data]\n    x-lyandev: {spec: {minReadySeconds: 1}}", appsv1.RecreateDeploymentStrategyType},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := loadText(t, `
services:
  db:
    image: db:1
    `+c.service+`
volumes: {data: {}}
x-lyandev: {semantics: kubernetes}
`, Options{}, map[string]string{"src/a": ""})
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Workload("db").Object.(*appsv1.Deployment).Spec.Strategy.Type; got != c.want {
				t.Errorf("the strategy is %q, want %q", got, c.want)
			}
		})
	}
}
