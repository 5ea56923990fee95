package compose

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
)

func someContainer() *Container {
	return &Container{
		Service: "web", Name: "fixed",
		Config: container.Config{
			Cmd: []string{"serve"}, Entrypoint: []string{"init"}, Env: []string{"A=1", "B=2"}, Labels: map[string]string{"l": "1"},
			Volumes: map[string]struct{}{"/anon": {}},
		},
		Host: container.HostConfig{
			RestartPolicy: container.RestartPolicy{Name: "always"}, Binds: []string{"p_data:/data:rw"}, Tmpfs: map[string]string{"/tmp": ""},
			PortBindings: nat.PortMap{"80/tcp": {{HostIP: "127.0.0.1", HostPort: "8080"}}},
		},
		Networks: []Attachment{{Network: "p_default", Settings: network.EndpointSettings{
			Aliases: []string{"web"}, IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: "10.0.0.9"},
		}}},
	}
}

// TestOneOff: what differs between a service's container and a one-off container of it, by option.
func TestOneOff(t *testing.T) {
	for name, c := range map[string]struct {
		o    OneOff
		have func(c *Container) any
		want string
	}{
		"no restart policy":     {OneOff{}, func(c *Container) any { return c.Host.RestartPolicy.Name }, `""`},
		"no name of its own":    {OneOff{}, func(c *Container) any { return c.Name }, `""`},
		"the command stays":     {OneOff{}, func(c *Container) any { return []any{c.Config.Entrypoint, c.Config.Cmd} }, `[["init"],["serve"]]`},
		"command":               {OneOff{Command: []string{"ls"}}, func(c *Container) any { return []any{c.Config.Entrypoint, c.Config.Cmd} }, `[["init"],["ls"]]`},
		"entrypoint":            {OneOff{Entrypoint: []string{"sh"}}, func(c *Container) any { return []any{c.Config.Entrypoint, c.Config.Cmd} }, `[["sh"],null]`},
		"environment":           {OneOff{Env: []string{"A=3", "C=4"}}, func(c *Container) any { return c.Config.Env }, `["B=2","A=3","C=4"]`},
		"labels":                {OneOff{Labels: map[string]string{"m": "2"}}, func(c *Container) any { return c.Config.Labels }, `{"l":"1","m":"2"}`},
		"no ports":              {OneOff{}, func(c *Container) any { return c.Host.PortBindings }, `{}`},
		"service ports":         {OneOff{ServicePorts: true}, func(c *Container) any { return len(c.Host.PortBindings) }, `2`},
		"published port":        {OneOff{Publish: []string{"5000:80"}}, func(c *Container) any { return c.Host.PortBindings }, `{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"5000"}]}`},
		"published everywhere":  {OneOff{Publish: []string{"0.0.0.0:5000:80"}}, func(c *Container) any { return c.Host.PortBindings }, `{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"5000"}]}`},
		"neither name nor IP":   {OneOff{}, func(c *Container) any { return c.Networks[0].Settings.Aliases }, `null`},
		"aliases":               {OneOff{UseAliases: true}, func(c *Container) any { return c.Networks[0].Settings.Aliases }, `["web"]`},
		"no address":            {OneOff{UseAliases: true}, func(c *Container) any { return c.Networks[0].Settings.IPAMConfig }, `null`},
		"volume":                {OneOff{Volumes: []string{"/src:/code:ro"}}, func(c *Container) any { return c.Host.Binds }, `["p_data:/data:rw","/src:/code:ro"]`},
		"volume in another's":   {OneOff{Volumes: []string{"/src:/data"}}, func(c *Container) any { return c.Host.Binds }, `["/src:/data"]`},
		"volume instead of tmp": {OneOff{Volumes: []string{"/src:/tmp"}}, func(c *Container) any { return c.Host.Tmpfs }, `{}`},
		"anonymous volume":      {OneOff{Volumes: []string{"/x"}}, func(c *Container) any { return len(c.Config.Volumes) }, `2`},
		"terminal":              {OneOff{TTY: true, Stdin: true}, func(c *Container) any { return []bool{c.Config.Tty, c.Config.OpenStdin, c.Config.StdinOnce} }, `[true,true,true]`},
		"removed":               {OneOff{Remove: true}, func(c *Container) any { return c.Host.AutoRemove }, `true`},
	} {
		from := someContainer()
		before, _ := json.Marshal(from)
		got, err := from.OneOff(c.o, nat.PortMap{"81/tcp": {{HostPort: "8081"}}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if text, _ := json.Marshal(c.have(got)); string(text) != c.want {
			t.Errorf("%s: %s, want %s", name, text, c.want)
		}
		if after, _ := json.Marshal(from); string(after) != string(before) {
			t.Errorf("%s: the service's container was changed: %s", name, after)
		}
	}
	for _, o := range []OneOff{{Volumes: []string{"a:b"}}, {Volumes: []string{"/a:/b:ro:x"}}, {Publish: []string{"x:80"}}} {
		if _, err := someContainer().OneOff(o, nil); err == nil || !strings.HasPrefix(err.Error(), "cannot ") {
			t.Errorf("%+v: error %v", o, err)
		}
	}
}
