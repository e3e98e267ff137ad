package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
)

// keyring is keys.db: data encryption keys by (subject, retention class, calendar month), and an index key per agreement.
// Destroying a key erases what it sealed, wherever copies of audit.db lie; so keys.db must not be in ordinary backups.
//
// Everything in it is wrapped by the file key, and subjects and agreements are found through a keyed hash: the file alone
// names nobody.
type keyring struct {
	db   *bolt.DB
	wrap cipher.AEAD
	mac  []byte

	mu     sync.Mutex
	scopes map[string]*dek // by scope, this process
	byID   map[[16]byte]*dek
	index  map[string][]byte
	// retired keys and their successors; generation counts the changes of keys (retire.go).
	retired    map[[16]byte]*dek
	generation atomic.Uint64
}

// dek is a data encryption key, durable before it is used. A key that a crash leaves unused is harmless.
type dek struct {
	id   [16]byte
	aead cipher.AEAD
}

var (
	kDEKs   = []byte("k") // dek id -> wrapped key, then "class LF month"
	kScopes = []byte("s") // MAC(subject), "class LF month" -> dek id
	kIndex  = []byte("i") // MAC(agreement) -> wrapped index key
)

const fileKeyPrefix = "PRIVATE+KEK+jali+"

// createKeyring writes the file key, unless a crashed Create has left one, and an empty keys.db.
func createKeyring(c Config) error {
	if _, err := os.Stat(c.FileKey); err != nil {
		var kek [32]byte
		rand.Read(kek[:])
		if err := placeFile(c.FileKey, 0o600, []byte(fileKeyPrefix+base64.StdEncoding.EncodeToString(kek[:])+"\n")); err != nil {
			return err
		}
	}
	return placeDB(c.Keys, func(tx *bolt.Tx) error {
		for _, b := range [][]byte{kDEKs, kScopes, kIndex} {
			if _, err := tx.CreateBucket(b); err != nil {
				return err
			}
		}
		return nil
	})
}

// placeDB makes a bbolt file appear complete and durable, or not at all: bbolt's own first initialisation is not safe
// against power loss (bbolt issue 567), so it happens under a temporary name.
func placeDB(path string, fill func(*bolt.Tx) error) error {
	tmp := tempName(path)
	db, err := bolt.Open(tmp, 0o600, &bolt.Options{Timeout: time.Second, FreelistType: bolt.FreelistMapType})
	if err == nil {
		err = db.Update(fill)
		if e := db.Close(); err == nil {
			err = e
		}
	}
	if err == nil {
		err = syncFile(tmp)
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
		return fmt.Errorf("create %s: %w", path, err)
	}
	return syncDir(filepath.Dir(path))
}

func openKeyring(c Config, readOnly bool) (*keyring, error) {
	text, err := readPrivate(c.FileKey)
	if err != nil {
		return nil, err
	}
	enc, ok := strings.CutPrefix(strings.TrimSpace(string(text)), fileKeyPrefix)
	kek, err := base64.StdEncoding.DecodeString(enc)
	if !ok || err != nil || len(kek) != 32 {
		return nil, fmt.Errorf("open keyring: %w: not a file key", ErrKeyFile)
	}
	wrapKey, err := hkdf.Expand(sha256.New, kek, "jali keys.db wrap", 32)
	if err != nil {
		return nil, fmt.Errorf("open keyring: %w", err)
	}
	mac, err := hkdf.Expand(sha256.New, kek, "jali keys.db names", 32)
	if err != nil {
		return nil, fmt.Errorf("open keyring: %w", err)
	}
	k := &keyring{mac: mac, scopes: map[string]*dek{}, byID: map[[16]byte]*dek{}, index: map[string][]byte{}, retired: map[[16]byte]*dek{}}
	if k.wrap, err = newAEAD(wrapKey); err != nil {
		return nil, fmt.Errorf("open keyring: %w", err)
	}
	if k.db, err = openDB(c.Keys, readOnly, 0); err != nil {
		return nil, err
	}
	if !readOnly { // the lock is ours
		if err := sweep(c.Keys); err != nil {
			return nil, errors.Join(err, k.db.Close())
		}
	}
	return k, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (k *keyring) close() error { return k.db.Close() }

func (k *keyring) name(purpose, s string) []byte {
	m := hmac.New(sha256.New, k.mac)
	m.Write([]byte(purpose + "\n" + s))
	return m.Sum(nil)
}

func (k *keyring) seal(key, aad []byte) []byte {
	nonce := make([]byte, 12, 12+48)
	rand.Read(nonce)
	return k.wrap.Seal(nonce, nonce, key, aad)
}

func (k *keyring) unseal(b, aad []byte) ([]byte, error) {
	if len(b) != 12+32+16 {
		return nil, fmt.Errorf("%w: a wrapped key has the wrong length", ErrDamaged)
	}
	key, err := k.wrap.Open(nil, b[:12], b[12:], aad)
	if err != nil {
		return nil, fmt.Errorf("%w: a wrapped key does not open with this file key", ErrKeyFile)
	}
	return key, nil
}

// dek returns the key for a subject, class and the month of now, and makes it durable first where there is none.
func (k *keyring) dek(subject, class string, now time.Time) (*dek, error) {
	month := now.UTC().Format("2006-01")
	scope := subject + "\n" + class + "\n" + month
	k.mu.Lock()
	defer k.mu.Unlock()
	if d := k.scopes[scope]; d != nil {
		return d, nil
	}
	row := append(k.name("subject", subject), class+"\n"+month...)
	var id []byte
	err := k.db.View(func(tx *bolt.Tx) error {
		id = append(id, tx.Bucket(kScopes).Get(row)...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find key: %w", err)
	}
	if id == nil {
		err := k.db.Update(func(tx *bolt.Tx) error {
			fresh, err := k.newDEK(tx, []byte(class+"\n"+month))
			if err != nil {
				return err
			}
			id = fresh[:]
			return tx.Bucket(kScopes).Put(row, id)
		})
		if err != nil {
			return nil, fmt.Errorf("make key durable: %w", err)
		}
	}
	d, err := k.load([16]byte(id))
	if err != nil {
		return nil, err
	}
	if len(k.scopes) >= 4096 {
		clear(k.scopes)
	}
	k.scopes[scope] = d
	return d, nil
}

// byDEK returns a key by its id, or ErrWithheld if it was destroyed.
func (k *keyring) byDEK(id [16]byte) (*dek, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.load(id)
}

func (k *keyring) load(id [16]byte) (*dek, error) {
	if d := k.byID[id]; d != nil {
		return d, nil
	}
	var row []byte
	err := k.db.View(func(tx *bolt.Tx) error {
		row = append(row, tx.Bucket(kDEKs).Get(id[:])...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load key: %w", err)
	}
	if len(row) < 60 {
		return nil, ErrWithheld
	}
	key, err := k.unseal(row[:60], id[:])
	if err != nil {
		return nil, err
	}
	d := &dek{id: id}
	if d.aead, err = newAEAD(key); err != nil {
		return nil, err
	}
	if len(k.byID) >= 4096 {
		clear(k.byID)
	}
	k.byID[id] = d
	return d, nil
}

// indexKey is the HMAC key of an agreement's index. With create false a missing key is nil.
func (k *keyring) indexKey(agreement string, create bool) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if key := k.index[agreement]; key != nil {
		return key, nil
	}
	name := k.name("agreement", agreement)
	var row []byte
	err := k.db.View(func(tx *bolt.Tx) error {
		row = append(row, tx.Bucket(kIndex).Get(name)...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find index key: %w", err)
	}
	if row == nil {
		if !create {
			return nil, nil
		}
		key := make([]byte, 32)
		rand.Read(key)
		row = k.seal(key, name)
		err := k.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(kIndex).Put(name, row) })
		if err != nil {
			return nil, fmt.Errorf("make index key durable: %w", err)
		}
	}
	key, err := k.unseal(row, name)
	if err != nil {
		return nil, err
	}
	k.index[agreement] = key
	return key, nil
}

// indexEntry is the key of bucket q: the type (first byte of index) and HMAC-SHA-256 of the whole index.
func indexEntry(key []byte, index string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(index))
	return m.Sum([]byte{index[0]})
}

// sealed: 0x01, dek id, nonce, AES-256-GCM of the text with aad = origin LF seq LF name.
const sealedVersion = 1

func (d *dek) seal(text []byte, aad []byte) []byte {
	out := make([]byte, 1+16+12, 1+16+12+len(text)+16)
	out[0] = sealedVersion
	copy(out[1:], d.id[:])
	rand.Read(out[17:29])
	return d.aead.Seal(out, out[17:29], text, aad)
}

func (k *keyring) open(sealed, aad []byte) ([]byte, error) {
	if len(sealed) < 29+16 || sealed[0] != sealedVersion {
		return nil, fmt.Errorf("%w: malformed sealed bytes", ErrDamaged)
	}
	d, err := k.byDEK([16]byte(sealed[1:17]))
	if err != nil {
		return nil, err
	}
	text, err := d.aead.Open(nil, sealed[17:29], sealed[29:], aad)
	if err != nil {
		return nil, fmt.Errorf("%w: sealed bytes do not open", ErrDamaged)
	}
	return text, nil
}

// isWithheld reports whether a key is gone, as opposed to bytes being wrong.
func isWithheld(err error) bool { return errors.Is(err, ErrWithheld) }
