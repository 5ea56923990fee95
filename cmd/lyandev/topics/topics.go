// Package topics holds the texts of `lyandev help TOPIC`: plain text for a terminal of 80 columns. The reference of x-lyandev is
// made of the schema that editors use; all other topics are the files text/*.txt. The first line of a file is its title.
package topics

import (
	"embed"
	"strings"
)

//go:embed text/*.txt
var files embed.FS

// Topic is one text.
type Topic struct {
	// Name is the word after help, Title says in a few words what the text is about.
	Name, Title string
}

// ReferenceName is the name of the topic that is made of the schema.
const ReferenceName = "x-lyandev"

// names are the topics in the order of the list: the file first, then what runs, then those who come from other tools.
var names = []string{
	ReferenceName, "profiles", "probes", "networking", "volumes", "live-updates", "testing", "troubleshooting", "debugging",
	"compose", "tilt", "kubernetes", "editors", "exit-codes", "environment", "lyanna", "performance",
}

// All returns the topics in the order in which they are listed.
func All() []Topic {
	out := make([]Topic, len(names))
	for i, name := range names {
		out[i] = Topic{Name: name, Title: "every key: type, default, meaning, an example"}
		if name != ReferenceName {
			title, _, _ := strings.Cut(read(name), "\n")
			out[i].Title = strings.TrimSpace(title)
		}
	}
	return out
}

// otherWords are words that people type for a topic.
var otherWords = map[string]string{
	"probe": "probes", "healthcheck": "probes", "healthchecks": "probes", "profile": "profiles", "volume": "volumes",
	"network": "networking", "networks": "networking", "dns": "networking", "ingress": "networking",
	"watch": "live-updates", "develop": "live-updates", "sync": "live-updates", "reload": "live-updates", "live-update": "live-updates",
	"test": "testing", "tests": "testing", "debug": "debugging", "debugger": "debugging", "debuggers": "debugging",
	"editor": "editors", "vscode": "editors", "schema": "editors", "exit-code": "exit-codes", "exitcodes": "exit-codes", "codes": "exit-codes",
	"env": "environment", "variables": "environment", "docker-compose": "compose", "k8s": "kubernetes", "kubectl": "kubernetes", "trouble": "troubleshooting",
}

// Named returns the name of the topic that a word stands for: the word itself, or another word for it. It is "" if there is none.
func Named(word string) string {
	if other := otherWords[word]; other != "" {
		return other
	}
	if read(word) != "" {
		return word
	}
	return ""
}

// read returns the file of a topic, "" if there is none.
func read(name string) string {
	text, err := files.ReadFile("text/" + name + ".txt")
	if err != nil {
		return ""
	}
	return string(text)
}

// Find returns the text for the words after help: a topic, or a key of x-lyandev in one of the forms "x-lyandev probes",
// "x-lyandev.probes.readiness", "services.web.x-lyandev.probes" (as messages name it). found is false if there is no such topic; err says what is wrong with a key.
func Find(words []string) (text string, found bool, err error) {
	if len(words) == 0 {
		return "", false, nil
	}
	word := words[0]
	if before, key, in := strings.Cut(word, "."+ReferenceName); in && strings.HasPrefix(before, "services.") {
		word = ReferenceName + key
	}
	first, rest, _ := strings.Cut(word, ".")
	if first == ReferenceName {
		path := strings.Trim(rest+"."+strings.Join(words[1:], "."), ".")
		text, err = reference(path)
		return text, true, err
	}
	if text = read(Named(words[0])); text == "" || len(words) > 1 {
		return "", false, nil
	}
	return text, true, nil
}

// Wrap breaks the paragraphs of a text into lines of at most width columns, each after indent. Lines that begin with a space are
// left as they are.
func Wrap(text, indent string, width int) string {
	var out strings.Builder
	column := 0
	end := func() {
		if column > 0 {
			out.WriteByte('\n')
			column = 0
		}
	}
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if line == "" || line[0] == ' ' {
			end()
			out.WriteString(strings.TrimRight(indent+line, " ") + "\n")
			continue
		}
		for _, word := range strings.Fields(line) {
			if column > 0 && column+1+len([]rune(word)) > width {
				end()
			}
			if column == 0 {
				out.WriteString(indent)
				column = len(indent)
			} else {
				out.WriteByte(' ')
				column++
			}
			out.WriteString(word)
			column += len([]rune(word))
		}
	}
	end()
	return out.String()
}
