package profiles

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxWorkloadName leaves room for what Kubernetes' semantics append to a workload's name in names of at most 63 characters: a
// StatefulSet's "-0", a CronJob's "-29876543".
const maxWorkloadName = 52

var notLabel = regexp.MustCompile(`[^a-z0-9]+`)

// dnsName converts a name of a Compose file to a DNS label of at most limit characters. A name that is one already stays as it
// is; a longer one is cut and ends with a hash of the whole.
func dnsName(name string, limit int) string {
	label := strings.Trim(notLabel.ReplaceAllStringFunc(strings.ToLower(name), func(s string) string {
		return strings.Repeat("-", len(s))
	}), "-")
	if label == "" {
		label = "x"
	}
	if len(label) > limit {
		sum := sha256.Sum256([]byte(name))
		label = strings.TrimRight(label[:limit-9], "-") + "-" + hex.EncodeToString(sum[:4])
	}
	return label
}

// dnsNames gives each name a DNS label of its own. Names that are labels keep themselves; of others that would get the same one,
// the later ones in the alphabet get a number. The result depends on nothing but the set of names.
func dnsNames(names []string, limit int) map[string]string {
	out := make(map[string]string, len(names))
	taken := map[string]bool{}
	var rest []string
	for _, n := range slices.Sorted(slices.Values(names)) {
		if dnsName(n, limit) == n {
			out[n], taken[n] = n, true
		} else {
			rest = append(rest, n)
		}
	}
	for _, n := range rest {
		label := dnsName(n, limit)
		for i := 2; taken[label]; i++ {
			suffix := "-" + strconv.Itoa(i)
			base := dnsName(n, limit)
			label = strings.TrimRight(base[:min(len(base), limit-len(suffix))], "-") + suffix
		}
		out[n], taken[label] = label, true
	}
	return out
}

// nameTables are the internal names of what the file declares, by the names in the file.
type nameTables struct {
	services, volumes, configs, secrets map[string]string
	// files are the services' names by internal name.
	files map[string]string
}

// nameAll computes the internal names. Services of inactive profiles count, so that a switch of profiles renames nothing.
func (c *converter) nameAll() {
	all := slices.Concat(known(c.project.Services), known(c.project.DisabledServices))
	c.names = nameTables{
		services: dnsNames(all, maxWorkloadName), volumes: dnsNames(known(c.project.Volumes), maxWorkloadName),
		configs: dnsNames(known(c.project.Configs), maxWorkloadName), secrets: dnsNames(known(c.project.Secrets), maxWorkloadName),
		files: map[string]string{},
	}
	for _, written := range slices.Sorted(maps.Keys(c.names.services)) {
		c.names.files[c.names.services[written]] = written
	}
}

// workloadName is the name of a service's workload: a DNS label that no other service of the file has.
func (c *converter) workloadName(service string) string { return c.names.services[service] }

// written is the name in the file of the service whose workload has a name.
func (c *converter) written(workload string) string {
	if w, ok := c.names.files[workload]; ok {
		return w
	}
	return workload
}
