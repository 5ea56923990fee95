package upplan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// NewImageID stands for the ID of an image that would be built: no image has it.
func NewImageID(ref string) string {
	sum := sha256.Sum256([]byte("new build of " + ref))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Names are the names of what changes, as kubectl's: deployment/web.
func (p *Plan) Names() []string {
	out := []string{}
	for _, s := range p.Services {
		if s.Change != "" {
			out = append(out, ui.Kind(s.Kind)+"/"+s.Name)
		}
	}
	for _, o := range p.Objects {
		if o.Text != "" {
			out = append(out, strings.ToLower(o.Kind)+"/"+o.Name)
		}
	}
	for _, i := range p.Images {
		out = append(out, "image/"+i.Image)
	}
	return out
}

// Print prints a plan for people: the lines of Lines, each followed by the fields that differ and what happens to the pods, then images.
// With wide also the pods that are kept.
func Print(st *ui.Streams, p *Plan, wide bool) error {
	w := &printer{st: st}
	for _, s := range p.Services {
		if s.Change != "" {
			w.line(s.Action, s.Name+": "+s.Change)
			w.fields(s.Fields)
			w.detail("pods", s.PodText())
		}
		if kept := s.kept(); wide && len(kept) > 0 {
			if s.Change == "" {
				w.line(Keep, s.Name+": stays as it is")
			}
			w.detail("pods", "keep "+strings.Join(kept, ", "))
		}
	}
	for _, o := range p.Objects {
		if o.Text != "" {
			w.line(o.Action, o.Text)
			w.fields(o.Fields)
		}
	}
	for _, i := range p.Images {
		w.line(i.Action, string(i.Action)+" image "+i.Image+": "+some(i.Because))
	}
	if slices.ContainsFunc(p.Services, func(s Service) bool { return strings.Contains(s.Change, newBuild) }) {
		w.line(Keep, "a build that gives the same image as before changes nothing of its services")
	}
	for _, x := range p.Providers {
		w.line(Keep, "provide "+x+": not run here, so what it would change is not known")
	}
	for _, x := range p.Models {
		w.line(Keep, "model "+x+": not made ready here")
	}
	if p.Empty() {
		w.line(Keep, "nothing would change: what runs is what the file says")
	}
	_, err := io.WriteString(st.Out, w.text.String())
	return err
}

func (s Service) kept() (names []string) {
	for _, p := range s.Pods {
		if p.Action == Keep {
			names = append(names, p.Name)
		}
	}
	return names
}

// some names at most four things.
func some(names []string) string {
	if len(names) > 4 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}

type printer struct {
	st   *ui.Streams
	text strings.Builder
}

func (w *printer) line(a Action, text string) {
	style := map[Action]ui.Style{Create: ui.Green, Start: ui.Green, Remove: ui.Red, Keep: ""}
	s, ok := style[a]
	if !ok {
		s = ui.Yellow
	}
	if w.st.OutTTY && s != "" {
		name, rest, _ := strings.Cut(text, ":")
		text = w.st.Paint(s, name) + ":" + rest
	}
	w.text.WriteString(text + "\n")
}

func (w *printer) detail(name, text string) {
	if text != "" {
		fmt.Fprintf(&w.text, "    %s: %s\n", name, text)
	}
}

// widest is the number of characters of a value that is printed for people.
const widest = 60

func (w *printer) fields(list []profiles.Field) {
	seen := map[string]bool{}
	for _, f := range list {
		name, variable := topic(f.Path + " ->")
		switch {
		case strings.Contains(f.Path, services.ImageAnnotation), strings.Contains(f.Path, services.RecreatedAnnotation):
			continue // said by the image and by the line
		case variable != "":
			name = "environment " + variable
		default:
			name = within(strings.TrimSuffix(name, " ->"), f.Path)
		}
		from, to := value(f.Path, f.From), value(f.Path, f.To)
		text := from + " -> " + to
		switch {
		case f.From == nil:
			text = "added: " + to
		case f.To == nil:
			text = "removed, was " + from
		case from == to:
			text = from + " (changed)"
		}
		if !seen[name+text] {
			w.detail(name, text)
		}
		seen[name+text] = true
	}
}

// within adds the rest of a field's path to the word for it, where that says more: labels tier, healthcheck periodSeconds.
func within(word, path string) string {
	parts := strings.Split(path, ".")
	last := parts[len(parts)-1]
	for key, w := range words {
		if w == word && key == last {
			return word
		}
	}
	for i, part := range parts {
		if strings.HasSuffix(part, "Probe") {
			return strings.Join(parts[i:], ".")
		}
	}
	if last == word || word == "replicas" {
		return word
	}
	if i := strings.Index(path, ".annotations."); i >= 0 || strings.HasPrefix(path, "annotations.") {
		return path
	}
	return word + " " + last
}

// durations are fields of Docker that are numbers of nanoseconds.
var durations = []string{"Interval", "Timeout", "StartPeriod", "StartInterval"}

// value is a value for people, at most widest characters.
func value(path string, v *string) string {
	if v == nil {
		return ""
	}
	if *v == "" {
		return `""`
	}
	if n, err := strconv.ParseInt(*v, 10, 64); err == nil && slices.Contains(durations, path[strings.LastIndex(path, ".")+1:]) {
		return time.Duration(n).String()
	}
	return output.Cut(output.Digest(output.OneLine(*v)), widest)
}
