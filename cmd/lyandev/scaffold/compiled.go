package scaffold

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

var (
	goVersion   = regexp.MustCompile(`(?m)^go\s+(\d+\.\d+)`)
	goModule    = regexp.MustCompile(`(?m)^module\s+(\S+)`)
	mainPackage = regexp.MustCompile(`(?m)^package main\b`)
	listening   = regexp.MustCompile(`":(\d{2,5})"`)
	address     = regexp.MustCompile(`"[\w.\[\]:]*:(\d{2,5})"`)
	tuplePort   = regexp.MustCompile(`(?:bind|\]|\))\s*[(,]\s*(?:\(?"[\d.]+"\s*,\s*)?(\d{4,5})\)`)
)

// rebuilt are the watch rules of a compiled language.
func rebuilt() []rule { return []rule{{Action: "rebuild", Path: "."}} }

// goApp: the main package of the module's root, else that of cmd/.
func goApp(p *project) *app {
	mod := p.read("go.mod")
	a := &app{About: "a Go module", Template: "go.Dockerfile", Version: group(goVersion, mod), Watch: rebuilt(), Parts: map[string]string{}, Ignore: []string{".env"}}
	if a.Version == "" {
		a.Version = "1"
	}
	if p.has("go.sum") {
		a.Parts["Sum"] = "go.sum"
	}
	var found []string
	text := ""
	for _, pattern := range []string{"*.go", "cmd/*/*.go"} {
		files, _ := fs.Glob(p.dir, pattern) // the patterns are valid
		for _, f := range files {
			source := p.read(f)
			if strings.HasSuffix(f, "_test.go") || !mainPackage.MatchString(source) {
				continue
			}
			if dir := "./" + path.Dir(f); len(found) == 0 || found[len(found)-1] != dir {
				found = append(found, dir)
			}
			text += source
		}
		if len(found) > 0 {
			break
		}
	}
	if len(found) == 0 {
		return a
	}
	a.Parts["Package"] = found[0]
	name := path.Base(group(goModule, mod))
	for _, dir := range found {
		if path.Base(dir) == name {
			a.Parts["Package"] = dir
		}
	}
	if len(found) > 1 {
		a.Notes = append(a.Notes, fmt.Sprintf("the module has %d programs; the Dockerfile builds %s", len(found), a.Parts["Package"]))
	}
	if a.Parts["Package"] == "./." {
		a.Parts["Package"] = "."
	}
	a.Command = []string{"/usr/local/bin/app"}
	port := portIn(text, listening, address)
	if port == 0 && strings.Contains(text, "net/http") {
		port = 8080
		a.Guess = "the port 8080 is a guess: the program must listen there, on all addresses"
	}
	a.serve(port)
	return a
}

var cargoName = regexp.MustCompile(`(?m)^name\s*=\s*"([^"]+)"`)

func rustApp(p *project) *app {
	a := &app{About: "a Rust package", Template: "rust.Dockerfile", Version: "1", Watch: rebuilt(), Parts: map[string]string{}, Ignore: []string{"target", ".env"}}
	a.Parts["Name"] = group(cargoName, p.read("Cargo.toml"))
	if a.Parts["Name"] == "" || p.first("src/main.rs") == "" {
		return a // a workspace or a library: which program to run is not known
	}
	a.Command = []string{"/usr/local/bin/app"}
	a.serve(portIn(p.read("src/main.rs"), address, tuplePort))
	if a.Port == 0 {
		a.Guess = "src/main.rs listens on no port that could be found: compose.yaml publishes none"
	}
	return a
}

func mavenApp(p *project) *app {
	a := &app{
		About: "a Maven project", Template: "maven.Dockerfile", Version: "21", Watch: rebuilt(), Ignore: []string{"target", ".env"},
		Command: []string{"java", "-jar", "/app.jar"}, Notes: []string{"the Dockerfile expects that `mvn package` makes one jar that can be started"},
	}
	a.serve(8080)
	return a
}
