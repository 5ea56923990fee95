package mask

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestMayMissesNothing: whatever the patterns change, may says yes to.
func TestMayMissesNothing(t *testing.T) {
	m := New(lyanna())
	bits := []string{
		"password", "PassWord", "passwd", "PASSPHRASE", "secret", "SECRET", "ſecret", "token", "api_key", "apikey", "API_\u212aey", "private_key",
		"accessKey", "=", ":", " = ", "\"", "'", " ", "\t", "-p", "--", "identified by '", "IDENTIFIED BY PASSWORD \"", "://", "redis://:", "u", "@", "host",
		"hunter22", "lyanna", "LYANNA", "é", "“", "x", "{", "}", ",",
	}
	for _, v := range collect(lyanna()) {
		bits = append(bits, v, strings.ToUpper(v))
	}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(bits), 1, 12).Draw(t, "bits"), "")
		masked := m.replace.Replace(text)
		for _, p := range m.patterns {
			masked = p.expr.ReplaceAllString(masked, p.with)
		}
		if got := m.String(text); got != masked {
			t.Fatalf("%q: %q, want %q", text, got, masked)
		}
	})
}

func BenchmarkLineWithoutSecrets(b *testing.B) {
	m := New(lyanna())
	line := `2026-01-02T03:04:05Z INFO GET /api/items?page=3 200 12ms user_agent="curl/8.1" upstream=10.1.2.3:8080`
	for b.Loop() {
		if m.String(line) != line {
			b.Fatal("changed")
		}
	}
}
