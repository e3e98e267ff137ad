package gateway

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"jali/gateway/engine"
)

// population is the content of a study's file: the tags of its persons in the order of their slots, and the name of the register that they
// were made for. Person ids are not in it.
type population struct {
	register [32]byte
	tags     []engine.Tag
}

// errStudyFile: the file or the record of a study is not what was written.
var errStudyFile = errors.New("the list is damaged")

const studyFormat = "jali-study/1\n"

// aad binds a sealed population to its place, so that the file of one study is never read as that of another.
func (s *study) aad() []byte {
	return fmt.Appendf(nil, "%s%s\n%s\n%s\n%d\n%x", studyFormat, s.agreement, s.dataset, s.id, s.version, s.mapping)
}

// seal encrypts a population under a fresh key (AES-256-GCM): format line, nonce, sealed bytes.
func (p population) seal(aad []byte) (sealed []byte, key [32]byte, err error) {
	if key, err = freshKey(); err != nil {
		return nil, key, err
	}
	aead, err := studyCipher(key)
	if err != nil {
		return nil, key, err
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, key, fmt.Errorf("read random nonce: %w", err)
	}
	plain := make([]byte, 0, 36+len(p.tags)*engine.TagBytes)
	plain = append(plain, p.register[:]...)
	plain = binary.BigEndian.AppendUint32(plain, uint32(len(p.tags)))
	for _, t := range p.tags {
		plain = t.Append(plain)
	}
	return aead.Seal(append([]byte(studyFormat), nonce...), nonce, plain, aad), key, nil
}

// openPopulation decrypts what seal has made.
func openPopulation(sealed []byte, key [32]byte, aad []byte) (population, error) {
	rest, ok := bytes.CutPrefix(sealed, []byte(studyFormat))
	aead, err := studyCipher(key)
	if err != nil || !ok || len(rest) < aead.NonceSize() {
		return population{}, errStudyFile
	}
	n := aead.NonceSize()
	plain, err := aead.Open(nil, rest[:n], rest[n:], aad)
	if err != nil || len(plain) < 36 {
		return population{}, errStudyFile
	}
	p := population{register: [32]byte(plain[:32])}
	count := binary.BigEndian.Uint32(plain[32:])
	if plain = plain[36:]; uint64(len(plain)) != uint64(count)*engine.TagBytes || count == 0 || count > maxStudy {
		return population{}, errStudyFile
	}
	for ; len(plain) > 0; plain = plain[engine.TagBytes:] {
		p.tags = append(p.tags, engine.TagOf(plain))
	}
	return p, nil
}

func studyCipher(key [32]byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
