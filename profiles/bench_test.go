package profiles

import "testing"

func BenchmarkLoadLyanna(b *testing.B) {
	for b.Loop() {
		if _, err := Load(b.Context(), Options{Files: []string{"../lyanna.dev.yaml"}, Profiles: []string{"ha"}}); err != nil {
			b.Fatal(err)
		}
	}
}
