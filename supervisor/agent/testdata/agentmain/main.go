// Command agentmain is the agent, and its clients and servers, for tests in containers.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/lyandev/lyandev/supervisor/agent"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1], os.Args[2:]); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, mode string, args []string) error {
	switch mode {
	case agent.Command:
		cfg, err := agent.ConfigFromEnv(os.Getenv)
		if err != nil {
			return err
		}
		cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
		return agent.Run(ctx, cfg)
	case "serve":
		return serve(ctx, args[0], args[1])
	case "try":
		for _, what := range args {
			fmt.Println(what, "=", try(what))
		}
		return nil
	case "open":
		return printOpen(args[0])
	case "through":
		return through(args[0], args[1], args[2])
	case "connections":
		return connections(args[0], args[1])
	case "bytes":
		return bytesPerSecond(args[0], args[1])
	}
	return errors.New("which mode?")
}

// try looks up a name, or connects to an address (host:port) and reads a line.
func try(what string) string {
	before := time.Now()
	if strings.Contains(what, ":") {
		c, err := net.DialTimeout("tcp", what, 3*time.Second)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Sprint("refused ", time.Since(before) < 300*time.Millisecond)
		}
		if err != nil {
			return err.Error()
		}
		defer c.Close()
		_ = c.(*net.TCPConn).CloseWrite()
		said, err := io.ReadAll(c)
		if err != nil {
			return err.Error()
		}
		return strings.TrimSpace(string(said))
	}
	addrs, err := net.DefaultResolver.LookupHost(context.Background(), what)
	var missing *net.DNSError
	if errors.As(err, &missing) && missing.IsNotFound {
		return fmt.Sprint("not found ", time.Since(before) < 300*time.Millisecond)
	}
	if err != nil {
		return err.Error()
	}
	slices.Sort(addrs)
	return strings.Join(addrs, " ")
}

// through adds a route to a network by a gateway, and tries an address in it.
func through(gateway, subnet, what string) error {
	_, to, err := net.ParseCIDR(subnet)
	if err != nil {
		return err
	}
	if err := netlink.RouteAdd(&netlink.Route{Dst: to, Gw: net.ParseIP(gateway)}); err != nil {
		return err
	}
	fmt.Println(try(what))
	return nil
}

// printOpen prints how many connections to a port of this container are established.
func printOpen(port string) error {
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	list, err := os.ReadFile("/proc/net/tcp6") // the server listens on both
	if err != nil {
		return err
	}
	count := 0
	for _, line := range strings.Split(string(list), "\n") {
		f := strings.Fields(line)
		if len(f) > 3 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", n)) && f[3] == "01" {
			count++
		}
	}
	fmt.Println(count)
	return nil
}

// echo returns what TCP connections send, and answers datagrams with the server's name and what they were.
func echo(name, port string) error {
	l, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	u, err := net.ListenPacket("udp4", ":"+port)
	if err != nil {
		return err
	}
	go func() {
		buf := make([]byte, 65535)
		for {
			n, from, err := u.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = u.WriteTo([]byte(name+":"+string(buf[:n])), from)
		}
	}()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fmt.Fprintln(c, name)
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return nil
}

// serve says its name to everyone, then reads to the end. At the next port it echoes. After SIGUSR1 the first port refuses.
func serve(ctx context.Context, name, port string) error {
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	if err := echo(name, strconv.Itoa(n+1)); err != nil {
		return err
	}
	l, err := net.Listen("tcp4", ":"+port)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { l.Close() })
	refuse := make(chan os.Signal, 1)
	signal.Notify(refuse, syscall.SIGUSR1)
	go func() {
		<-refuse
		l.Close()
	}()
	for {
		c, err := l.Accept()
		if err != nil {
			<-ctx.Done()
			return nil
		}
		go func() {
			defer c.Close()
			fmt.Fprintln(c, name)
			_, _ = io.Copy(io.Discard, c)
		}()
	}
}

// connections opens connections one after another, reads the line, and prints how long one took.
func connections(addr, count string) error {
	n, _ := strconv.Atoi(count)
	before := time.Now()
	for range n {
		if got := try(addr); strings.Contains(got, " ") {
			return errors.New(got)
		}
	}
	fmt.Println((time.Since(before) / time.Duration(n)).Nanoseconds())
	return nil
}

// bytesPerSecond sends megabytes and prints the bytes a second.
func bytesPerSecond(addr, megabytes string) error {
	n, _ := strconv.Atoi(megabytes)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	block := make([]byte, 1<<20)
	before := time.Now()
	for range n {
		if _, err := c.Write(block); err != nil {
			return err
		}
	}
	_ = c.(*net.TCPConn).CloseWrite()
	if _, err := io.Copy(io.Discard, c); err != nil {
		return err
	}
	fmt.Println(int64(float64(n<<20) / time.Since(before).Seconds()))
	return nil
}
