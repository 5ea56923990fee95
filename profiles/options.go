package profiles

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Options select what to load. The zero value loads the file that Find returns for the current directory, with its default
// profile and no variables.
type Options struct {
	// Files are Compose files; later ones are merged over earlier ones. Relative paths are relative to the current
	// directory. Default: the result of Find for WorkDir or the current directory.
	Files []string
	// ProjectName overrides COMPOSE_PROJECT_NAME, the file's name: and the directory's name, which are tried in this order.
	ProjectName string
	// Profile is a profile of x-lyandev.profiles or of Compose. Default: x-lyandev.defaultProfile, else the profiles of
	// COMPOSE_PROFILES.
	Profile string
	// Env are variables in the form of os.Environ. They override those of the env files.
	Env []string
	// WorkDir is the base of relative paths in the files. Default: the first file's directory.
	WorkDir string
	// EnvFiles are files with variables. Default: .env in WorkDir, if it exists.
	EnvFiles []string
}

// resolve fills in the files and the work directory.
func (o Options) resolve() (Options, error) {
	start := o.WorkDir
	if start == "" {
		start = "."
	}
	if len(o.Files) == 0 {
		file, err := Find(start)
		if err != nil {
			return o, err
		}
		o.Files = []string{file}
	}
	if o.WorkDir == "" {
		o.WorkDir = filepath.Dir(o.Files[0])
	}
	dir, err := filepath.Abs(o.WorkDir)
	if err != nil {
		return o, fmt.Errorf("cannot find the directory of %s: %w", o.Files[0], err)
	}
	o.WorkDir = dir
	return o, nil
}

// environment returns the variables of the env files, overridden by Env.
func (o Options) environment() (types.Mapping, error) {
	env := types.NewMapping(o.Env)
	files := o.EnvFiles
	if len(files) == 0 {
		if f := filepath.Join(o.WorkDir, ".env"); isFile(f) {
			files = []string{f}
		}
	}
	vars, err := dotenv.GetEnvFromFile(env, files)
	if err != nil {
		return nil, fmt.Errorf("cannot read variables from %s: %w", strings.Join(files, ", "), err)
	}
	for k, v := range vars {
		if _, ok := env[k]; !ok {
			env[k] = v
		}
	}
	return env, nil
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}

const maxNameLength = 40

// projectName returns the stack's name: a DNS label of at most 40 characters. An explicit name must be one; a directory's name
// is converted to one.
func (l *load) projectName() string {
	written, pos, path := l.o.ProjectName, position{file: "--project-name"}, keyPath(nil)
	if written == "" {
		written, pos = l.env["COMPOSE_PROJECT_NAME"], position{file: "COMPOSE_PROJECT_NAME"}
	}
	for _, d := range l.docs {
		if n := d.root.get("name"); n != nil && written == "" && n.str() != "" {
			written, pos, path = n.str(), n.pos, keyPath{"name"}
		}
	}
	if written == "" {
		name := strings.ReplaceAll(loader.NormalizeProjectName(filepath.Base(l.o.WorkDir)), "_", "-")
		name = strings.Trim(name[:min(len(name), maxNameLength)], "-")
		if name == "" {
			name = "stack"
		}
		return name
	}
	if bad := validation.IsDNS1123Label(written); len(bad) > 0 {
		l.p.at(pos, path, "use lower-case letters, digits and hyphens", "%q is not a valid project name: %s", written, bad[0])
	} else if len(written) > maxNameLength {
		l.p.at(pos, path, "", "%q is not a valid project name: it has more than %d characters", written, maxNameLength)
	}
	return written
}
