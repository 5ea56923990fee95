package profiles

// SchemaVersion is the newest version of x-lyandev that this lyandev knows. A file says its version in x-lyandev.version; 1 if it
// says none. Within a version, keys are added and never removed, and a key keeps its meaning: a file goes on giving the same stack.
// What must break that gets the next version.
const SchemaVersion = 1

// versionKey is the key of the version in the top-level x-lyandev.
const versionKey = "version"

// refuseNewer reports the documents that are written for a version of x-lyandev that this lyandev does not know. It comes before
// the other checks, which would call new keys misspelt.
func (l *load) refuseNewer() {
	for _, d := range append(l.docs[:len(l.docs):len(l.docs)], l.related...) {
		it := d.root.get(extensionKey, versionKey)
		if it == nil {
			continue
		}
		if n, ok := wholeNumber(it.value, false); ok && n > SchemaVersion {
			l.p.at(it.pos, keyPath{extensionKey, versionKey},
				"install a newer lyandev, or use the keys of version 1, which lyandev help x-lyandev lists, and write version: 1",
				"the file is written for version %d of x-lyandev, this lyandev knows up to version %d", n, SchemaVersion)
		}
	}
}
