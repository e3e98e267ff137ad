package sdk

import (
	"bufio"
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"jali/crypto/cohort"
	jaliv1 "jali/proto/jali/v1"
)

// KeysEnv names the environment variable that overrides where keys of encrypted questions are kept.
const KeysEnv = "JALI_KEYS"

// storedKey is a secret key with its file. Next to it lies a journal of the seeds it has encrypted under.
type storedKey struct {
	*cohort.SecretKey
	path string
}

// keyFile is what a file of the key store holds. The secret is in Key, or sealed with a passphrase in Sealed.
type keyFile struct {
	Format    string `json:"format"` // jali-key/1
	Endpoint  string `json:"endpoint"`
	Agreement string `json:"agreement"`
	Params    string `json:"params"`
	ID        string `json:"id"`
	Expires   int64  `json:"expires"` // unix seconds
	Key       []byte `json:"key,omitempty"`
	Salt      []byte `json:"salt,omitempty"`
	Sealed    []byte `json:"sealed,omitempty"`
}

const (
	keyFormat = "jali-key/1"
	// rounds of PBKDF2-HMAC-SHA-256: what OWASP recommends (2023).
	rounds = 600_000
)

// cohortOffer gets a nonce for the stored key, or for a new one when there is none that the gateway knows: gateways forget keys
// when they restart. registered is how many bytes a new key took.
func (c *Client) cohortOffer(ctx context.Context, q CohortQuery, aggregate, params string) (key *storedKey, offer *jaliv1.CohortServiceQuoteResponse, registered int64, err error) {
	path, err := c.keyPath(q.Agreement, params)
	if err != nil {
		return nil, nil, 0, err
	}
	if key, err = c.loadKey(path); err != nil {
		return nil, nil, 0, err
	}
	for try := 0; ; try++ {
		if key == nil {
			if key, registered, err = c.newKey(ctx, path, q, params); err != nil {
				return nil, nil, 0, err
			}
		}
		id := key.ID()
		offer, err = c.cohortQuote(ctx, q, aggregate, id[:])
		var g *GatewayError
		if err == nil || try > 0 || !errors.As(err, &g) || g.Code != "KEY_UNKNOWN" {
			if err != nil {
				key.Erase()
			}
			return key, offer, registered, err
		}
		key.Erase()
		key = nil
	}
}

// keyPath is where the key of an agreement at this gateway, for this certificate and set, is kept.
func (c *Client) keyPath(agreement, params string) (string, error) {
	dir := c.config.Keys
	if dir == "" {
		dir = os.Getenv(KeysEnv)
	}
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", configError("name a directory for keys (Config.Keys, or $"+KeysEnv+")", "find the key store: %v", err)
		}
		dir = filepath.Join(home, ".config", "jali", "keys")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", configError("name a directory for keys (Config.Keys, or $"+KeysEnv+")", "make the key store: %v", err)
	}
	d := sha256.New()
	for _, part := range []string{c.config.Endpoint, c.config.Cert, agreement, params} {
		fmt.Fprintf(d, "%d:%s", len(part), part)
	}
	return filepath.Join(dir, hex.EncodeToString(d.Sum(nil)[:16])+".key"), nil
}

// newKey makes and registers a key and stores it, with an empty journal, before it is used.
func (c *Client) newKey(ctx context.Context, path string, q CohortQuery, params string) (*storedKey, int64, error) {
	agreement := q.Agreement
	p, err := cohort.ParamsByID(params)
	if err != nil {
		return nil, 0, &GatewayError{Code: "PARAMS", kind: ErrUnavailable, Message: "the gateway asks for a parameter set that this client does not know", Hint: "use a newer client"}
	}
	asked, err := retry(ctx, c, func(ctx context.Context) (*jaliv1.NewKeyResponse, error) {
		return c.cohorts.NewKey(ctx, &jaliv1.NewKeyRequest{Agreement: agreement, Params: params})
	})
	if err != nil {
		return nil, 0, err
	}
	if len(asked.GetCrs()) != 32 {
		return nil, 0, errors.New("register key: the gateway's random string does not have 32 bytes")
	}
	auditor, err := q.auditor(asked.GetAuditor())
	if err != nil {
		return nil, 0, err
	}
	secret, body, err := cohort.GenerateKey(p, [32]byte(asked.GetCrs()), auditor)
	if err != nil {
		return nil, 0, fmt.Errorf("make key: %w", err)
	}
	got, err := c.cohorts.RegisterKey(ctx, &jaliv1.RegisterKeyRequest{Crs: asked.GetCrs(), Body: body})
	if err != nil {
		return nil, 0, FromStatus(err)
	}
	id := secret.ID()
	if !bytes.Equal(got.GetKey(), id[:]) {
		return nil, 0, errors.New("register key: the gateway names another key than was sent")
	}
	f := keyFile{Format: keyFormat, Endpoint: c.config.Endpoint, Agreement: agreement, Params: params, ID: hex.EncodeToString(id[:]), Expires: got.GetExpiresAt()}
	stored, err := secret.Store()
	if err != nil {
		return nil, 0, fmt.Errorf("store key: %w", err)
	}
	defer clear(stored)
	if err := f.seal(stored, c.config.Passphrase); err != nil {
		return nil, 0, fmt.Errorf("store key: %w", err)
	}
	if err := errors.Join(f.write(path), removed(path+".seeds")); err != nil {
		return nil, 0, fmt.Errorf("store key: %w", err)
	}
	return &storedKey{SecretKey: secret, path: path}, int64(len(body)), nil
}

// loadKey reads a stored key; nil if there is none, or it has expired.
func (c *Client) loadKey(path string) (*storedKey, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, configError("check the key store", "read key: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		return nil, configError("chmod 600 "+path, "the key file may be read by others")
	}
	var f keyFile
	if err := json.Unmarshal(b, &f); err != nil || f.Format != keyFormat {
		return nil, configError("remove "+path+": a new key will be made", "the key file cannot be read")
	}
	if time.Now().Unix() >= f.Expires {
		return nil, nil
	}
	stored, err := f.open(c.config.Passphrase)
	if err != nil {
		return nil, err
	}
	defer clear(stored)
	secret, err := cohort.RestoreKey(stored)
	if err != nil {
		return nil, configError("remove "+path+": a new key will be made", "the key file cannot be read")
	}
	return &storedKey{SecretKey: secret, path: path}, nil
}

// remember writes a seed into the journal before anything is encrypted under it, and refuses one that is there: two selectors
// under one seed would show their difference. A crash after it costs a nonce, never a secret.
func (k *storedKey) remember(seed cohort.Digest) error {
	f, err := os.OpenFile(k.path+".seeds", os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	line := hex.EncodeToString(seed[:])
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if lines.Text() == line {
			return cohort.ErrSeedReused
		}
	}
	if _, err := f.WriteString(line + "\n"); err != nil {
		return err
	}
	return f.Sync()
}

// seal puts the secret into the file, under the passphrase if there is one.
func (f *keyFile) seal(secret []byte, passphrase string) error {
	if passphrase == "" {
		f.Key = bytes.Clone(secret)
		return nil
	}
	f.Salt = make([]byte, 32)
	if _, err := rand.Read(f.Salt); err != nil {
		return err
	}
	aead, err := f.aead(passphrase)
	if err != nil {
		return err
	}
	// The salt is fresh for each file, and so the key: a nonce of zeroes is used once.
	f.Sealed = aead.Seal(nil, make([]byte, aead.NonceSize()), secret, f.bound())
	return nil
}

func (f *keyFile) open(passphrase string) ([]byte, error) {
	if len(f.Sealed) == 0 {
		return f.Key, nil
	}
	if passphrase == "" {
		return nil, configError("give it: Config.Passphrase, or $JALI_PASSPHRASE", "the key is sealed with a passphrase")
	}
	aead, err := f.aead(passphrase)
	if err != nil {
		return nil, fmt.Errorf("open key: %w", err)
	}
	secret, err := aead.Open(nil, make([]byte, aead.NonceSize()), f.Sealed, f.bound())
	if err != nil {
		return nil, configError("give the passphrase it was sealed with, or remove the file: a new key will be made", "the passphrase does not open the key")
	}
	return secret, nil
}

func (f *keyFile) aead(passphrase string) (cipher.AEAD, error) {
	key, err := pbkdf2.Key(sha256.New, passphrase, f.Salt, rounds, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// bound ties the sealed secret to what the file says of it.
func (f *keyFile) bound() []byte {
	return fmt.Appendf(nil, "%s %q %q %q %s %d", f.Format, f.Endpoint, f.Agreement, f.Params, f.ID, f.Expires)
}

// write replaces the file whole: a crash leaves the old key or the new one.
func (f *keyFile) write(path string) error {
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	defer clear(b)
	temp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(b)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}

func removed(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
