package profiles

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/tools/txtar"
)

// editorSchema compiles FileSchema as an editor's language server would.
func editorSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	raw, err := FileSchema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("file.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("file.json")
	if err != nil {
		t.Fatalf("the schema does not compile: %v", err)
	}
	if schema.DraftVersion != 7 {
		t.Errorf("draft %d", schema.DraftVersion)
	}
	return schema
}

// against validates the documents of a file, as they are written, before variables are substituted.
func against(t *testing.T, schema *jsonschema.Schema, name, content string) error {
	t.Helper()
	var p problems
	for _, d := range parse(name, name, []byte(content), &p) {
		raw, err := json.Marshal(d.root.plain())
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			return err
		}
	}
	if !p.empty() {
		t.Fatalf("%s is not valid YAML: %v", name, p.err())
	}
	return nil
}

// TestFileSchemaAcceptsValidFiles: every valid file of the tests is valid in an editor.
func TestFileSchemaAcceptsValidFiles(t *testing.T) {
	schema := editorSchema(t)
	files := map[string]string{}
	for _, pattern := range []string{"../lyanna.dev.yaml", "../assets/examples/*/*.yaml", "../cmd/lyandev/scaffold/templates/hello/*.yaml", "testdata/plain/*.yaml", "testdata/corpus/*.txtar", "../supervisor/compat/testdata/*.txtar"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: no files: %v", pattern, err)
		}
		for _, path := range paths {
			if strings.HasPrefix(filepath.Base(path), "refused-") {
				continue // these are refused by the loader too
			}
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if filepath.Ext(path) == ".yaml" {
				files[path] = string(content)
				continue
			}
			for _, f := range txtar.Parse(content).Files {
				if base := filepath.Base(f.Name); strings.Contains(base, "compose") && strings.HasPrefix(filepath.Ext(base), ".y") {
					files[path+": "+f.Name] = strings.ReplaceAll(string(f.Data), "${PROJECT}", "project") // as the test of the file does
				}
			}
		}
	}
	if len(files) < 150 {
		t.Fatalf("only %d files", len(files))
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := against(t, schema, name, files[name]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFileSchemaRefusesMistakes: an editor marks these.
func TestFileSchemaRefusesMistakes(t *testing.T) {
	schema := editorSchema(t)
	for name, content := range map[string]string{
		"typo at the top":          "servces: {web: {image: x}}",
		"typo in a service":        "services: {web: {imgae: x}}",
		"wrong type":               "services: {web: {image: [x]}}",
		"typo in x-lyandev":        "services: {web: {image: x, x-lyandev: {porbes: {}}}}",
		"key of the wrong place":   "services: {web: {image: x, probes: {}}}",
		"unknown kind":             "services: {web: {image: x, x-lyandev: {kind: Deploymnt}}}",
		"number as a text":         "services: {web: {image: x, x-lyandev: {probes: {liveness: {tcpSocket: {port: 80}, periodSeconds: often}}}}}",
		"typo in a probe":          "services: {web: {image: x, x-lyandev: {probes: {readiness: {htpGet: {port: 80}}}}}}",
		"typo deep in a patch":     "services: {web: {image: x, x-lyandev: {pod: {securityContext: {fsgroup: 1}}}}}",
		"spec of another kind":     "services: {web: {image: x, x-lyandev: {kind: Deployment, spec: {podManagementPolicy: Parallel}}}}",
		"spec of no kind":          "services: {web: {image: x, x-lyandev: {spec: {stratgy: {}}}}}",
		"typo at the top ext":      "x-lyandev: {profile: {}}",
		"typo in a profile":        "x-lyandev: {profiles: {ha: {service: {}}}}",
		"typo in a fragment":       "x-lyandev: {profiles: {ha: {services: {web: {imgae: x}}}}}",
		"typo in a Service":        "x-lyandev: {services: {web: {port: []}}}",
		"typo in an Ingress":       "x-lyandev: {ingresses: {web: {rule: []}}}",
		"a step without run":       "services: {web: {image: x, x-lyandev: {bootstrap: [{name: x}]}}}",
		"timing of another word":   "x-lyandev: {timing: slow}",
		"version as a text":        "x-lyandev: {version: one}",
		"a list instead of a name": "x-lyandev: {defaultProfile: [a]}",
	} {
		if err := against(t, schema, name, content); err == nil {
			t.Errorf("%s is accepted: %s", name, content)
		}
	}
	for _, content := range []string{
		"services: {web: {image: x, x-lyandev: {kind: StatefulSet, spec: {podManagementPolicy: Parallel}}}}",
		"services: {web: {image: x, x-lyandev: {kind: '${KIND}', probes: {liveness: {tcpSocket: {port: 80}, periodSeconds: '${P}'}}}}}",
		"services: {web: {image: x, x-lyandev: {service: {name: a, labels: {a: b}, ports: [{port: 80, targetPort: http}]}}}}",
	} {
		if err := against(t, schema, "valid", content); err != nil {
			t.Errorf("%s: %v", content, err)
		}
	}
}

// TestFileSchemaForEditors: what yaml-language-server 1.25 marked wrongly or could not complete.
func TestFileSchemaForEditors(t *testing.T) {
	schema := editorSchema(t)
	for name, content := range map[string]string{
		"variables in Compose's keys": `services: {web: {image: x, init: '${A}', pull_policy: '${A}', oom_kill_disable: '${A}',
  volumes: [{type: '${A}', target: /x}], depends_on: {db: {condition: '${A}', required: '${B}'}}, build: {no_cache: '${A}'},
  develop: {watch: [{path: ., action: '${A}', initial_sync: '${B}'}]}, networks: {a: {priority: '${A}'}}}}
models: {m: {model: x, context_size: '${A}'}}`,
		"variables in x-lyandev": "x-lyandev: {ingressPort: '${A:-80}', order: '${O}', allowHostPaths: '${P}'}",
		"parts of things in a profile": `x-lyandev: {profiles: {ha: {x-lyandev: {secrets: {s: {labels: {a: b}}}}, services: {web: {develop: {watch: [{path: .}]},
  depends_on: {db: {}}, volumes: [{target: /x}], blkio_config: {weight_device: [{weight: 4}]}, provider: {options: {a: b}}, ulimits: {nofile: {soft: 3}}, extends: {file: x}}}}}}`,
	} {
		if err := against(t, schema, name, content); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, content := range map[string]string{
		"a part of a thing in a service":   "services: {web: {image: x, volumes: [{target: /x}]}}",
		"profiles in a profile":            "x-lyandev: {profiles: {ha: {x-lyandev: {profiles: {}}}}}",
		"a kind's spec in a profile":       "x-lyandev: {profiles: {ha: {services: {web: {x-lyandev: {kind: Job, spec: {replicas: 3}}}}}}}",
		"a word that Kubernetes has not":   "services: {web: {image: x, x-lyandev: {probes: {readiness: {httpGet: {port: 80, scheme: ftp}}}}}}",
		"a text where a boolean is wanted": "services: {web: {image: x, build: {privileged: maybe}, oom_kill_disable: [x]}}",
	} {
		if err := against(t, schema, name, content); err == nil {
			t.Errorf("%s is accepted: %s", name, content)
		}
	}
	raw, err := FileSchema()
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	for key, property := range propertiesOf(t, "x-lyandev.service") {
		if p := property.(map[string]any); p["type"] == nil && p["anyOf"] == nil {
			t.Errorf("an editor completes %s without a colon: %v", key, p)
		}
	}
	if text := descriptionOf(t, propertiesOf(t, "kubernetes.Container")["readinessProbe"].(map[string]any)); !strings.Contains(text, "removed from service endpoints") {
		t.Errorf("an editor shows about a field what its type is: %q", text)
	}
	rewrite(file, func(m map[string]any) any {
		if title, ok := m["title"].(string); ok {
			t.Errorf("an editor would show the title %q in front of each description", title)
		}
		return m
	})
}

// propertiesOf returns a definition's properties in FileSchema, or those of the values of a mapping.
func propertiesOf(t *testing.T, definition string) map[string]any {
	t.Helper()
	def := definitionOf(t, definition)
	if every, ok := def["additionalProperties"].(map[string]any); ok && def["properties"] == nil {
		def = every
	}
	return def["properties"].(map[string]any)
}

// descriptionOf returns what an editor shows about a property.
func descriptionOf(t *testing.T, property map[string]any) string {
	t.Helper()
	if ref, ok := property["$ref"].(string); ok {
		property = definitionOf(t, strings.TrimPrefix(ref, "#/definitions/"))
	}
	text, _ := property["description"].(string)
	return text
}

func definitionOf(t *testing.T, definition string) map[string]any {
	t.Helper()
	raw, err := FileSchema()
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	def, ok := file["definitions"].(map[string]any)[definition].(map[string]any)
	if !ok {
		t.Fatalf("no definition %s", definition)
	}
	return def
}

// TestFileSchemaNamesEveryKey compares the schema with what the loader reads.
func TestFileSchemaNamesEveryKey(t *testing.T) {
	fieldsOf := func(v any, more ...string) []string {
		return append(slices.Collect(maps.Keys(jsonFields(reflect.TypeOf(v)))), more...)
	}
	configMap := slices.DeleteFunc(fieldsOf(dataExt{}), func(k string) bool { return k == "type" || k == "stringData" })
	for definition, loader := range map[string][]string{
		"x-lyandev.top":           fieldsOf(topExt{}, "version", "defaultProfile"),
		"x-lyandev.service":       fieldsOf(serviceExt{}),
		"x-lyandev.profile":       append([]string{"description", "extends", "base", "activate"}, fragmentKeys...),
		"x-lyandev.bootstrapStep": fieldsOf(bootstrapExt{}),
		"x-lyandev.secrets":       fieldsOf(dataExt{}),
		"x-lyandev.configMaps":    configMap,
	} {
		properties := propertiesOf(t, definition)
		slices.Sort(loader)
		if schema := slices.Sorted(maps.Keys(properties)); !slices.Equal(schema, loader) {
			t.Errorf("%s: the schema has %v, the loader reads %v", definition, schema, loader)
		}
		for key, v := range properties {
			if text := descriptionOf(t, v.(map[string]any)); len(text) < 15 || !strings.HasSuffix(text, ".") {
				t.Errorf("%s: %s has no description that an editor can show: %q", definition, key, text)
			}
		}
	}
}

// TestFileSchemaKnowsTheKubernetesTypes: where the loader checks a Kubernetes type, the schema has its fields.
func TestFileSchemaKnowsTheKubernetesTypes(t *testing.T) {
	var ext map[string]any
	if err := json.Unmarshal(extensionSchema, &ext); err != nil {
		t.Fatal(err)
	}
	set := schemaSet{raw: ext}
	for _, f := range kubeFields {
		at, _ := set.at("$defs/service/properties/" + strings.Join(f.path, "/properties/")).(map[string]any)
		name, isList := strings.CutPrefix(at[kubernetesKey].(string), "[]")
		want := f.typ
		if isList && want.Kind() == reflect.Slice {
			want = want.Elem()
		}
		if namedTypes[name] != want {
			t.Errorf("%s: the schema names %s, the loader checks %s", f.path, name, want)
		}
	}
	if properties := propertiesOf(t, "kubernetes.Probe"); len(properties) < 8 {
		t.Errorf("a probe has %d fields", len(properties))
	} else if text := properties["periodSeconds"].(map[string]any)["description"]; !strings.Contains(text.(string), "seconds") {
		t.Errorf("periodSeconds is described as %q", text)
	}
}
