// Package scaffold decides what `lyandev init` writes into a directory: a compose.yaml for the project that it finds there, with a
// Dockerfile if there is none, or a small example in an empty directory. Nothing that exists is changed, but for one comment line at
// the top of a Compose file.
package scaffold

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"text/template"
)

// Plan is what is to be written.
type Plan struct {
	// About says in one line what was found.
	About string
	Files []File
	// Notes are what the user should look at, one line each.
	Notes []string
}

// File is one file of a plan. Its name is relative to the directory, with slashes.
type File struct {
	Name, Text string
	// Exists is true if the file is there already and Text is it with an addition at the top.
	Exists bool
}

// ErrUnknown means that the directory is not empty and holds no project that is known.
var ErrUnknown = errors.New("it has files, but none of Dockerfile, package.json, pyproject.toml, requirements.txt, go.mod, Cargo.toml and pom.xml; " +
	"write a Dockerfile and run it again, or copy an example: `lyandev examples`")

//go:embed templates templates/hello/.dockerignore
var templates embed.FS

// Existing plans the addition of a modeline to the top of a Compose file that is there. Nothing is to be written if it has one.
func Existing(name, text, modeline string) Plan {
	p := Plan{About: name + " is there and stays as it is"}
	if strings.Contains(text, "yaml-language-server:") {
		p.About += "; it names a schema for editors already"
		return p
	}
	if strings.HasPrefix(text, "\ufeff") {
		return p // a comment before the byte order mark would make it a part of the text
	}
	newline := "\n"
	if strings.Contains(text, "\r\n") {
		newline = "\r\n"
	}
	p.Files = []File{{Name: name, Text: modeline + newline + text, Exists: true}}
	return p
}

// New plans the files for a directory without a Compose file. modeline is the first line of the compose.yaml. The error is ErrUnknown, or
// that of reading the directory.
func New(dir fs.FS, modeline string) (Plan, error) {
	p, err := look(dir)
	if err != nil {
		return Plan{}, err
	}
	if p.empty() {
		return hello(modeline)
	}
	app := p.app()
	if app == nil {
		return Plan{}, ErrUnknown
	}
	return app.plan(p, modeline)
}

// hello plans the example for an empty directory.
func hello(modeline string) (Plan, error) {
	p := Plan{About: "the directory is empty: a web page as an example"}
	root, err := fs.Sub(templates, "templates/hello")
	if err != nil {
		return Plan{}, err
	}
	err = fs.WalkDir(root, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := fs.ReadFile(root, name)
		text := string(b)
		if name == "compose.yaml" {
			text = modeline + "\n" + text
		}
		p.Files = append(p.Files, File{Name: name, Text: text})
		return err
	})
	// The file that people read first comes first.
	if k := slices.IndexFunc(p.Files, func(f File) bool { return f.Name == "compose.yaml" }); k > 0 {
		p.Files = slices.Concat(p.Files[k:k+1], p.Files[:k], p.Files[k+1:])
	}
	return p, err
}

// plan puts the files of an application together.
func (a *app) plan(p *project, modeline string) (Plan, error) {
	out := Plan{About: "found " + a.About, Notes: a.Notes}
	if a.Guess != "" {
		out.Notes = append(out.Notes, a.Guess)
	}
	text, err := fill("templates/compose.yaml", struct {
		*app
		Modeline string
	}{a, modeline})
	if err != nil {
		return Plan{}, err
	}
	out.Files = []File{{Name: "compose.yaml", Text: text}}
	if p.has("Dockerfile") {
		return out, nil
	}
	if text, err = fill("templates/"+a.Template, a); err != nil {
		return Plan{}, err
	}
	out.Files = append(out.Files, File{Name: "Dockerfile", Text: text})
	if !p.has(".dockerignore") {
		out.Files = append(out.Files, File{Name: ".dockerignore", Text: strings.Join(append([]string{".git", "compose.yaml"}, a.Ignore...), "\n") + "\n"})
	}
	return out, nil
}

func fill(name string, data any) (string, error) {
	t, err := template.New(name[strings.LastIndex(name, "/")+1:]).Funcs(template.FuncMap{"list": list}).ParseFS(templates, name)
	if err != nil {
		return "", fmt.Errorf("cannot read the template %s: %w", name, err)
	}
	var b strings.Builder
	err = t.Execute(&b, data)
	return b.String(), err
}

// list writes words as JSON, as a Dockerfile's CMD has them.
func list(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
