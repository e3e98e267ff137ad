//go:build js && wasm

package main

import (
	"bytes"
	"io/fs"
	"path"
	"slices"
	"time"
)

// memory is a file system of files that the page has read: names as below the export's directory.
type memory map[string][]byte

func (m memory) Open(name string) (fs.File, error) {
	b, ok := m[name]
	if !ok || !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &open{info{name, int64(len(b))}, bytes.NewReader(b)}, nil
}

// ReadDir lists the top directory, which is all that a verifier lists.
func (m memory) ReadDir(dir string) ([]fs.DirEntry, error) {
	if dir != "." {
		return nil, &fs.PathError{Op: "readdir", Path: dir, Err: fs.ErrNotExist}
	}
	var names []string
	for name := range m {
		if path.Dir(name) == "." {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var out []fs.DirEntry
	for _, n := range names {
		out = append(out, fs.FileInfoToDirEntry(info{n, int64(len(m[n]))}))
	}
	return out, nil
}

type open struct {
	info
	*bytes.Reader
}

func (o *open) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *open) Size() int64                { return o.info.Size() }
func (o *open) Close() error               { return nil }

type info struct {
	name string
	size int64
}

func (i info) Name() string       { return path.Base(i.name) }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return 0o444 }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return false }
func (i info) Sys() any           { return nil }
