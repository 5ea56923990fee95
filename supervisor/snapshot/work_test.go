package snapshot

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
)

func TestServe(t *testing.T) {
	src, snap := volume(t), t.TempDir()
	var in bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, q := range []Request{
		{Do: "copy", Src: src, Dst: snap}, {Do: "copy", Src: src + "/nowhere", Dst: t.TempDir()}, {Do: "dance"}, {Do: "seal", Dst: snap},
	} {
		if err := enc.Encode(q); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := Serve(&in, &out); err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(&out)
	var got []Reply
	for {
		var r Reply
		if err := dec.Decode(&r); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	if len(got) != 4 || got[0].Error != "" || got[0].Files != 5 || got[1].Error == "" || !strings.Contains(got[2].Error, "dance") || got[3].Sum == "" {
		t.Errorf("replies: %+v", got)
	}
	if err := Serve(strings.NewReader(`{"do":`), io.Discard); err == nil {
		t.Error("half a request is none")
	}
}
