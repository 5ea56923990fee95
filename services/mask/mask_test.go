package mask

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
)

// lyanna has everything that makes masking hard: a password equal to the project and the user, and one that is a file name.
func lyanna() *services.Stack {
	env := []corev1.EnvVar{
		{Name: "MARIADB_USER", Value: "lyanna"},
		{Name: "MARIADB_PASSWORD", Value: "lyanna"},
		{Name: "MARIADB_ROOT_PASSWORD", Value: "passwd"},
		{Name: "API_TOKEN", Value: "tok-0123456789"},
		{Name: "SESSION_SECRET", Value: "aB3$xy"},
		{Name: "SENTRY_DSN", Value: "https://user:dsn%2Fpassword@host/1"},
		{Name: "PASSWORD_FILE", Value: "/run/secrets/password"},
		{Name: "MODE", Value: "production"},
		{Name: "OTHER_PASSWORD", Value: "production"},
		{Name: "DB_URL", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: "cfg"}, Key: "db_url",
		}}},
	}
	return &services.Stack{
		Name: "lyanna",
		Workloads: []*services.Workload{{
			Object: &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "lyanna-web"}, Spec: appsv1.DeploymentSpec{
				Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "web", Image: "lyandev/lyanna-app:dev", Env: env,
					Args:          []string{"--user", "lyanna", "--password", "lyanna", "--url=redis://:lyanna@redis"},
					LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "-c", "mysqladmin status -uroot -ppasswd"}}}},
				}}}},
			}},
			Options: map[string]string{"password": "lyanna", "role": "master"},
		}},
		ConfigMaps: []*corev1.ConfigMap{{ObjectMeta: metav1.ObjectMeta{Name: "cfg"}, Data: map[string]string{
			"db_url": "mysql://lyanna:lyanna@lyanna-mariadb:3306/test", "db_password": "lyanna", "replication-password": "repl-secret-1", "database": "test",
		}}},
		Secrets: []*corev1.Secret{{ObjectMeta: metav1.ObjectMeta{Name: "tls"}, Data: map[string][]byte{
			"key": []byte("-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n-----END KEY-----\n"), "short": []byte("ab"),
		}}},
		Builds: []*services.Build{{Name: "web", Image: "lyandev/lyanna-app:dev", Args: map[string]string{"NPM_TOKEN": "npm_abcdefgh"}}},
	}
}

func TestString(t *testing.T) {
	m := New(lyanna())
	cases := []struct{ in, want string }{
		// A password that is also an ordinary word leaves ordinary output alone ...
		{"pod lyanna-web of project lyanna is ready", "pod lyanna-web of project lyanna is ready"},
		{"root:x:0:0::/etc/passwd", "root:x:0:0::/etc/passwd"},
		{"running in production", "running in production"},
		{"-p lyannax -p8080:80 -ptmp", "-p lyannax -p8080:80 -ptmp"},
		{"Access denied for user 'lyanna'@'10.0.0.1'", "Access denied for user 'lyanna'@'10.0.0.1'"},
		// ... and is masked where a password stands.
		{"mysql://lyanna:lyanna@lyanna-mariadb:3306/test", "mysql://lyanna:***@lyanna-mariadb:3306/test"},
		{"redis://:lyanna@redis:6379", "redis://:***@redis:6379"},
		{"mysqladmin status -uroot -ppasswd", "mysqladmin status -uroot -p***"},
		{`sh -c "mysql -p'passwd' -e x"`, `sh -c "mysql -p'***' -e x"`},
		{"MARIADB_PASSWORD=lyanna MARIADB_USER=lyanna", "MARIADB_PASSWORD=*** MARIADB_USER=lyanna"},
		{"db_password: lyanna", "db_password: ***"},
		{"IDENTIFIED BY 'passwd'", "IDENTIFIED BY '***'"},
		{"--password lyanna --user lyanna", "--password *** --user lyanna"},
		{"lyanna:lyanna@host", "lyanna:***@host"},
		// Telling values go wherever they stand.
		{"got tok-0123456789!", "got ***!"},
		{"aB3$xy", "***"},
		{"dsn%2Fpassword and dsn/password", "*** and ***"},
		{"repl-secret-1", "***"},
		{"npm_abcdefgh", "***"},
		{"x MIIEvQIBADANBgkqhkiG9w0B y", "x *** y"},
		{"cmVwbC1zZWNyZXQtMQ==", "***"},
		// What is not of the stack, by place.
		{"postgres://u:unknown@h/x", "postgres://u:***@h/x"},
		{"GITHUB_TOKEN=ghp_x other=1", "GITHUB_TOKEN=*** other=1"},
		{`{"password": "a\"b", "user": "c"}`, `{"password": "***", "user": "c"}`},
		{"token: expired", "token: expired"},
		{"http://host:8080/a@b", "http://host:8080/a@b"},
		{"", ""},
	}
	for _, c := range cases {
		if got := m.String(c.in); got != c.want {
			t.Errorf("%q:\n got %q\nwant %q", c.in, got, c.want)
		}
	}
	if got := string(m.Bytes([]byte("tok-0123456789"))); got != Mask {
		t.Errorf("bytes %q", got)
	}
}

func TestSecretName(t *testing.T) {
	for name, want := range map[string]bool{
		"PASSWORD": true, "MARIADB_ROOT_PASSWORD": true, "db_password": true, "replication-password": true, "apiKey": true, "AWS_ACCESS_KEY": true,
		"SECRET_KEY_BASE": true, "github.token": true, "KEY": true, "MYSQL_PWD": true, "clientSecret": true,
		"PASSWORD_FILE": false, "PUBLIC_KEY": false, "KEYBOARD": false, "MONKEY": false, "TOKENIZER": false, "SECRET_NAME": false,
		"USER": false, "": false, "TOKEN_TTL": false, "KEY_COUNT": false,
	} {
		if got := SecretName(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestNoStack(t *testing.T) {
	if got := New(nil).String("PASSWORD=x y"); got != "PASSWORD=*** y" {
		t.Errorf("%q", got)
	}
	if Stack(nil) != nil {
		t.Error("nil masks to nil")
	}
}

func TestStack(t *testing.T) {
	s := lyanna()
	before, _ := json.Marshal(s)
	masked := Stack(s)
	if after, _ := json.Marshal(s); !bytes.Equal(before, after) {
		t.Error("the stack itself was changed")
	}
	raw, err := json.Marshal(masked)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"tok-0123456789", "aB3$xy", "passwd\"", "repl-secret-1", "npm_abcdefgh", "lyanna@", "MIIE", "-ppasswd", `"ab"`} {
		if strings.Contains(string(raw), secret) {
			t.Errorf("%q is still there", secret)
		}
	}
	c := masked.Workloads[0].PodSpec().Containers[0]
	if got := strings.Join(c.Args, " "); got != "--user lyanna --password *** --url=redis://:***@redis" {
		t.Errorf("args %s", got)
	}
	if c.Env[0].Value != "lyanna" || c.Env[1].Value != Mask || c.Env[7].Value != "production" || c.Env[8].Value != Mask || c.Env[6].Value != "/run/secrets/password" {
		t.Errorf("env %v", c.Env)
	}
	if d := masked.ConfigMaps[0].Data; d["db_password"] != Mask || d["database"] != "test" || d["db_url"] != "mysql://lyanna:***@lyanna-mariadb:3306/test" {
		t.Errorf("data %v", d)
	}
	if o := masked.Workloads[0].Options; o["password"] != Mask || o["role"] != "master" {
		t.Errorf("options %v", o)
	}
	if string(masked.Secrets[0].Data["short"]) != Mask || masked.Workloads[0].Name() != "lyanna-web" {
		t.Error("secrets and names")
	}
}

func TestWriter(t *testing.T) {
	var out bytes.Buffer
	w := New(lyanna()).Writer(&out)
	for _, part := range []string{"a tok-01234", "56789 b\nsecond", " line\nrest tok-", "0123456789"} {
		if n, err := w.Write([]byte(part)); err != nil || n != len(part) {
			t.Fatalf("%d %v", n, err)
		}
	}
	if got := out.String(); got != "a *** b\nsecond line\n" {
		t.Errorf("before close %q", got)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "a *** b\nsecond line\nrest ***" {
		t.Errorf("after close %q", got)
	}
	out.Reset()
	if _, err := w.Write(bytes.Repeat([]byte("x"), maxHeld+1)); err != nil || out.Len() != maxHeld+1 {
		t.Errorf("a long line is not held back for ever: %d %v", out.Len(), err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestWriterFails(t *testing.T) {
	if _, err := New(nil).Writer(failing{}).Write([]byte("x\n")); err == nil {
		t.Error("no error")
	}
}

// What Docker is asked for a container stays valid JSON: its variables are masked one by one.
func TestStackMasksContainers(t *testing.T) {
	c := compose.Container{Service: "a", PostStart: []compose.Hook{{Env: []string{"API_TOKEN=short"}}}}
	c.Config.Env = []string{"TOKEN", "DB_PASSWORD=hunter22", "WHO=you"}
	text, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	w := &services.Workload{Object: &services.ComposeService{}}
	w.PodMeta().Annotations = map[string]string{compose.Annotation: text}
	masked := Stack(&services.Stack{Workloads: []*services.Workload{w}})
	got, err := compose.Decode(masked.Workloads[0].PodMeta().Annotations[compose.Annotation], "p")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"TOKEN", "DB_PASSWORD=" + Mask, "WHO=you"}
	if !slices.Equal(got.Config.Env, want) || got.PostStart[0].Env[0] != "API_TOKEN="+Mask {
		t.Errorf("%q, %q", got.Config.Env, got.PostStart[0].Env)
	}
}
