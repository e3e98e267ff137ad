package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A client's secret that others can read is nobody's secret; a file that is none, or that holds more than a secret, is another file.
func TestReadSecret(t *testing.T) {
	const secret = "CANARY-secret"
	for name, c := range map[string]struct {
		text string
		mode fs.FileMode
		want string // in the error; "" is good
	}{
		"owner's":         {secret + "\n", 0o600, ""},
		"a group's":       {secret, 0o640, ""},
		"others read it":  {secret + "\n", 0o644, "others"},
		"others write it": {secret + "\n", 0o602, "others"},
		"others run it":   {secret + "\n", 0o701, "others"},
		"empty":           {"\n", 0o600, "empty"},
		"two lines":       {secret + "\n" + secret, 0o600, "more than one line"},
		"long":            {strings.Repeat(secret, 1000), 0o600, "more than one line"},
		"directory":       {"", fs.ModeDir | 0o700, "no file"},
		"absent":          {"", 0, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "oidc.secret")
			switch {
			case c.mode.IsDir():
				if err := os.Mkdir(path, 0o700); err != nil {
					t.Fatal(err)
				}
			case c.mode != 0:
				if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(path, c.mode); err != nil { // whatever the umask is
					t.Fatal(err)
				}
			}
			got, err := readSecret(path)
			if c.want == "" {
				if err != nil || got != secret {
					t.Errorf("%q, error %v", got, err)
				}
				return
			}
			if got != "" || err == nil || !strings.Contains(err.Error(), c.want) || hintOf(err) == "" || strings.Contains(err.Error()+hintOf(err), secret) {
				t.Errorf("%q, error %v, hint %q", got, err, hintOf(err))
			}
		})
	}
}
