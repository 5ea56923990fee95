package mask

import "strings"

// finder reports quickly whether a text can contain a secret, so that the patterns are tried only on such lines of a log.
type finder struct {
	// pairs marks the first two bytes of every needle; needles holds those that begin with a pair.
	pairs   [1 << 16 / 64]uint64
	needles map[uint16][]needle
	// single are the needles of one byte.
	single string
}

// needle is a text without which no pattern matches. With fold, upper and lower case are the same.
type needle struct {
	text string
	fold bool
	// with must be in the text as well, "" for nothing.
	with string
}

// words are those of secretKey, and the one of the pattern "identified by".
var words = []string{
	"password", "passwd", "passphrase", "secret", "token", "apikey", "api_key", "privatekey", "private_key", "accesskey", "access_key", "identified",
}

// newFinder returns a finder for the fixed patterns and for secrets with these values.
func newFinder(values []string) *finder {
	f := &finder{needles: map[uint16][]needle{}}
	f.add(needle{text: "://", with: "@"})
	for _, word := range words {
		f.add(needle{text: word, fold: true})
	}
	f.add(needle{text: "\u212a"}) // the Kelvin sign and the long s are k and s to a pattern that ignores case
	f.add(needle{text: "\u017f"})
	for _, v := range values {
		f.add(needle{text: v})
	}
	return f
}

func (f *finder) add(n needle) {
	switch len(n.text) {
	case 0:
	case 1:
		f.single += n.text
	default:
		firsts, seconds := n.text[:1], n.text[1:2]
		if n.fold {
			firsts, seconds = firsts+strings.ToUpper(firsts), seconds+strings.ToUpper(seconds)
		}
		for i := range len(firsts) {
			for k := range len(seconds) {
				pair := uint16(firsts[i])<<8 | uint16(seconds[k])
				f.pairs[pair/64] |= 1 << (pair % 64)
				f.needles[pair] = append(f.needles[pair], n)
			}
		}
	}
}

// may reports whether a pattern may match. It never says no where one does.
func (f *finder) may(s string) bool {
	for i := range len(f.single) {
		if strings.IndexByte(s, f.single[i]) >= 0 {
			return true
		}
	}
	for i := 0; i+1 < len(s); i++ {
		pair := uint16(s[i])<<8 | uint16(s[i+1])
		if f.pairs[pair/64]&(1<<(pair%64)) != 0 && f.at(pair, s, i) {
			return true
		}
	}
	return false
}

// at reports whether one of a pair's needles is in s at i.
func (f *finder) at(pair uint16, s string, i int) bool {
	for _, n := range f.needles[pair] {
		if len(s)-i < len(n.text) {
			continue
		}
		here := s[i : i+len(n.text)]
		if (here == n.text || n.fold && strings.EqualFold(here, n.text)) && strings.Contains(s, n.with) {
			return true
		}
	}
	return false
}
