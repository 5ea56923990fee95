package scaffold

import (
	"encoding/json"
	"path"
	"regexp"
	"strings"
)

// sources is where the Dockerfiles of this package put the sources.
const sources = "/app"

var (
	nodePort    = regexp.MustCompile(`PORT\s*(?:\|\||\?\?)\s*["']?(\d{2,5})`)
	nodeListen  = regexp.MustCompile(`listen\(\s*(\d{2,5})`)
	plainScript = regexp.MustCompile(`^node\s+([\w./-]+\.[cm]?js)$`)
	majorNode   = regexp.MustCompile(`^v?(\d+)`)
)

// nodeApp: the script dev, which watches files by itself, else start, else the main file.
func nodeApp(p *project) *app {
	var pkg struct {
		Main            string
		Scripts         map[string]string
		Dependencies    map[string]string
		DevDependencies map[string]string
	}
	a := &app{
		About: "a Node project", Template: "node.Dockerfile", Version: "22", Ignore: []string{"node_modules", "npm-debug.log*", ".env"},
		PortVariable: true, Parts: map[string]string{},
	}
	if err := json.Unmarshal([]byte(p.read("package.json")), &pkg); err != nil {
		a.Notes = append(a.Notes, "package.json cannot be read: "+err.Error())
	}
	if v := group(majorNode, strings.TrimSpace(p.read(".nvmrc"))); v != "" {
		a.Version = v
	}
	run := a.packageManager(p)
	main := p.first(pkg.Main, "server.js", "index.js", "app.js", "main.js", "src/server.js", "src/index.js", "src/app.js", "src/main.js", "index.mjs", "server.mjs")
	sync := rule{Action: "sync+restart", Path: ".", Target: sources}
	_, vite := pkg.DevDependencies["vite"]
	switch start, dev := pkg.Scripts["start"], pkg.Scripts["dev"]; {
	case dev != "":
		a.Command, sync.Action = []string{run, "run", "dev"}, "sync"
		if vite && strings.HasPrefix(dev, "vite") {
			if run == "npm" { // the others pass "--" on to the script
				a.Command = append(a.Command, "--")
			}
			a.Command = append(a.Command, "--host", "0.0.0.0")
		}
	case plainScript.MatchString(start):
		main = group(plainScript, start)
		a.Command = []string{"node", main}
	case start != "":
		a.Command = []string{run, "start"}
		if pkg.Scripts["build"] != "" {
			a.Parts["Build"], sync = run+" run build", rule{Action: "rebuild", Path: "."}
		}
	case main != "":
		a.Command = []string{"node", main}
	}
	port := portIn(p.read(main), nodePort, nodeListen)
	switch {
	case port == 0 && vite && sync.Action == "sync":
		port = 5173
	case port == 0:
		port = 3000
		a.Guess = "the port 3000 is a guess: the application must listen there, or where the variable PORT says, on all addresses"
	}
	a.serve(port)
	a.Watch = []rule{sync}
	if sync.Action != "rebuild" {
		a.Watch = append(a.Watch, rule{Action: "rebuild", Path: "./package.json"})
	}
	return a
}

// packageManager chooses it by its lock file and returns its program.
func (a *app) packageManager(p *project) string {
	switch {
	case p.has("pnpm-lock.yaml"):
		a.Parts["Lock"], a.Parts["Install"] = "pnpm-lock.yaml", "corepack enable && pnpm install --frozen-lockfile"
		return "pnpm"
	case p.has("yarn.lock"):
		a.Parts["Lock"], a.Parts["Install"] = "yarn.lock", "corepack enable && yarn install --immutable"
		if strings.Contains(p.read("yarn.lock"), "# yarn lockfile v1") {
			a.Parts["Install"] = "corepack enable && yarn install --frozen-lockfile"
		}
		return "yarn"
	case p.has("package-lock.json"):
		a.Parts["Lock"], a.Parts["Install"] = "package-lock.json", "npm ci"
	default:
		a.Parts["Install"] = "npm install"
	}
	return "npm"
}

var (
	pythonWeb    = regexp.MustCompile(`(?m)^(\w+)\s*(?::\s*\w+\s*)?=\s*(?:\w+\.)?(FastAPI|Starlette|Litestar|Quart|Flask|Sanic)\(`)
	pythonPort   = regexp.MustCompile(`port\s*=\s*(\d{2,5})`)
	pythonSystem = regexp.MustCompile(`(?m)^\s*\[(project|tool\.poetry)\]`)
	pythonNeeds  = regexp.MustCompile(`(?m)^\s*requires-python\s*=\s*"[~^>=]*\s*(3\.\d+)`)
)

// pythonApp: Django by manage.py, a web framework by the call that makes its application, else a file with a usual name.
func pythonApp(p *project) *app {
	a := &app{
		About: "a Python project", Template: "python.Dockerfile", Version: "3.13", Parts: map[string]string{},
		Ignore: []string{".venv", "venv", "**/__pycache__", ".pytest_cache", ".mypy_cache", ".env"},
	}
	manifest := p.read("pyproject.toml")
	if p.has("requirements.txt") {
		a.Parts["Requirements"] = "requirements.txt"
	} else if pythonSystem.MatchString(manifest) {
		a.Parts["Install"] = "."
	}
	needs := strings.ToLower(p.read("requirements.txt") + manifest)
	main := p.first("main.py", "app.py", "server.py", "run.py", "wsgi.py", "asgi.py", "app/main.py", "app/__init__.py", "src/main.py", "src/app.py", "worker.py")
	text := p.read(main)
	a.Watch = []rule{{Action: "sync+restart", Path: ".", Target: sources}}
	for _, f := range []string{"requirements.txt", "pyproject.toml"} {
		if p.has(f) {
			a.Watch = append(a.Watch, rule{Action: "rebuild", Path: "./" + f})
		}
	}
	module := strings.ReplaceAll(strings.TrimSuffix(strings.TrimSuffix(main, ".py"), "/__init__"), "/", ".")
	web := pythonWeb.FindStringSubmatch(text)
	switch {
	case p.has("manage.py"):
		a.Command = []string{"python", "manage.py", "runserver", "--noreload", "0.0.0.0:8000"}
		a.serve(8000)
	case web != nil && web[2] == "Flask":
		a.Command = []string{"flask", "--app", module + ":" + web[1], "run", "--host", "0.0.0.0", "--port", "8000"}
		a.serve(8000)
	case web != nil && web[2] != "Sanic":
		a.Command = []string{"uvicorn", module + ":" + web[1], "--host", "0.0.0.0", "--port", "8000"}
		if !strings.Contains(needs, "uvicorn") && !strings.Contains(needs, "fastapi[standard]") {
			a.Parts["Server"] = "uvicorn"
		}
		a.serve(8000)
	case main != "":
		a.Command = []string{"python", main}
		a.serve(portIn(text, pythonPort))
	}
	if v := group(pythonNeeds, manifest); v > a.Version && len(v) == len(a.Version) {
		a.Version = v
	}
	if path.Dir(main) == "src" {
		a.Parts["Path"] = path.Join(sources, "src")
		for i, w := range a.Command {
			a.Command[i] = strings.Replace(w, "src.", "", 1)
		}
	}
	if a.Port == 0 && main != "" {
		a.Guess = main + " listens on no port that could be found: compose.yaml publishes none"
	}
	return a
}
