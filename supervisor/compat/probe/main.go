//go:build linux

// Command probe is what containers of the comparison with Docker Compose run. It prints what its process is as a line of
// JSON, and says what the container sees when it is run in it again:
//
//	probe serve [-port N] [-second N] [-udp N] [-exit-after D] [-code N] [-delay D]
//	                        print a line; HTTP on the port (8080), which answers with the host name; UDP echo
//	probe once [-code N]    print a line and exit
//	probe see [-names N,..] [-look DIR,..] [-sysctls S,..] [-port N]
//	                        print what the container sees
//	probe health            exit with 1 if /tmp/unhealthy exists
//	probe crash             make process 1 exit with 3, as a crash does
//	probe dial ADDR         GET http://ADDR/ and print the body
package main

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("cannot run without a command: serve, once, see, health, crash or dial")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	port := flags.Int("port", 8080, "the TCP port")
	second := flags.Int("second", 0, "another TCP port")
	udp := flags.Int("udp", 0, "the UDP port")
	code := flags.Int("code", 0, "the exit code")
	after := flags.Duration("exit-after", 0, "exit after this time")
	delay := flags.Duration("delay", 0, "listen only after this time")
	names := flags.String("names", "", "host names to resolve and connect to")
	look := flags.String("look", "", "paths to list")
	sysctls := flags.String("sysctls", "", "sysctls to read")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "serve":
		return serve(server{port: *port, second: *second, udp: *udp, code: *code, after: *after, delay: *delay})
	case "once":
		printSelf()
		os.Exit(*code)
	case "see":
		return see(words(*names), words(*look), words(*sysctls), *port)
	case "health":
		if _, err := os.Stat("/tmp/unhealthy"); err == nil {
			return fmt.Errorf("/tmp/unhealthy exists")
		}
	case "crash":
		return syscall.Kill(1, syscall.SIGUSR1)
	case "dial":
		return dial(flags.Arg(0))
	default:
		return fmt.Errorf("cannot run %q: there is no such command", args[0])
	}
	return nil
}

func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

// dial prints what a server answers.
func dial(addr string) error {
	client := http.Client{Timeout: 2 * time.Second}
	r, err := client.Get("http://" + addr + "/")
	if err != nil {
		return err
	}
	defer r.Body.Close()
	_, err = io.Copy(os.Stdout, r.Body)
	return err
}
