package engine

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
)

// writeSynced makes a file durable under its final name: temporary name, sync, rename, sync of the directory. A crash
// before the rename leaves only the temporary file.
func writeSynced(path string, data []byte) error {
	var suffix [8]byte
	if _, err := rand.Read(suffix[:]); err != nil {
		return err
	}
	tmp := path + "." + hex.EncodeToString(suffix[:]) + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return rename(tmp, path)
}

// moveSynced makes a complete file durable under its final name on the same file system.
func moveSynced(from, to string) error {
	f, err := os.OpenFile(from, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = f.Sync()
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Chmod(from, 0o600)
	}
	if err != nil {
		return err
	}
	return rename(from, to)
}

func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
