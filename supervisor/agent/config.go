package agent

import (
	"archive/tar"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// Settings of the agent's container. It also needs the environment of Config.Env, the address Config.Address and the
// Capabilities. Its root file system may be read-only.
const (
	// Command is the hidden command that calls Run.
	Command = "agent"
	// ControlPort is the port of the control API in the container. The caller must publish it at a fixed port of 127.0.0.1: with
	// port 0 Docker would choose another one at every start of the container.
	ControlPort = 7946
	// DNSPort is the port of the name server on the agent's address, UDP and TCP.
	DNSPort = 53
	// StateDir is a writable directory with the token and the last table. It must be on a volume that lives as long as the
	// container, because the agent needs both when Docker restarts the container.
	StateDir = "/var/lib/lyandev-agent"
	// StateFile is where the last table is stored.
	StateFile = StateDir + "/table.json"
	// TokenFile holds the token. See TokenArchive.
	TokenFile = StateDir + "/" + tokenName

	tokenName = "token"
	// dockerDNS is where Docker's name server is in every container of a network that a user made.
	dockerDNS = "127.0.0.11"
)

// DNSOptions are options for the resolv.conf of the agent's container. Docker's name server forwards no name of one label to the
// host's resolvers if ndots is set there.
var DNSOptions = []string{"ndots:1"}

// Sysctls are settings of the agent's container. It has a place in several networks and must not be a way from one to another:
// ip_forward is off, and the agent itself switches forwarding on for its own network if it needs it, and restricts it (nft). With
// send_redirects the kernel would tell clients to send straight to an endpoint what goes to a service address.
var Sysctls = map[string]string{"net.ipv4.ip_forward": "0", "net.ipv4.conf.all.send_redirects": "0"}

// Capabilities are the only capabilities that the agent needs: NET_ADMIN to add service addresses to its interface and for nftables,
// NET_BIND_SERVICE to listen on ports below 1024.
var Capabilities = []string{"NET_ADMIN", "NET_BIND_SERVICE"}

// MAC returns the hardware address for the agent's container. It depends on the IP address only, so that ARP entries for the
// service addresses remain valid when the agent is replaced.
func MAC(address netip.Addr) string {
	a := address.As4()
	return fmt.Sprintf("02:42:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3])
}

// TokenArchive returns a tar archive with the token file, to be unpacked in StateDir before the container starts.
func TokenArchive(token string) io.Reader {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	// Cannot fail: it writes to memory, and the header is valid.
	_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: tokenName, Mode: 0o600, Size: int64(len(token))})
	_, _ = io.WriteString(w, token)
	_ = w.Close()
	return &b
}

// The environment of the agent's container.
const (
	envVersion   = "LYANDEV_AGENT_VERSION"
	envTokenFile = "LYANDEV_AGENT_TOKEN_FILE"
	envSubnet    = "LYANDEV_AGENT_SUBNET"
	envAddress   = "LYANDEV_AGENT_ADDRESS"
	envGateway   = "LYANDEV_AGENT_GATEWAY"
	envUpstreams = "LYANDEV_AGENT_UPSTREAMS"
	envDrain     = "LYANDEV_AGENT_DRAIN"
	envState     = "LYANDEV_AGENT_STATE"
	envUDPIdle   = "LYANDEV_AGENT_UDP_IDLE"
	envDatapath  = "LYANDEV_AGENT_DATAPATH"
)

// Config configures an agent.
type Config struct {
	// Version is the version of lyandev. GET /healthz returns it, and the supervisor replaces an agent of another version.
	Version string
	// Token is the secret of the control API, at least 16 characters.
	Token string
	// TokenFile is the file from which ConfigFromEnv reads the token; "" is the constant TokenFile.
	TokenFile string
	// Subnet is the project's subnet. The dialer connects only to addresses in it.
	Subnet netip.Prefix
	// Address is the agent's own address in Subnet. Names, host ports and the control API are served there.
	Address netip.Addr
	// Gateway is the gateway of Subnet, where replies from Address leave although the agent may be in other networks too. Not
	// valid: by the default route, which Docker chooses anew with every network.
	Gateway netip.Addr
	// Upstreams are resolvers for names outside the cluster, as host or host:port. None: those of the container's own
	// /etc/resolv.conf (Docker's embedded resolver, which knows the host's).
	Upstreams []string
	// Drain is how long established connections may continue after Run's context has ended; 0 is one second.
	Drain time.Duration
	// UDPIdle ends a UDP flow without traffic that the agent forwards itself; 0 is 60 seconds. The kernel ends the flows that it
	// forwards by its own settings, 30 s without a reply, else 120 s.
	UDPIdle time.Duration
	// Datapath is DatapathUserland, or "" for the kernel's forwarding (DatapathNFTables) where the kernel has it.
	Datapath string
	// StateFile stores the last table; "" is the constant StateFile.
	StateFile string
	// Log is the log; nil discards.
	Log *slog.Logger

	// For tests: the ports to listen on, the interface's addresses, and the address of Docker's name server.
	controlPort, dnsPort uint16
	addresses            addresses
	openFiles            uint64
	dockerDNS            string
	// anyLink makes the kernel forward what comes by any interface, and leave the interfaces' settings alone.
	anyLink bool
	follow  followOutlet
}

// Env returns the environment that ConfigFromEnv reads. It does not include the token, because everybody who may inspect the
// container can read its environment.
func (c Config) Env() []string {
	env := []string{
		envVersion + "=" + c.Version,
		envSubnet + "=" + c.Subnet.String(),
		envAddress + "=" + c.Address.String(),
	}
	if c.Gateway.IsValid() {
		env = append(env, envGateway+"="+c.Gateway.String())
	}
	if len(c.Upstreams) > 0 {
		env = append(env, envUpstreams+"="+strings.Join(c.Upstreams, ","))
	}
	if c.Drain > 0 {
		env = append(env, envDrain+"="+c.Drain.String())
	}
	if c.UDPIdle > 0 {
		env = append(env, envUDPIdle+"="+c.UDPIdle.String())
	}
	if c.Datapath != "" {
		env = append(env, envDatapath+"="+c.Datapath)
	}
	if c.StateFile != "" {
		env = append(env, envState+"="+c.StateFile)
	}
	if c.TokenFile != "" {
		env = append(env, envTokenFile+"="+c.TokenFile)
	}
	return env
}

// ConfigFromEnv returns the Config of an agent's container from its environment (getenv is os.Getenv) and the token file.
func ConfigFromEnv(getenv func(string) string) (Config, error) {
	c := Config{Version: getenv(envVersion), TokenFile: getenv(envTokenFile), StateFile: getenv(envState), Datapath: getenv(envDatapath)}
	var errs []error
	token, err := os.ReadFile(cmp.Or(c.TokenFile, TokenFile))
	if err != nil {
		errs = append(errs, fmt.Errorf("cannot read the token: %w", err))
	}
	c.Token = string(token)
	if c.Subnet, err = netip.ParsePrefix(getenv(envSubnet)); err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", envSubnet, err))
	}
	if c.Address, err = netip.ParseAddr(getenv(envAddress)); err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", envAddress, err))
	}
	if v := getenv(envGateway); v != "" {
		if c.Gateway, err = netip.ParseAddr(v); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", envGateway, err))
		}
	}
	for name, into := range map[string]*time.Duration{envDrain: &c.Drain, envUDPIdle: &c.UDPIdle} {
		if v := getenv(name); v != "" {
			if *into, err = time.ParseDuration(v); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
	}
	for _, u := range strings.Split(getenv(envUpstreams), ",") {
		if u = strings.TrimSpace(u); u != "" {
			c.Upstreams = append(c.Upstreams, u)
		}
	}
	if len(errs) > 0 {
		return c, fmt.Errorf("cannot read the agent's environment: %w", errors.Join(errs...))
	}
	return c, nil
}

// complete fills in defaults and returns an error for invalid settings.
func (c Config) complete() (Config, error) {
	if len(c.Token) < 16 {
		return c, errors.New("cannot start agent: the token has fewer than 16 characters")
	}
	if !c.Subnet.IsValid() || !c.Address.Is4() || !c.Subnet.Contains(c.Address) {
		return c, fmt.Errorf("cannot start agent: address %s is not in the project's subnet %s", c.Address, c.Subnet)
	}
	if c.Drain == 0 {
		c.Drain = time.Second
	}
	if c.openFiles == 0 {
		c.openFiles = openFiles()
	}
	if c.dockerDNS == "" {
		c.dockerDNS = dockerDNS
	}
	if c.Datapath != "" && c.Datapath != DatapathUserland && c.Datapath != DatapathNFTables {
		return c, fmt.Errorf("cannot start agent: the data path %q is neither %q nor %q", c.Datapath, DatapathNFTables, DatapathUserland)
	}
	if c.UDPIdle == 0 {
		c.UDPIdle = time.Minute
	}
	if c.StateFile == "" {
		c.StateFile = StateFile
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.controlPort == 0 {
		c.controlPort = ControlPort
	}
	if c.dnsPort == 0 {
		c.dnsPort = DNSPort
	}
	return c, nil
}

func (c Config) listenAddress(port uint16) string {
	return c.Address.String() + ":" + strconv.Itoa(int(port))
}
