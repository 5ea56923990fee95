package profiles

import "testing"

func BenchmarkLoadLyanna(b *testing.B) {
	for b.Loop() {
		if _, err := Load(b.Context(), Options{Files: []string{"../lyanna.dev.yaml"}, Profile: "ha"}); err != nil {
			b.Fatal(err)
		}
	}
}
