package profiles

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEnvFileMistakes: a mistake in .env had the place where the reader noticed it, or none, and no name of a file among several.
func TestEnvFileMistakes(t *testing.T) {
	for content, want := range map[string]string{
		"A=1\nB\n=3\nb@d=1\n":                     ".env:4:1: the line does not begin with the name of a variable; write NAME=VALUE",
		"A=1\nC=\"open\nD=4\n":                    `.env:2:3: the quote that begins here is not closed; close it with "`,
		"A=1\nB C=2\n":                            ".env:2:1: a name is followed by something else than =; write NAME=VALUE",
		"# x\nA='two\nlines'\nexport B: 1\n1@2=3": ".env:5:1: the line does not begin with the name of a variable; write NAME=VALUE",
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{"compose.yaml": "services: {web: {image: x}}\n", ".env": content} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := Load(t.Context(), Options{Files: []string{filepath.Join(dir, "compose.yaml")}})
		if err == nil || strings.TrimPrefix(err.Error(), dir+"/") != want {
			t.Errorf("%q: got %v, want %s", content, err, want)
		}
	}
}
