package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/lyandev/lyandev/services/kube"
	"github.com/lyandev/lyandev/supervisor/controller"
)

// cronTimes asks which start time of a CronJob is due.
func cronTimes(data []byte) (any, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	out := []map[string]any{}
	for _, r := range raw {
		line := map[string]any{"in": r}
		out = append(out, line)
		if err := cronTime(r, line); err != nil {
			line["error"] = err.Error()
		}
	}
	return out, nil
}

func cronTime(raw json.RawMessage, line map[string]any) error {
	var in struct {
		Schedule                string     `json:"schedule"`
		TimeZone                *string    `json:"timeZone"`
		Created                 time.Time  `json:"created"`
		Last                    *time.Time `json:"last"`
		Now                     time.Time  `json:"now"`
		StartingDeadlineSeconds *int64     `json:"startingDeadlineSeconds"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return err
	}
	s, err := kube.ParseSchedule(in.Schedule, in.TimeZone, nil)
	if err != nil {
		return err
	}
	due := controller.DueAt(s, in.Created, in.Last, in.StartingDeadlineSeconds, in.Now)
	line["earliest"] = due.Earliest.UTC().Format(time.RFC3339)
	if !due.At.IsZero() {
		line["mostRecentUnmet"] = due.At.UTC().Format(time.RFC3339)
	}
	line["missed"], line["tooLate"] = due.Missed, due.TooLate
	if due.Err != nil {
		line["error"] = due.Err.Error()
	}
	line["wouldCreateJob"], line["tooManyMissedTimesEvent"] = due.Start(), due.Missed == controller.MissedMany
	return nil
}

// verdict is what validation says of one document.
type verdict struct {
	Kind           string    `json:"kind,omitempty"`
	Name           string    `json:"name,omitempty"`
	DecodeError    string    `json:"decodeError,omitempty"`
	StrictDecoding []string  `json:"strictDecoding,omitempty"`
	Errors         []problem `json:"errors"`
	Message        string    `json:"message,omitempty"`
}

type problem struct {
	Type    string `json:"type"`
	Field   string `json:"field"`
	Message string `json:"message"`
}

func validate(data []byte) (any, error) {
	docs, err := kube.Documents(data)
	if err != nil {
		return nil, err
	}
	out := []verdict{}
	for _, doc := range docs {
		out = append(out, judge(doc))
	}
	return out, nil
}

func judge(doc []byte) verdict {
	v := verdict{Errors: []problem{}}
	o, err := kube.DecodeOne(doc)
	var strict *kube.StrictError
	switch {
	case errors.As(err, &strict):
		v.StrictDecoding, o = strict.Problems, strict.Object
	case err != nil:
		v.DecodeError = kube.Reason(err)
		return v
	}
	v.Kind, v.Name = o.GetObjectKind().GroupVersionKind().Kind, o.GetName()
	kube.Default(o)
	problems := kube.Validate(o)
	for _, p := range problems {
		v.Errors = append(v.Errors, problem{string(p.Type), p.Field, p.ErrorBody()})
	}
	if err := kube.Invalid(o, problems); err != nil {
		v.Message = err.Error()
	}
	return v
}

func defaults(data []byte, out io.Writer) error {
	objects, err := kube.Decode(data)
	if err != nil {
		return err
	}
	for _, o := range objects {
		kube.Default(o)
		text, err := yaml.Marshal(o)
		if err != nil {
			return fmt.Errorf("cannot write %s: %w", o.GetName(), err)
		}
		if _, err := fmt.Fprintf(out, "---\n%s", text); err != nil {
			return err
		}
	}
	return nil
}
