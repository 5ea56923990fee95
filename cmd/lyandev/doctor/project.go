package doctor

import (
	"fmt"
	"strings"
)

func judgeInstances(f *Facts) []Finding {
	var out []Finding
	for _, l := range f.Left {
		switch {
		case l.Hangs:
			out = append(out, problem(fmt.Sprintf("kill -9 %d; its containers go on running, and `lyandev up` in %s takes them over", l.PID, l.Dir),
				"the supervisor of %s (process %d) does not answer", l.Name, l.PID)...)
		case l.Gone:
			out = append(out, note(fmt.Sprintf("lyandev -p %s down; volumes are kept", l.Name),
				"%s has %s and no supervisor, and its directory %s is gone", l.Name, plural(l.Running, "running container"), l.Dir)...)
		default:
			out = append(out, note(fmt.Sprintf("`lyandev up` in %s supervises them again, `lyandev -p %s down` removes them", l.Dir, l.Name),
				"%s has %s and no supervisor: nothing probes them or replaces them", l.Name, plural(l.Running, "running container"))...)
		}
	}
	if len(out) == 0 && f.Engine != nil {
		return ok("none without a supervisor")
	}
	return out
}

func judgeFile(f *Facts) []Finding {
	x := &f.File
	if len(x.Errors) > 0 {
		first, _, _ := strings.Cut(x.Errors[0], "\n")
		if more := len(x.Errors) - 1; more > 0 {
			first += fmt.Sprintf(" (and %s)", plural(more, "more error"))
		}
		return problem("correct the file; `lyandev config --quiet` says all that is wrong with it", "%s", first)
	}
	if x.Path == "" {
		return note("`lyandev init` writes one, `lyandev examples` lists some to copy", "none in %s or above: no ports and file watches to check", x.Dir)
	}
	text := fmt.Sprintf("%s is valid: project %s, %s", x.Path, x.Project, plural(x.Workloads, "service"))
	if x.NotApplied > 0 {
		return note("`lyandev config --support --here` lists them", "%s; %s not applied", text, are(x.NotApplied, "setting"))
	}
	return ok("%s", text)
}

func are(n int, what string) string {
	if n == 1 {
		return "1 " + what + " is"
	}
	return fmt.Sprintf("%d %ss are", n, what)
}

func judgePorts(f *Facts) []Finding {
	var out []Finding
	var free, own []string
	for _, p := range f.Ports {
		switch {
		case p.Own:
			own = append(own, p.Address)
		case p.Holder != "":
			out = append(out, problem("stop it, or publish another port; `lyandev -p NAME up` chooses free ones", "%s, for %s, is taken by %s", p.Address, p.For, p.Holder)...)
		case p.Unknown != "":
			out = append(out, note("", "%s, for %s: cannot tell: %s", p.Address, p.For, p.Unknown)...)
		default:
			free = append(free, p.Address)
		}
	}
	var text []string
	if len(free) > 0 {
		text = append(text, "free: "+strings.Join(free, ", "))
	}
	if len(own) > 0 {
		text = append(text, "published by this stack: "+strings.Join(own, ", "))
	}
	if len(text) > 0 {
		out = append(out, ok("%s", strings.Join(text, "; "))...)
	}
	if len(out) == 0 && f.File.Path != "" && len(f.File.Errors) == 0 {
		return ok("the file publishes none")
	}
	return out
}

// fewInstances is the number of programs below which editors, file managers and lyandev run out of inotify instances.
const fewInstances = 128

func judgeWatches(f *Facts) []Finding {
	w := &f.Watches
	dirs := fmt.Sprintf("%d directories", w.Dirs)
	if w.Dirs == 1 {
		dirs = "1 directory"
	}
	if w.More {
		dirs = "more than " + dirs
	}
	need := fmt.Sprintf("%s to watch (%s)", dirs, plural(w.Rules, "rule"))
	if w.Rules == 0 {
		need = "the file has nothing to watch"
	}
	known := f.File.Path != "" && len(f.File.Errors) == 0
	switch {
	case w.MaxWatches == 0 && !known:
		return nil
	case w.MaxWatches == 0:
		return ok("%s; this system has no limit that can be read", need)
	case !known:
		need = "nothing to watch"
	}
	text := fmt.Sprintf("%s, of at most %d", need, w.MaxWatches)
	var out []Finding
	switch {
	case w.Dirs > w.MaxWatches:
		out = problem(raise("max_user_watches", 1048576), "%s: the rest would be polled, which is slow", text)
	case w.Dirs > w.MaxWatches/2:
		out = note(raise("max_user_watches", 1048576), "%s: editors need watches too", text)
	}
	if w.MaxInstances > 0 && w.MaxInstances < fewInstances {
		out = append(out, note(raise("max_user_instances", 1024), "at most %d programs of this user can watch files", w.MaxInstances)...)
	}
	if len(out) == 0 {
		return ok("%s", text)
	}
	return out
}

// raise is how a limit of inotify is raised now and after the next boot.
func raise(setting string, to int) string {
	return fmt.Sprintf("echo fs.inotify.%s=%d | sudo tee -a /etc/sysctl.d/60-inotify.conf && sudo sysctl --system", setting, to)
}
