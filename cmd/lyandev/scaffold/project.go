package scaffold

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// project is what is in a directory.
type project struct {
	dir   fs.FS
	names []string
}

func look(dir fs.FS) (*project, error) {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, fmt.Errorf("cannot read the directory: %w", err)
	}
	p := &project{dir: dir}
	for _, e := range entries {
		p.names = append(p.names, e.Name())
	}
	return p, nil
}

// empty reports whether nothing is there but what every repository begins with.
func (p *project) empty() bool {
	return !slices.ContainsFunc(p.names, func(n string) bool {
		return !strings.HasPrefix(n, ".") && !strings.HasPrefix(strings.ToUpper(n), "README") && !strings.HasPrefix(strings.ToUpper(n), "LICENSE")
	})
}

func (p *project) has(name string) bool { return slices.Contains(p.names, name) }

// read returns a file's text, "" if there is none.
func (p *project) read(name string) string {
	b, _ := fs.ReadFile(p.dir, name)
	return string(b)
}

// first returns the first of the names that is a file, "" if none is.
func (p *project) first(names ...string) string {
	for _, n := range names {
		if info, err := fs.Stat(p.dir, n); err == nil && info.Mode().IsRegular() {
			return n
		}
	}
	return ""
}

// app is an application as its files describe it.
type app struct {
	// About is what it is, for people. Template is its Dockerfile's.
	About, Template string
	// Service is the service's name, Port where it listens, 0 if it does not.
	Service string
	Port    int
	// PortVariable is true if the application listens where the variable PORT says.
	PortVariable bool
	Watch        []rule
	// Version is that of the language, Command starts the application, Ignore are lines of .dockerignore.
	Version string
	Command []string
	Ignore  []string
	Notes   []string
	// Guess is a note about the port, "" if the files say where the application listens.
	Guess string
	// Parts are what else the Dockerfile's template needs.
	Parts map[string]string
}

// rule is one rule of develop.watch.
type rule struct{ Action, Path, Target string }

// app finds out what the project is, nil if it is none that is known.
func (p *project) app() *app {
	for _, l := range []struct {
		files []string
		make  func(*project) *app
	}{
		{[]string{"package.json"}, nodeApp},
		{[]string{"pyproject.toml", "requirements.txt"}, pythonApp},
		{[]string{"go.mod"}, goApp},
		{[]string{"Cargo.toml"}, rustApp},
		{[]string{"pom.xml"}, mavenApp},
	} {
		file := p.first(l.files...)
		if file == "" {
			continue
		}
		a := l.make(p)
		a.About = fmt.Sprintf("%s (%s)", a.About, file)
		if p.has("Dockerfile") {
			a.ownDockerfile(p)
		} else if len(a.Command) == 0 {
			return nil
		}
		return a
	}
	if !p.has("Dockerfile") {
		return nil
	}
	a := &app{About: "a Dockerfile"}
	a.ownDockerfile(p)
	return a
}

var (
	exposed = regexp.MustCompile(`(?im)^\s*EXPOSE\s+(\d+)`)
	workDir = regexp.MustCompile(`(?im)^\s*WORKDIR\s+"?(/[^\s"$]*)`)
)

// ownDockerfile goes by the project's own Dockerfile: its port, and where the sources are in the container. Edits that cannot be
// copied there rebuild the image.
func (a *app) ownDockerfile(p *project) {
	text := p.read("Dockerfile")
	a.About += "; its Dockerfile is used"
	if port := number(exposed.FindStringSubmatch(text)); port != 0 {
		a.Port, a.Guess = port, ""
	}
	if a.Service = "app"; a.Port != 0 {
		a.Service = "web"
	}
	dirs := workDir.FindAllStringSubmatch(text, -1)
	copies := len(a.Watch) > 0 && strings.HasPrefix(a.Watch[0].Action, "sync") && len(dirs) > 0
	if !copies {
		a.Watch = []rule{{Action: "rebuild", Path: "."}}
		return
	}
	a.Watch[0].Action, a.Watch[0].Target = "sync+restart", dirs[len(dirs)-1][1]
	a.Watch = append(a.Watch, rule{Action: "rebuild", Path: "./Dockerfile"})
}

// number is the first group of a match as a port, 0 if there is none.
func number(match []string) int {
	if len(match) < 2 {
		return 0
	}
	n, err := strconv.ParseUint(match[1], 10, 16)
	if err != nil {
		return 0
	}
	return int(n)
}

// portIn returns the port that the first matching expression finds in a text, 0 if none does.
func portIn(text string, expressions ...*regexp.Regexp) int {
	for _, e := range expressions {
		if n := number(e.FindStringSubmatch(text)); n != 0 {
			return n
		}
	}
	return 0
}

// group is the first group of an expression's first match, "" if there is none.
func group(e *regexp.Regexp, text string) string {
	if m := e.FindStringSubmatch(text); len(m) > 1 {
		return m[1]
	}
	return ""
}

// serve sets the port, and the service's name by it.
func (a *app) serve(port int) {
	if a.Port, a.Service = port, "web"; port == 0 {
		a.Service = "app"
	}
}
