package e2e_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
)

// counting is a server with data in a named volume and a client of it, under names that Kubernetes would refuse. The server says its first
// start's time and its environment on port 5000, and fails if another one runs on the volume.
const counting = same + `
services:
  my_Db:
    <<: *same
    environment: {Some_Var: "a b"}
    command: [sh, -c, "cd /data; exec 9>lock; flock -n 9 || exit 9; test -e first || date +%%N >first; exec perl -MIO::Socket::INET -e '$$s=IO::Socket::INET->new(Listen=>5,LocalPort=>5000,ReuseAddr=>1)or die;while($$c=$$s->accept){open F,\"first\";print $$c <F>,$$ENV{\"Some_Var\"};close $$c}'"]
    ports: ["%[1]d:5000"]
    volumes: ["db_data:/data", "Shared.Dir:/shared"]
    networks: {default: {}, back_Net: {aliases: [The.Db]}}
    %[2]s
  Apart: {<<: *same, networks: [back_Net]}
  Web.App:
    <<: *same
    volumes: ["Shared.Dir:/shared"]
    environment: {WEB: x}
  seed_once:
    <<: *same
    command: [sh, -c, "echo seeded >>/shared/seeds"]
    volumes: ["Shared.Dir:/shared"]
volumes: {db_data: {}, Shared.Dir: {}}
networks: {back_Net: {internal: true}}
`

// TestSemanticsOfOneService: a service that gets x-lyandev, and loses it again, keeps its data, and its neighbours see nothing of it.
func TestSemanticsOfOneService(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	i := harness.New(t, fmt.Sprintf(counting, port, ""))
	web := i.Name + "-Web.App-1"
	ask := func(t *testing.T, from, name string) string {
		t.Helper()
		return docker(t, "exec", i.Name+"-"+from+"-1", "perl", "-MIO::Socket::INET", "-e",
			`for (1..50) {last if $s=IO::Socket::INET->new(PeerAddr=>"`+name+`:5000",Timeout=>5); select undef,undef,undef,.2} die $! unless $s; print <$s>`)
	}
	seen := func(t *testing.T) string {
		t.Helper()
		return docker(t, "exec", web, "sh", "-c", "echo $WEB; cat /shared/*; grep shared /proc/mounts; tail -n1 /etc/resolv.conf; hostname -i | wc -w") + "\n" +
			docker(t, "inspect", "-f", "{{.HostConfig.Binds}} {{.Config.Env}} {{.Config.Cmd}}", web)
	}
	i.Up("--wait")
	docker(t, "exec", web, "sh", "-c", "echo mine >/shared/mine")
	answer, before := ask(t, "Web.App", "my_Db"), seen(t)
	if !strings.HasSuffix(answer, "\na b") {
		t.Fatalf("it answers %q", answer)
	}
	for _, step := range []struct{ name, says string }{
		{"kubernetes", "x-lyandev: {semantics: kubernetes}"},
		{"kubernetes, changed", "x-lyandev: {semantics: kubernetes, annotations: {step: two}}"}, // a Deployment with a volume ends the old pod first
		{"a StatefulSet", "x-lyandev: {kind: StatefulSet, volumeClaims: [db_data]}"},
		{"plain again", ""},
	} {
		i.Write("compose.yaml", fmt.Sprintf(counting, port, step.says))
		i.Up("--wait")
		i.Ready(30 * time.Second)
		for _, from := range [][2]string{{"Web.App", "my_Db"}, {"Apart", "my_Db"}, {"Apart", "The.Db"}} {
			if got := ask(t, from[0], from[1]); got != answer {
				t.Errorf("%s: it answers %q to %s, before %q", step.name, got, from, answer)
			}
		}
		if got := hostAnswer(t, port); got != answer {
			t.Errorf("%s: the host port answers %q, before %q", step.name, got, answer)
		}
		if got := seen(t); got != before {
			t.Errorf("%s: the other service sees\n%s\nbefore\n%s", step.name, got, before)
		}
	}
	if got := docker(t, "volume", "ls", "-q", "-f", "name=^"+i.Name+"_"); got != i.Name+"_Shared.Dir\n"+i.Name+"_db_data" {
		t.Errorf("there are the volumes %q", got)
	}
}

// hostAnswer is what the server says at its host port.
func hostAnswer(t *testing.T, port int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, 100)
	n, _ := c.Read(b)
	for more := 1; more > 0; n += more {
		more, _ = c.Read(b[n:])
	}
	return string(b[:n])
}
