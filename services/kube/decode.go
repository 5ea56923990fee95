package kube

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

// Object is any Kubernetes object: data with metadata.
type Object interface {
	runtime.Object
	metav1.Object
}

// StrictError is returned for a document that can be decoded but has unknown or duplicate fields (R41).
type StrictError struct {
	// Object is the decoded object without those fields.
	Object Object
	// Problems are messages such as `unknown field "spec.containers[0].livenessProbe.foo"`.
	Problems []string
}

func (e *StrictError) Error() string {
	return fmt.Sprintf("cannot accept %s %q: %s", e.Object.GetObjectKind().GroupVersionKind().Kind, e.Object.GetName(), strings.Join(e.Problems, ", "))
}

// Scheme contains the kinds that a stack may have.
func Scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme, networkingv1.AddToScheme} {
		if err := add(s); err != nil {
			panic(fmt.Sprintf("cannot register Kubernetes types: %v", err)) // only a programming error can do this
		}
	}
	return s
}

// Documents splits YAML into its documents and drops empty ones. JSON is one document.
func Documents(data []byte) ([][]byte, error) {
	var out [][]byte
	r := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		doc, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("cannot split YAML documents: %w", err)
		}
		if !blank(doc) {
			out = append(out, doc)
		}
	}
}

// blank reports whether a document consists only of white space, comments and separators.
func blank(doc []byte) bool {
	for line := range bytes.Lines(doc) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && !bytes.Equal(line, []byte("---")) {
			return false
		}
	}
	return true
}

// DecodeOne decodes one YAML or JSON document strictly (R41). Unknown and duplicate fields are a *StrictError, which contains
// the object. Wrong types and unknown kinds are plain errors.
func DecodeOne(doc []byte) (Object, error) {
	scheme := Scheme()
	s := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	obj, _, err := s.Decode(doc, nil, nil)
	if err != nil && !runtime.IsStrictDecodingError(err) {
		return nil, err
	}
	o, ok := obj.(Object)
	if !ok {
		return nil, fmt.Errorf("cannot use %T: it is no object with metadata", obj)
	}
	if err == nil {
		return o, nil
	}
	problems, _ := runtime.AsStrictDecodingError(err)
	strict := &StrictError{Object: o}
	for _, p := range problems.Errors() {
		strict.Problems = append(strict.Problems, p.Error())
	}
	return nil, strict
}

// Decode decodes all documents of a manifest strictly (R41), without setting defaults. It returns the objects that were decoded
// without error, and all errors joined, each with its document's number.
func Decode(data []byte) ([]Object, error) {
	docs, err := Documents(data)
	if err != nil {
		return nil, err
	}
	var out []Object
	var failed []error
	for i, doc := range docs {
		o, err := DecodeOne(doc)
		if err != nil {
			failed = append(failed, fmt.Errorf("cannot decode document %d: %w", i+1, err))
			continue
		}
		out = append(out, o)
	}
	return out, errors.Join(failed...)
}

// Reason returns the innermost cause of a decoding error: the JSON decoder's message about the field.
func Reason(err error) string {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err.Error()
}
