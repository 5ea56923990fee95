package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"slices"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// dockerfileInput is the name of the Dockerfile among the inputs, also if it is outside the context or inline.
const dockerfileInput = "the Dockerfile"

// inputHash hashes all inputs of a build together, and each by itself. Inputs are named as people know them: build.args.NAME, or the
// path of a file in the context.
type inputHash struct {
	all, one hash.Hash
	name     string
	parts    map[string]string
}

func newInputHash() *inputHash {
	return &inputHash{all: sha256.New(), one: sha256.New(), parts: map[string]string{}}
}

// begin begins an input of a name.
func (h *inputHash) begin(name string) {
	h.end()
	h.name = name
	h.one.Reset()
}

func (h *inputHash) end() {
	if h.name != "" {
		h.parts[h.name] = hex.EncodeToString(h.one.Sum(nil)[:8])
	}
}

// Write adds to the input that was begun.
func (h *inputHash) Write(b []byte) (int, error) {
	_, _ = h.one.Write(b) // a hash never fails
	return h.all.Write(b)
}

// sums returns the hash of everything, and those of the inputs.
func (h *inputHash) sums() (string, map[string]string) {
	h.end()
	return hex.EncodeToString(h.all.Sum(nil)), h.parts
}

// savedInputs are the inputs of the image that was built last under a reference.
type savedInputs struct {
	Fingerprint string            `json:"fingerprint"`
	ImageID     string            `json:"imageID"`
	Inputs      map[string]string `json:"inputs"`
}

func (b *Builder) inputsFile(image string) string {
	sum := sha256.Sum256([]byte(image))
	return filepath.Join(b.CacheDir, "inputs", hex.EncodeToString(sum[:8])+".json")
}

// fingerprintOf is the fingerprint of the inputs of which an image was made last, "" for one that lyandev has not built. Of two that give
// the same image the label has the first.
func (b *Builder) fingerprintOf(ref string, img engine.Image) string {
	if was, ok := b.savedInputs(ref); ok && was.ImageID == img.ID && img.Labels[FingerprintLabel] != "" {
		return was.Fingerprint
	}
	return img.Labels[FingerprintLabel]
}

func (b *Builder) savedInputs(image string) (was savedInputs, ok bool) {
	text, err := os.ReadFile(b.inputsFile(image))
	return was, err == nil && json.Unmarshal(text, &was) == nil
}

// saveInputs keeps the inputs of an image that was built, so that Check can tell which of them has changed since.
func (b *Builder) saveInputs(image, id string, src *source) {
	text, err := json.Marshal(savedInputs{Fingerprint: src.fingerprint, ImageID: id, Inputs: src.inputs})
	file := b.inputsFile(image)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(file), 0o700)
	}
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		b.Log.Warn("cannot save the inputs of a build; what changed of it cannot be told", "image", image, "error", err)
	}
}

// Verdict says whether a build would be done, and why.
type Verdict struct {
	Name  string `json:"name"`
	Image string `json:"image"`
	// ImageID is that of the image that there is, "" for none.
	ImageID string `json:"imageID,omitempty"`
	// Current is true if the image would not be built.
	Current bool `json:"current,omitempty"`
	// Because names the inputs that have changed since the image was built, sorted, or says in words why it would be built.
	Because []string `json:"because,omitempty"`
}

// Check says for each build whether Build would build it. It builds nothing. The error is an *Error if the files of a build cannot be
// read.
func (b *Builder) Check(ctx context.Context, builds []*services.Build, opts Options) ([]Verdict, error) {
	done := map[string]*Verdict{}
	var check func(x *services.Build) (*Verdict, error)
	check = func(x *services.Build) (*Verdict, error) {
		if v := done[x.Name]; v != nil {
			return v, nil
		}
		v := &Verdict{Name: x.Name, Image: x.Image}
		done[x.Name] = v // also for a build that uses itself, which Build refuses
		for _, dep := range dependsOn(x) {
			i := slices.IndexFunc(builds, func(o *services.Build) bool { return o.Name == dep })
			if i < 0 {
				continue
			}
			if d, err := check(builds[i]); err != nil {
				return nil, err
			} else if !d.Current {
				v.Because = append(v.Because, "the image of "+dep)
			}
		}
		return v, b.check(ctx, x, v, opts)
	}
	out := make([]Verdict, 0, len(builds))
	for _, x := range builds {
		v, err := check(x)
		if err != nil {
			return nil, err
		}
		out = append(out, *v)
	}
	return out, nil
}

// check completes the verdict about one build, of which Because has the images that it uses and that would be built.
func (b *Builder) check(ctx context.Context, x *services.Build, v *Verdict, opts Options) error {
	old, err := b.Images.InspectImage(ctx, x.Image)
	switch {
	case engine.IsNotFound(err):
		v.Because = []string{"there is no image yet"}
		return nil
	case err != nil:
		return err
	}
	v.ImageID = old.ID
	if len(v.Because) > 0 {
		return nil
	}
	src, err := b.source(x, opts.Refs)
	if err != nil {
		return &Error{Name: x.Name, Err: err}
	}
	defer src.cleanup()
	if err := b.addImages(ctx, x, src, opts.Refs); err != nil {
		return err
	}
	was := b.fingerprintOf(x.Image, old)
	switch {
	case was == src.fingerprint && !opts.Force:
		v.Current = true
	case was == src.fingerprint:
		v.Because = []string{"--build"}
	case was == "":
		v.Because = []string{"lyandev has not built the image that is there"}
	default:
		v.Because = b.changedInputs(x.Image, was, src.inputs)
	}
	return nil
}

// changedInputs names the inputs that differ from those of the image with a fingerprint.
func (b *Builder) changedInputs(image, fingerprint string, now map[string]string) []string {
	was, ok := b.savedInputs(image)
	if !ok || was.Fingerprint != fingerprint {
		return []string{"its inputs have changed; which is not known, because the image was built elsewhere or by an earlier version"}
	}
	var out []string
	for name, sum := range now {
		if old, ok := was.Inputs[name]; !ok {
			out = append(out, name+" (new)")
		} else if old != sum {
			out = append(out, name)
		}
	}
	for name := range was.Inputs {
		if _, ok := now[name]; !ok {
			out = append(out, name+" (removed)")
		}
	}
	slices.Sort(out)
	return withoutCopies(out, now)
}

// withoutCopies leaves out the Dockerfile under its name in the context: it is an input twice there.
func withoutCopies(names []string, inputs map[string]string) []string {
	if _, inContext := inputs["Dockerfile"]; inContext && slices.Contains(names, dockerfileInput) {
		return slices.DeleteFunc(names, func(n string) bool { return n == dockerfileInput })
	}
	return names
}

// addPart adds an input that is not among the files to the fingerprint.
func (s *source) addPart(name, text string) {
	sum := sha256.Sum256([]byte(s.fingerprint + text))
	s.fingerprint, s.inputs[name] = hex.EncodeToString(sum[:]), fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:16]
}
