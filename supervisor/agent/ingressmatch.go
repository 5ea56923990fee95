package agent

import (
	"net"
	"path"
	"strings"
)

// matchIngress finds the rule for a request, or nil. The host decides first: exact, then a wildcard for one label, then
// rules without a host. Among the rules of that host an exact path wins, then the longest prefix by path elements, then
// the default backend; a host without a matching rule falls back to the default backend without a host.
func matchIngress(rules []IngressRule, host, urlPath string) *IngressRule {
	host = strings.ToLower(host)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(host, ".")
	group := hostGroup(rules, host)
	var best, fallback *IngressRule
	bestScore := 0
	for i := range rules {
		r := &rules[i]
		if r.Path == "" && r.Host == "" && fallback == nil {
			fallback = r
		}
		if !strings.EqualFold(r.Host, group) {
			continue
		}
		if s := pathScore(r, urlPath); s > bestScore {
			best, bestScore = r, s
		}
	}
	if best == nil {
		return fallback
	}
	return best
}

// hostGroup is the Host that the rules for a request have.
func hostGroup(rules []IngressRule, host string) string {
	wildcard := ""
	if _, rest, ok := strings.Cut(host, "."); ok {
		wildcard = "*." + rest
	}
	group := ""
	for i := range rules {
		switch h := strings.ToLower(rules[i].Host); h {
		case "":
		case host:
			return h
		case wildcard:
			group = h
		}
	}
	return group
}

// pathScore is how well a rule's path matches, 0 for not at all.
func pathScore(r *IngressRule, urlPath string) int {
	if r.Path == "" {
		return 1
	}
	if !strings.HasPrefix(urlPath, "/") {
		urlPath = "/" + urlPath
	}
	if r.PathType == "Exact" {
		if r.Path == urlPath {
			return 1 << 30
		}
		return 0
	}
	clean := path.Clean(urlPath)
	prefix := strings.TrimSuffix(r.Path, "/")
	if clean == prefix || strings.HasPrefix(clean, prefix+"/") {
		return 2 + len(prefix)
	}
	return 0
}
