package main

import (
	"encoding/xml"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/services/mask"
	"github.com/lyandev/lyandev/supervisor/ui"
)

var testResults = output.List[*testRun]{Columns: []output.Column[*testRun]{
	{Title: "PROFILE", Cell: func(r *testRun) string { return r.profile() }},
	{Title: "RESULT", Cell: func(r *testRun) string {
		if r.failed() {
			return "FAILED"
		}
		return "passed"
	}},
	{Title: "READY", Cell: func(r *testRun) string {
		if r.ready == 0 {
			return ""
		}
		return round(r.ready)
	}},
	{Title: "TOOK", Cell: func(r *testRun) string { return round(r.took) }},
	{Title: "CODE", Cell: func(r *testRun) string { return strconv.Itoa(r.exitCode()) }},
}}

// printSummary prints the result of every profile, one line each, and where to find details of a failure.
func printSummary(st *ui.Streams, runs []*testRun) {
	fmt.Fprintln(st.Err)
	_ = testResults.Print(st.Err, runs, output.Options{})
	for _, r := range runs {
		if from := r.volumesText(); from != "" {
			fmt.Fprintf(st.Err, "%s: started %s\n", r.profile(), from)
		}
		if r.prepared != "" && r.ready == 0 {
			fmt.Fprintf(st.Err, "%s: use --prepared never to start from empty volumes\n", r.profile())
		}
		if r.err != nil {
			fmt.Fprintf(st.Err, "%s %s\n", st.Paint(ui.Red, r.profile()+":"), mask.New(r.stack).String(r.err.Error()))
		}
		if r.bundle != "" {
			fmt.Fprintf(st.Err, "%s: logs, events and details of the failure: %s\n", r.profile(), r.bundle)
		}
		if r.kept {
			fmt.Fprintf(st.Err, "%s: left running as %s; inspect it with `lyandev -p %s ps`, remove it with `lyandev -p %s down --volumes`\n",
				r.profile(), r.name, r.name, r.name)
		}
	}
}

func round(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }

// The elements of JUnit's XML, as CI systems read them.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitProblem `xml:"failure,omitempty"`
	Error   *junitProblem `xml:"error,omitempty"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// junit returns the results of all runs: one suite per profile, with one case for the start of the stack and one per command.
func junit(runs []*testRun) junitSuites {
	all := junitSuites{Name: "lyandev test"}
	var total time.Duration
	for _, r := range runs {
		s := junitSuiteOf(r)
		all.Tests, all.Failures, all.Errors = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors
		all.Suites = append(all.Suites, s)
		total += r.took
	}
	all.Time = seconds(total)
	return all
}

func junitSuiteOf(r *testRun) junitSuite {
	m := mask.New(r.stack)
	s := junitSuite{Name: r.profile(), Time: seconds(r.took)}
	ready := junitCase{Class: r.profile(), Name: "the stack gets ready", Time: seconds(r.ready), Output: r.volumesText()}
	reported := false
	if r.ready == 0 && r.err != nil {
		ready.Error, reported = problem(m, r.err.Error(), r.bundle), true
	}
	s.Cases = append(s.Cases, ready)
	for _, t := range r.results {
		c := junitCase{Class: r.profile() + "." + t.workload, Name: strings.Join(t.command.Command, " "), Time: seconds(t.took)}
		c.Output = m.String(xmlText(t.tail))
		switch {
		case t.err != nil:
			c.Error, reported = problem(m, t.err.Error(), r.bundle), true
		case t.code != 0:
			c.Failure = problem(m, fmt.Sprintf("exit code %d", t.code), r.bundle)
		}
		s.Cases = append(s.Cases, c)
	}
	if r.err != nil && !reported {
		s.Cases = append(s.Cases, junitCase{Class: r.profile(), Name: "the stack is taken down", Error: problem(m, r.err.Error(), r.bundle)})
	}
	s.Tests = len(s.Cases)
	for _, c := range s.Cases {
		if c.Failure != nil {
			s.Failures++
		}
		if c.Error != nil {
			s.Errors++
		}
	}
	return s
}

func problem(m *mask.Masker, message, bundle string) *junitProblem {
	p := &junitProblem{Message: m.String(xmlText(message))}
	if bundle != "" {
		p.Text = "details: " + bundle
	}
	return p
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// xmlText drops control characters that XML does not allow, such as those of colour codes.
func xmlText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, s)
}

func writeJUnit(path string, runs []*testRun) error {
	b, err := xml.MarshalIndent(junit(runs), "", "  ")
	if err == nil {
		err = os.WriteFile(path, append([]byte(xml.Header), append(b, '\n')...), 0o644)
	}
	if err != nil {
		return fmt.Errorf("cannot write the results to %s: %w", path, err)
	}
	return nil
}
