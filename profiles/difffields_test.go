package profiles

import (
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
)

// TestFieldsHaveValuesWithoutSecrets: a change told which fields differ, not what they were. Now it does, and no secret is in it.
func TestFieldsHaveValuesWithoutSecrets(t *testing.T) {
	stack := func(level, password, url, key string, more ...corev1.EnvVar) *services.Stack {
		env := append([]corev1.EnvVar{{Name: "LEVEL", Value: level}, {Name: "DB_PASSWORD", Value: password}, {Name: "DB_URL", Value: url}}, more...)
		return &services.Stack{
			Workloads: []*services.Workload{{Object: &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "x:1", Env: env, Args: []string{"--token=" + password}}}},
			}}},
			Secrets:    []*corev1.Secret{{ObjectMeta: metav1.ObjectMeta{Name: "tls"}, Data: map[string][]byte{"key": []byte(key)}}},
			ConfigMaps: []*corev1.ConfigMap{{ObjectMeta: metav1.ObjectMeta{Name: "conf"}, Data: map[string]string{"api_token": password, "mode": level}}},
			Builds:     []*services.Build{{Name: "b", Args: map[string]string{"NPM_TOKEN": password, "V": level}}},
		}
	}
	a := stack("info", "short", "mysql://app:pw-of-old@db/1", "old-key")
	b := stack("debug", "longer-password", "mysql://app:pw-of-new@db/1", "new-key", corev1.EnvVar{Name: "API_KEY", Value: "added-secret"}, corev1.EnvVar{Name: "MODE", Value: "x"})
	values := map[string]string{}
	changes := Diff(a, b)
	for _, c := range changes {
		for _, f := range c.Fields {
			text := ""
			for _, v := range []*string{f.From, f.To} {
				if v == nil {
					text += "|-"
				} else {
					text += "|" + *v
				}
			}
			values[c.Kind+" "+f.Path] = text[1:]
		}
	}
	for path, want := range map[string]string{
		"Pod containers.web.env.LEVEL.value":       "info|debug",
		"Pod containers.web.env.DB_PASSWORD.value": "***|***",
		"Pod containers.web.env.DB_URL.value":      "mysql://app:***@db/1|mysql://app:***@db/1",
		"Pod containers.web.env.API_KEY":           "-|***",
		"Pod containers.web.env.MODE":              "-|x",
		"Pod containers.web.args":                  `["--token=***"]|["--token=***"]`,
		"Secret data.key":                          "***|***",
		"ConfigMap data.api_token":                 "***|***",
		"ConfigMap data.mode":                      "info|debug",
		"Build args.NPM_TOKEN":                     "***|***",
		"Build args.V":                             "info|debug",
	} {
		if got := values[path]; got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	raw, err := json.Marshal(changes)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"short", "longer-password", "pw-of", "old-key", "new-key", "added-secret"} {
		if strings.Contains(string(raw), secret) {
			t.Errorf("%q is in %s", secret, raw)
		}
	}
}
