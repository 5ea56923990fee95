package scaffold

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/services/goldentest"
)

const modeline = "# yaml-language-server: $schema=file:///s.json"

// dir makes a directory of file names and texts.
func dir(files ...string) fstest.MapFS {
	out := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		out[files[i]] = &fstest.MapFile{Data: []byte(files[i+1]), Mode: 0o644}
	}
	return out
}

// TestNew compares the plans for projects with golden files, and loads each compose.yaml in its directory.
func TestNew(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"empty":      dir(),
		"repository": dir(".git/HEAD", "", "README.md", "", "LICENSE", "", ".gitignore", ""),
		"node-main":  dir("package.json", `{"name":"api"}`, "server.js", "app.listen(process.env.PORT || 4000)", "package-lock.json", "{}", ".nvmrc", "v20.11.0\n"),
		"node-start": dir("package.json", `{"scripts":{"start":"node src/main.js"}}`, "src/main.js", "server.listen(8081)"),
		"node-build": dir("package.json", `{"scripts":{"start":"node dist/main.js --x","build":"tsc"}}`, "pnpm-lock.yaml", ""),
		"node-vite":  dir("package.json", `{"scripts":{"dev":"vite"},"devDependencies":{"vite":"7"}}`, "yarn.lock", "# yarn lockfile v1\n"),
		"node-next":  dir("package.json", `{"scripts":{"dev":"next dev","build":"next build","start":"next start"}}`, "yarn.lock", "", ".dockerignore", "x\n"),
		"node-own-dockerfile": dir("package.json", `{"main":"index.js"}`, "index.js", "", "Dockerfile",
			"FROM node:20\nWORKDIR /usr/src/app\nCOPY . .\nEXPOSE 3001/tcp\nCMD [\"node\",\"index.js\"]\n"),
		"python-fastapi":  dir("requirements.txt", "fastapi\n", "main.py", "from fastapi import FastAPI\napp = FastAPI()\n"),
		"python-flask":    dir("pyproject.toml", "[project]\nname = \"x\"\nrequires-python = \">=3.14\"\n", "src/app.py", "import flask\nsite = flask.Flask(__name__)\n"),
		"python-django":   dir("requirements.txt", "django\n", "manage.py", "", "pyproject.toml", "[tool.black]\n"),
		"python-worker":   dir("requirements.txt", "redis\n", "worker.py", "while True: pass\n"),
		"go-root":         dir("go.mod", "module example.com/shop\n\ngo 1.24.1\n", "go.sum", "", "main.go", "package main\n\nfunc main() { http.ListenAndServe(\":9090\", nil) }\n"),
		"go-cmd":          dir("go.mod", "module example.com/shop\n\ngo 1.25\n", "cmd/tool/main.go", "package main\n", "cmd/shop/main.go", "package main\n\nimport \"net/http\"\n"),
		"rust":            dir("Cargo.toml", "[package]\nname = \"shop\"\n", "src/main.rs", "let l = TcpListener::bind(\"0.0.0.0:3030\");\n"),
		"maven":           dir("pom.xml", "<project/>"),
		"dockerfile-only": dir("Dockerfile", "FROM x\nexpose 8088\n", "run.sh", ""),
		"dockerfile-job":  dir("Dockerfile", "FROM x\n"),
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := New(files, modeline)
			if err != nil {
				t.Fatal(err)
			}
			goldentest.Compare(t, name+".txt", text(plan))
			at := t.TempDir()
			write(t, at, files, plan)
			stack, err := profiles.Load(context.Background(), profiles.Options{Files: []string{filepath.Join(at, "compose.yaml")}})
			if err != nil {
				t.Fatal(err)
			}
			if len(stack.Workloads) != 1 || len(stack.NotApplied) > 0 || len(stack.Workloads[0].Watch) == 0 || len(stack.Builds) != 1 {
				t.Errorf("not as it should be: %d workloads, not applied: %v, watch rules: %v", len(stack.Workloads), stack.NotApplied, stack.Workloads[0].Watch)
			}
		})
	}
}

// text is a plan as text.
func text(p Plan) string {
	var b strings.Builder
	fmt.Fprintln(&b, p.About)
	for _, f := range p.Files {
		fmt.Fprintf(&b, "--- %s\n%s", f.Name, f.Text)
	}
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	return b.String()
}

// write writes the directory and the plan's files, of which none may be there.
func write(t *testing.T, at string, files fstest.MapFS, plan Plan) {
	t.Helper()
	put := func(name, text string) {
		path := filepath.Join(at, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, f := range files {
		put(name, string(f.Data))
	}
	for _, f := range plan.Files {
		if _, err := os.Stat(filepath.Join(at, f.Name)); err == nil || f.Exists {
			t.Errorf("%s is there already", f.Name)
		}
		put(f.Name, f.Text)
	}
}

func TestUnknown(t *testing.T) {
	for name, files := range map[string]fs.FS{
		"other files":               dir("index.html", ""),
		"a library in Go":           dir("go.mod", "module x\n", "x.go", "package x\n"),
		"a library in Rust":         dir("Cargo.toml", "[package]\nname = \"x\"\n", "src/lib.rs", ""),
		"Python without a program":  dir("pyproject.toml", "[project]\n"),
		"Node without a program":    dir("package.json", "{}"),
		"package.json is not valid": dir("package.json", "{"),
	} {
		if plan, err := New(files, modeline); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: got %v, %v", name, plan.Files, err)
		}
	}
}

func TestExisting(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"a plain file", "services: {}\n", modeline + "\nservices: {}\n"},
		{"with a document's start", "---\nservices: {}\n", modeline + "\n---\nservices: {}\n"},
		{"of Windows", "a: 1\r\n", modeline + "\r\na: 1\r\n"},
		{"one that has it", "# yaml-language-server: $schema=x\na: 1\n", ""},
		{"one with a byte order mark", "\ufeffa: 1\n", ""},
	} {
		p := Existing("compose.yaml", tc.text, modeline)
		got := ""
		if len(p.Files) == 1 && p.Files[0].Exists {
			got = p.Files[0].Text
		}
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}
