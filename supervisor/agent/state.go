package agent

import (
	"fmt"
	"os"
	"path/filepath"
)

// saveTable writes the table's JSON atomically: to a temporary file that is renamed to path.
func saveTable(path string, raw []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("cannot store table: %w", err)
	}
	temp := path + ".new"
	if err := os.WriteFile(temp, raw, 0o600); err != nil {
		return fmt.Errorf("cannot store table: %w", err)
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("cannot store table: %w", err)
	}
	return nil
}

// loadTable reads the table that saveTable stored. The error is fs.ErrNotExist if there is none.
func loadTable(path string) (*Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot load table: %w", err)
	}
	defer f.Close()
	return DecodeTable(f)
}
