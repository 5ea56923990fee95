package profiles

import (
	"os"
	"regexp"
	"strings"
)

var (
	envName = regexp.MustCompile(`^\s*(?:export\s+)?([^=:\s]*)\s*(.*)$`)
	envKey  = regexp.MustCompile(`^[A-Za-z0-9_.\-\[\]]*$`)
)

// envMistake finds the line of an env file that cannot be read, nil if it finds none. The library that reads such files tells the line
// where it noticed the mistake, which may be the end of the file, and not the file. The line itself is not shown: it may hold a secret.
func envMistake(file string) *Error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	lines := strings.Split(strings.ReplaceAll(string(raw), "\r\n", "\n"), "\n")
	for n := 0; n < len(lines); n++ {
		text := strings.TrimSpace(lines[n])
		if text == "" || text[0] == '#' {
			continue
		}
		m := envName.FindStringSubmatch(text)
		at := Error{File: file, Line: n + 1, Column: strings.Index(lines[n], text) + 1}
		switch value := strings.TrimSpace(strings.TrimLeft(m[2], "=: ")); {
		case !envKey.MatchString(m[1]):
			at.Message, at.Hint = "the line does not begin with the name of a variable", "write NAME=VALUE"
		case m[2] != "" && m[2][0] != '=' && m[2][0] != ':':
			at.Message, at.Hint = "a name is followed by something else than =", "write NAME=VALUE"
		case value != "" && strings.ContainsRune(`"'`, rune(value[0])) && !closed(value):
			last := endOfQuote(lines, n, value[0])
			if last < 0 {
				at.Column = strings.Index(lines[n], value) + 1
				at.Message, at.Hint = "the quote that begins here is not closed", "close it with "+value[:1]
				break
			}
			n = last
			continue
		default:
			continue
		}
		return &at
	}
	return nil
}

// endOfQuote is the index of the line that closes a quote which a line opens, -1 if none does.
func endOfQuote(lines []string, from int, quote byte) int {
	for n := from + 1; n < len(lines); n++ {
		if closed(string(quote) + lines[n]) {
			return n
		}
	}
	return -1
}
