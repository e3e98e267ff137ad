package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"jali/gateway/catalog"
)

// ErrRegister: the register of persons is not there, or is not the one that tags were made for.
var ErrRegister = errors.New("register of persons cannot be used")

// Tag stands for a person key outside the register: the first 128 bits of the keyed digest under which the register has it. Without
// persons.key it tells nothing of the key; with it, a guess can be tested.
type Tag struct{ hi, lo uint64 }

// TagBytes is the length of an encoded tag.
const TagBytes = 16

// Append adds the tag's encoding.
func (t Tag) Append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, t.hi), t.lo)
}

// TagOf reads an encoding of TagBytes bytes.
func TagOf(b []byte) Tag {
	return Tag{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

// Register is the register of the persons of a dataset, for whoever keeps lists of persons beside it: it makes tags of person keys, and
// finds the ordinals of tags. A person never imported has a tag like any other, and no ordinal. It does not hold the file open.
type Register struct{ dir, secret string }

// OpenRegister reads the secret of the register in a dataset's directory, which an import has made.
func OpenRegister(dir string) (*Register, error) {
	for _, name := range []string{personsFile, secretFile} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return nil, fmt.Errorf("open register: %w: %s is not there", ErrRegister, name)
		}
	}
	secret, err := personSecret(dir)
	if err != nil {
		return nil, fmt.Errorf("open register: %w: %w", ErrRegister, err)
	}
	return &Register{dir: dir, secret: secret}, nil
}

// Name tells registers apart: tags mean persons in the register of the same name only. It does not tell the secret.
func (r *Register) Name() [32]byte {
	return sha256.Sum256([]byte("jali register of persons " + r.secret))
}

// Tag digests a person key as an import does.
func (r *Register) Tag(key string) Tag {
	sum := sha256.Sum256([]byte(r.secret + key + r.secret))
	return TagOf(sum[:])
}

// Ordinals finds the ordinals of tags, -1 where the register has none. It reads the whole register, in time that does not depend on which
// tags are found. Ordinals are only ever added, so what was found stays right for every later version.
func (r *Register) Ordinals(ctx context.Context, tags []Tag) ([]int32, error) {
	out, at := make([]int32, len(tags)), make(map[Tag]int, len(tags))
	for i, t := range tags {
		out[i], at[t] = -1, i
	}
	if len(at) != len(tags) {
		return nil, fmt.Errorf("find ordinals: %w: a tag occurs twice", ErrRegister)
	}
	db, err := openDatabase(filepath.Join(r.dir, personsFile), lockdown(Config{}, 1, ""))
	if err != nil {
		return nil, fmt.Errorf("find ordinals: %w: %w", ErrRegister, err)
	}
	p := newPool(db, 1)
	defer p.close()
	err = p.session(func(c *connection) error {
		if err := c.execAll(ctx, seal...); err != nil {
			return err
		}
		rows, err := c.stream(ctx, "SELECT hi, lo, p FROM person")
		if err != nil {
			return err
		}
		defer rows.close()
		for rows.next() {
			hi, _ := rows.vector(0)
			lo, _ := rows.vector(1)
			ordinals, _ := rows.vector(2)
			his, los := values[uint64](hi, rows.rows), values[uint64](lo, rows.rows)
			for i, n := range values[int32](ordinals, rows.rows) {
				if j, ok := at[Tag{his[i], los[i]}]; ok {
					out[j] = n
				}
			}
		}
		return rows.err
	})
	if err != nil {
		return nil, fmt.Errorf("find ordinals: %w: %w", ErrRegister, err)
	}
	return out, nil
}

// TextPersons reports whether person keys of the dataset are text; otherwise they are integers, and the register knows them in decimal.
func TextPersons(d *catalog.Dataset) bool {
	for _, t := range d.Tables {
		if t.Public || t.Via != nil {
			continue
		}
		if key := t.Column(t.PersonKey); key != nil && key.Type == catalog.Text {
			return true
		}
	}
	return false
}
