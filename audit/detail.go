package audit

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of details.
const (
	MaxDetails    = 16       // per entry
	MaxDisclosure = 48 << 10 // bytes of one disclosure D; a larger object goes to a file and the detail holds its digest
	SaltSize      = 32
)

// Errors of details.
var (
	// ErrDetail: bytes that are not a disclosure, or a detail that cannot be one.
	ErrDetail = errors.New("malformed detail")
	// ErrDetailMismatch: a disclosure does not match the digest in its header.
	ErrDetailMismatch = errors.New("detail does not match")
)

// Detail is an erasable part of an entry, withheld from the public: its header commits to a salted digest only.
type Detail struct{ Name, Value string }

// SealDetail makes the disclosure D = b64url([salt, name, value]) with a fresh 256-bit salt. Whoever lacks D can neither
// learn nor guess the value from the digest in the header, however short the value is.
func SealDetail(d Detail) (string, error) {
	var salt [SaltSize]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return "", fmt.Errorf("seal detail: %w", err)
	}
	return sealDetail(d, salt)
}

func sealDetail(d Detail, salt [SaltSize]byte) (string, error) {
	if !validName(d.Name) {
		return "", fmt.Errorf("seal detail: %w: name must match [a-z][a-z0-9_]{0,15}", ErrDetail)
	}
	if !utf8.ValidString(d.Value) {
		return "", fmt.Errorf("seal detail %s: %w: value is not UTF-8", d.Name, ErrDetail)
	}
	var small [512]byte
	text := append(small[:0], '[', '"')
	text = append(b64.AppendEncode(text, salt[:]), `","`...)
	text = append(append(text, d.Name...), `","`...)
	if plainJSON(d.Value) {
		text = append(append(text, d.Value...), '"')
	} else {
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(d.Value); err != nil {
			return "", fmt.Errorf("seal detail %s: %w", d.Name, err)
		}
		text = append(text[:len(text)-1], bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
	}
	text = append(text, ']')
	if b64.EncodedLen(len(text)) > MaxDisclosure {
		return "", fmt.Errorf("seal detail %s: %w: larger than %d bytes", d.Name, ErrDetail, MaxDisclosure)
	}
	return b64.EncodeToString(text), nil
}

// plainJSON reports whether JSON spells a string as it stands.
func plainJSON(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// DetailDigest is what the header's dtl holds: SHA-256 over the disclosure as transported, so that no canonical form of
// JSON or Unicode is ever needed.
func DetailDigest(d string) string { return Digest(sha256.Sum256([]byte(d))) }

// OpenDetail reads a disclosure.
func OpenDetail(d string) (salt []byte, name, value string, err error) {
	if len(d) > MaxDisclosure {
		return nil, "", "", fmt.Errorf("open detail: %w: larger than %d bytes", ErrDetail, MaxDisclosure)
	}
	raw, err := b64.DecodeString(d)
	if err != nil || strings.ContainsAny(d, "\r\n") || !utf8.Valid(raw) {
		return nil, "", "", fmt.Errorf("open detail: %w: not base64url of UTF-8", ErrDetail)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	var parts []*string
	if err := dec.Decode(&parts); err != nil || len(parts) != 3 || parts[0] == nil || parts[1] == nil || parts[2] == nil {
		return nil, "", "", fmt.Errorf("open detail: %w: not an array of three strings", ErrDetail)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, "", "", fmt.Errorf("open detail: %w: text after the array", ErrDetail)
	}
	salt, err = b64.DecodeString(*parts[0])
	if err != nil || len(*parts[0]) != 43 || len(salt) != SaltSize {
		return nil, "", "", fmt.Errorf("open detail: %w: salt is not 43 base64url characters", ErrDetail)
	}
	if !validName(*parts[1]) {
		return nil, "", "", fmt.Errorf("open detail: %w: name must match [a-z][a-z0-9_]{0,15}", ErrDetail)
	}
	return salt, *parts[1], *parts[2], nil
}

// VerifyDetail checks a disclosure against the entry's header and returns what it discloses.
func VerifyDetail(e Entry, d string) (Detail, error) {
	_, name, value, err := OpenDetail(d)
	if err != nil {
		return Detail{}, &EntryError{e.Seq, "dtl", err}
	}
	want, ok := e.Dtl[name]
	if !ok {
		return Detail{}, &EntryError{e.Seq, "dtl." + name, fmt.Errorf("%w: the header commits to no such detail", ErrDetailMismatch)}
	}
	if want != DetailDigest(d) {
		return Detail{}, &EntryError{e.Seq, "dtl." + name, ErrDetailMismatch}
	}
	return Detail{name, value}, nil
}

func validName(s string) bool {
	if len(s) == 0 || len(s) > maxKey {
		return false
	}
	for i := range len(s) {
		if !keyByte(s[i], i == 0) {
			return false
		}
	}
	return true
}

// ResultDetail is the detail "result" of a RELEASE: digest, length and media type of the released bytes.
func ResultDetail(result []byte, mediaType string) Detail {
	return Detail{"result", "sha256:" + Digest(sha256.Sum256(result)) + " " + strconv.Itoa(len(result)) + " " + mediaType}
}

// CheckResult tells whether the value of a "result" detail was made for these bytes.
func CheckResult(value string, result []byte) error {
	digest, rest, _ := strings.Cut(value, " ")
	length, _, ok := strings.Cut(rest, " ")
	if !ok || !strings.HasPrefix(digest, "sha256:") {
		return fmt.Errorf("%w: not a result digest", ErrDetail)
	}
	if digest != "sha256:"+Digest(sha256.Sum256(result)) || length != strconv.Itoa(len(result)) {
		return fmt.Errorf("%w: the result is not the one that was recorded", ErrDetailMismatch)
	}
	return nil
}
