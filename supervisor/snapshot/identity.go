package snapshot

import (
	"os"
	"regexp"
	"strings"
)

// versionFiles are files of known products that hold the version that wrote a data directory.
var versionFiles = []struct{ file, product string }{
	{"mariadb_upgrade_info", "mariadb"},
	{"mysql_upgrade_info", "mariadb"},
	{"PG_VERSION", "postgres"},
}

var versionForm = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?`)

// identity returns the product and version (major.minor) that wrote a volume's data, "" for what is unknown.
func identity(root *os.Root) (product, version string) {
	if b, err := readFile(root, ".lyandev-identity"); err == nil {
		for line := range strings.Lines(string(b)) {
			k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
			switch k {
			case "product":
				product = v
			case "version":
				version = v
			}
		}
		return product, version
	}
	for _, f := range versionFiles {
		if b, err := readFile(root, f.file); err == nil {
			return f.product, versionForm.FindString(strings.TrimRight(string(b), "\x00\n"))
		}
	}
	return "", ""
}
