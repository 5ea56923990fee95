package profiles

import (
	"context"
	"encoding/json"
	"os"
	"testing"
)

func TestDump(t *testing.T) {
	s, err := Load(context.Background(), Options{Files: []string{"../lyanna.dev.yaml"}, Profile: os.Getenv("P")})
	if err != nil {
		t.Fatal("\n" + err.Error())
	}
	raw, _ := json.MarshalIndent(s, "", " ")
	os.Stdout.Write(raw)
}
