package profiles

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// Options select what to load. The zero value loads the files that Compose would load in the current directory (or
// lyandev's own file, see Find), with the default profile and no variables.
type Options struct {
	// Files are Compose files; later ones are merged over earlier ones. Relative paths are relative to the current
	// directory; "-" is Stdin. Default: the result of Find for WorkDir or the current directory; if that is not one of
	// lyandev's own names, the files of COMPOSE_FILE, else the file that was found and its override file.
	Files []string
	// Stdin returns the content of the file "-". It is called once per Load, and once for each profile that EveryProfile checks,
	// also at the same time.
	Stdin func() ([]byte, error)
	// ProjectName overrides COMPOSE_PROJECT_NAME, the file's name: and the directory's name, which are tried in this order.
	ProjectName string
	// Profiles are names of Compose profiles, "*" for all of them, and at most one name of x-lyandev.profiles; an entry may be
	// several names, separated by commas. Default: the names in COMPOSE_PROFILES. If there is no x-lyandev profile among
	// those of COMPOSE_PROFILES, x-lyandev.defaultProfile applies as well.
	Profiles []string
	// Active are names, separated by commas, of which the one of x-lyandev.profiles applies if Profiles and COMPOSE_PROFILES have none,
	// before x-lyandev.defaultProfile does. Others are ignored.
	Active string
	// NoProfiles: no Compose profile is active, whatever COMPOSE_PROFILES says.
	NoProfiles bool
	// Services are services that are asked for by name: the Compose profiles that they belong to are active too.
	Services []string
	// EveryProfile checks the profiles that are not chosen too: mistakes in one of x-lyandev are errors, those in one of Compose are
	// warnings, because Docker Compose does not see them.
	EveryProfile bool
	// Env are variables in the form of os.Environ. They override those of the env files.
	Env []string
	// WorkDir is the base of relative paths in the files (Compose's --project-directory). Default: the first file's directory.
	WorkDir string
	// EnvFiles are files with variables. Default: COMPOSE_ENV_FILES (separated by commas), else the .env files of the current
	// directory and of WorkDir, if they exist and COMPOSE_DISABLE_ENV_FILE is not true.
	EnvFiles []string

	// whole gives compose-go the whole files: the tests compare the stacks.
	whole bool
}

// resolve determines the files, the work directory and the variables. The order is Compose's: variables of the current
// directory can name the files, and the files' directory can add variables.
func (o Options) resolve() (Options, types.Mapping, error) {
	env := types.NewMapping(o.Env)
	if _, ok := env["PWD"]; !ok {
		if wd, err := os.Getwd(); err == nil {
			env["PWD"] = wd
		}
	}
	if len(o.EnvFiles) == 0 {
		o.EnvFiles = splitList(env["COMPOSE_ENV_FILES"])
	}
	start := o.base()
	if err := o.addVariables(env, start); err != nil {
		return o, nil, err
	}
	if len(o.Files) == 0 {
		var err error
		if o.Files, err = findFiles(start, env); err != nil {
			return o, nil, err
		}
	}
	dir, err := filepath.Abs(o.base())
	if err != nil {
		return o, nil, fmt.Errorf("cannot find the directory of %s: %w", o.Files[0], err)
	}
	o.WorkDir = dir
	return o, env, o.addVariables(env, dir)
}

// Environment returns the variables that the files can use, in the form of os.Environ: those of Env, and those of the env files.
func Environment(o Options) ([]string, error) {
	_, env, err := o.resolve()
	if err != nil {
		return nil, err
	}
	return env.Values(), nil
}

// base is the directory that relative paths start from: WorkDir, else that of the first file, else the current one.
func (o Options) base() string {
	if o.WorkDir != "" {
		return o.WorkDir
	}
	for _, f := range o.Files {
		if !isStdin(f) {
			return filepath.Dir(f)
		}
	}
	return "."
}

func isStdin(file string) bool { return file == "-" || file == "/dev/stdin" }

// addVariables adds the variables of the env files that are not set yet.
func (o Options) addVariables(env types.Mapping, dir string) error {
	files := o.EnvFiles
	if off, err := strconv.ParseBool(env["COMPOSE_DISABLE_ENV_FILE"]); len(files) == 0 && (err != nil || !off) {
		if f := filepath.Join(dir, ".env"); isFile(f) {
			files = []string{f}
		}
	}
	vars, err := readEnvFiles(env, files)
	if err != nil {
		return err
	}
	env.Merge(vars)
	return nil
}

// readEnvFiles reads files with variables. /dev/null is allowed and empty.
func readEnvFiles(env types.Mapping, files []string) (map[string]string, error) {
	for _, f := range files {
		if err := checkRegular(f); err != nil && f != os.DevNull {
			return nil, fmt.Errorf("cannot read variables from %s: %w", f, err)
		}
	}
	vars, err := dotenv.GetEnvFromFile(env, files)
	if err != nil {
		for _, f := range files {
			if e := envMistake(f); e != nil {
				return nil, Errors{*e}
			}
		}
		return nil, fmt.Errorf("cannot read variables from %s: %w", strings.Join(files, ", "), err)
	}
	return vars, nil
}

func isFile(path string) bool { return checkRegular(path) == nil }

// projectName returns the project's name by Compose's rules: lower-case letters, digits, hyphens and underscores, with a letter
// or digit first. A name in the environment or on the command line must have this form; that of the file or of the directory is
// converted to it.
func (l *load) projectName() string {
	for _, from := range []struct{ name, where string }{
		{l.o.ProjectName, "--project-name"}, {l.env["COMPOSE_PROJECT_NAME"], "COMPOSE_PROJECT_NAME"},
	} {
		if from.name == "" {
			continue
		}
		if loader.NormalizeProjectName(from.name) != from.name {
			l.p.add(Error{
				File: from.where, Message: fmt.Sprintf("%q is not a valid project name", from.name),
				Hint: "use lower-case letters, digits, hyphens and underscores, with a letter or digit first",
			})
		} else if len(from.name) > maxProjectName {
			l.p.add(Error{File: from.where, Message: fmt.Sprintf("the project name has %d characters, the limit is %d", len(from.name), maxProjectName)})
		}
		return from.name
	}
	written := ""
	for _, d := range l.docs {
		if n := d.root.get("name"); n != nil && n.str() != "" {
			written = n.str()
		}
	}
	if name := loader.NormalizeProjectName(written); name != "" {
		return name[:min(len(name), maxProjectName)]
	}
	name := loader.NormalizeProjectName(filepath.Base(l.o.WorkDir))
	if name == "" {
		return "stack"
	}
	return name[:min(len(name), maxProjectName)]
}

// maxProjectName is what files and Docker objects whose names begin with the project's leave room for.
const maxProjectName = 128
