package profiles

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// yamlError says where a file is not valid YAML and, for the usual mistakes, which one it is. The parser often notices a mistake
// later than it is made.
func yamlError(file string, lines []string, err error) Error {
	e := whatIsWrong(file, lines, err)
	e.Message = "not valid YAML: " + e.Message
	return e
}

func whatIsWrong(file string, lines []string, err error) Error {
	e := Error{File: file, Message: strings.TrimPrefix(err.Error(), "yaml: ")}
	var le *yaml.LoadError
	if !errors.As(err, &le) {
		return e
	}
	e.Message, e.Line, e.Column = le.Message, le.Mark.Line, le.Mark.Column
	context := le.ContextMark
	switch {
	case strings.Contains(le.Message, "tab character"), strings.Contains(le.Message, "cannot start any token") && strings.HasPrefix(strings.TrimLeft(lineAt(lines, e.Line), " "), "\t"):
		tabs := 0
		for _, l := range lines {
			if strings.HasPrefix(strings.TrimLeft(l, " "), "\t") {
				tabs++
			}
		}
		e.Message, e.Hint = "the line is indented with a tab", "indent with spaces"
		if tabs > 1 {
			e.Hint += fmt.Sprintf("; %d lines of the file have tabs", tabs)
		}
	case openQuote(lines, &e):
	case strings.Contains(le.Message, "cannot start any token"):
		e.Message, e.Hint = "a value cannot begin with this character", "write the value in quotes"
	case noBlank(lines, &e, context.Line):
	case strings.Contains(le.Message, "mapping values are not allowed"):
		colon(lines, &e)
	case flowVariable(lines, &e, context.Line):
	case strings.Contains(le.Message, "',' or ']'"), strings.Contains(le.Message, "',' or '}'"):
		e.Message, e.Hint = "the bracket that begins here is never closed, or a comma is missing behind a value", "close it, or separate the values by commas"
		e.Line, e.Column = context.Line, context.Column
	case openBracket(lines, &e):
	case strings.Contains(le.Message, "did not find expected key") && between(lines, &e):
	case context.Line > 0:
		e.Hint = fmt.Sprintf("look at the lines from %d on", context.Line)
		e.also = context.Line
	}
	return e
}

var (
	// lacksBlank is a key, a colon and a value without a blank between them. Addresses and times of day are values.
	lacksBlank = regexp.MustCompile(`^(\s*(?:- +)*)([A-Za-z_][A-Za-z0-9_.-]*):([^\s:/0-9][^:]*|\d+)$`)
	// bareVariable is a variable in braces that is not in quotes.
	bareVariable = regexp.MustCompile(`[\[{,:]\s*(\$\{[^}]*\})`)
)

// noBlank finds a colon without a blank behind it on the line of the error, on the one before or on the one where it began. It makes that
// colon the place of the error and reports whether it found one.
func noBlank(lines []string, e *Error, began int) bool {
	for _, n := range []int{e.Line, e.Line - 1, began} {
		text, _, _ := strings.Cut(lineAt(lines, n), " #")
		m := lacksBlank.FindStringSubmatch(strings.TrimRight(text, " \r"))
		if m == nil {
			continue
		}
		e.Line, e.Column = n, len([]rune(m[1]+m[2]))+1
		e.Message, e.Hint = "a blank is missing behind the colon", fmt.Sprintf("write %s: %s", m[2], m[3])
		return true
	}
	return false
}

// flowVariable finds a variable in braces that is not in quotes within [ ] or { } and makes it the place of the error: its brace begins a
// mapping there. It reports whether it found one.
func flowVariable(lines []string, e *Error, began int) bool {
	if !strings.Contains(e.Message, "flow") && !strings.Contains(e.Message, "',' or") {
		return false
	}
	for n := max(began, 1); n <= min(e.Line, len(lines)); n++ {
		if at := bareVariable.FindStringSubmatchIndex(lines[n-1]); at != nil {
			name := lines[n-1][at[2]:at[3]]
			e.Line, e.Column = n, len([]rune(lines[n-1][:at[2]]))+1
			e.Message, e.Hint = "a variable in braces must be in quotes within [ ] and { }", fmt.Sprintf("write %q", name)
			return true
		}
	}
	return false
}

// between explains a line whose indentation is that of no line above: one of a mapping's keys that does not stand below the others.
func between(lines []string, e *Error) bool {
	own := indentOf(lineAt(lines, e.Line))
	best, at := -1, 0
	for n := e.Line - 1; n >= 1; n-- {
		text := strings.TrimSpace(lineAt(lines, n))
		if text == "" || text[0] == '#' {
			continue
		}
		indent := indentOf(lineAt(lines, n))
		switch {
		case indent == own:
			return false
		case best < 0 || distance(indent, own) < distance(best, own):
			best, at = indent, n
		}
		if indent < own {
			break
		}
	}
	if best < 0 {
		return false
	}
	e.Column, e.also = own+1, at
	e.Message = fmt.Sprintf("the line is indented by %d, and no line above it that it could belong to is", own)
	e.Hint = fmt.Sprintf("indent it by %d, as line %d", best, at)
	return true
}

func distance(a, b int) int { return max(a-b, b-a) }

func lineAt(lines []string, n int) string {
	if n < 1 || n > len(lines) {
		return ""
	}
	return lines[n-1]
}

var (
	// quotedValue is a line whose value begins with a quote; its groups are what comes before the quote, and the quote with what follows.
	quotedValue = regexp.MustCompile(`^(\s*(?:- +)*(?:[^\s"'#\[{][^"'#\[{]*:\s+|- +)(?:[\[{]\s*)?)(["'].*)$`)
	keyLine     = regexp.MustCompile(`^\s*[A-Za-z0-9_.-]+:(\s|$)`)
)

// openQuote finds a quote before an error that is not closed on its line, although the next line begins a key of its own. It makes
// the quote the place of the error and reports whether it found one.
func openQuote(lines []string, e *Error) bool {
	for n := 1; n <= min(e.Line, len(lines)); n++ {
		m := quotedValue.FindStringSubmatch(strings.TrimRight(lines[n-1], "\r"))
		if m == nil || closed(m[2]) || n < len(lines) && strings.TrimSpace(lines[n]) != "" && !keyLine.MatchString(lines[n]) {
			continue
		}
		e.Line, e.Column = n, len([]rune(m[1]))+1
		e.Message, e.Hint = "the quote that begins here is not closed", "close it with "+m[2][:1]+" at the end of the line"
		return true
	}
	return false
}

// closed reports whether a text that begins with a quote has its end.
func closed(text string) bool {
	quote := text[0]
	for i := 1; i < len(text); i++ {
		switch {
		case quote == '"' && text[i] == '\\':
			i++
		case text[i] == quote:
			return true
		}
	}
	return false
}

// colon explains a colon where none may be: a key that is indented unevenly, a line above that lacks its colon, or a text with a
// colon that lacks its quotes.
func colon(lines []string, e *Error) {
	line := lineAt(lines, e.Line)
	above := e.Line - 1
	for above > 0 && strings.TrimSpace(strings.SplitN(lineAt(lines, above), "#", 2)[0]) == "" {
		above--
	}
	before := lineAt(lines, above)
	first := strings.Index(line, ":")
	switch text := strings.TrimSpace(before); {
	case first >= 0 && strings.Count(line, ": ") > 1 && len([]rune(line[:first])) < e.Column-1:
		e.Message, e.Hint = "a value with a colon and a blank must be in quotes", "write the value in quotes"
	case above > 0 && indentOf(line) > indentOf(before) && keyLine.MatchString(before) && !strings.HasSuffix(text, ":"):
		e.Message, e.Column = "the line is indented deeper than the one above, which has a value already", indentOf(line)+1
		e.Hint, e.also = fmt.Sprintf("indent it by %d, as line %d", indentOf(before), above), above
	case above > 0 && indentOf(line) > indentOf(before) && !strings.Contains(text, ": "):
		e.Line, e.Column = above, indentOf(before)+1
		e.Message, e.Hint = fmt.Sprintf("the key lacks a colon: %q", text), "write "+text+":"
	default:
		e.Message = "a colon cannot stand here"
		e.Hint = "look at the indentation of this line and the one above, or write a value with a colon in quotes"
	}
}

// openBracket finds a bracket before an error that is never closed, makes it the place of the error and reports whether it found one.
func openBracket(lines []string, e *Error) bool {
	type place struct{ line, column int }
	var open []place
	for n, line := range lines {
		line, _, _ = strings.Cut(line, " #")
		quote := rune(0)
		for i, r := range []rune(line) {
			switch {
			case quote != 0:
				if r == quote {
					quote = 0
				}
			case r == '"' || r == '\'':
				quote = r
			case r == '[' || r == '{':
				open = append(open, place{n + 1, i + 1})
			case (r == ']' || r == '}') && len(open) > 0:
				open = open[:len(open)-1]
			}
		}
	}
	if len(open) == 0 || open[0].line > e.Line {
		return false
	}
	e.Message, e.Hint = "the bracket that begins here is never closed", "close it"
	e.Line, e.Column = open[len(open)-1].line, open[len(open)-1].column
	return true
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }
