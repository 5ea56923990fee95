package agent

import (
	"fmt"
	"os"
	"path/filepath"
)

// saveTable writes the table's JSON beside path and renames it over: a reader sees the old one or the new one.
func saveTable(path string, raw []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("cannot keep table: %w", err)
	}
	temp := path + ".new"
	if err := os.WriteFile(temp, raw, 0o600); err != nil {
		return fmt.Errorf("cannot keep table: %w", err)
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("cannot keep table: %w", err)
	}
	return nil
}

// loadTable reads the table that saveTable kept, or an error that wraps fs.ErrNotExist.
func loadTable(path string) (*Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot load table: %w", err)
	}
	defer f.Close()
	return DecodeTable(f)
}
