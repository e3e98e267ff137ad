package identity

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Role is what a principal is, as its certificate or token says.
type Role string

const (
	Researcher Role = "researcher"
	Regulator  Role = "regulator"
	Custodian  Role = "custodian"
)

// ErrRole: a role is not one of the three.
var ErrRole = errors.New("role is not researcher, regulator or custodian")

// ParseRole accepts the exact names of the roles and nothing else.
func ParseRole(s string) (Role, error) {
	switch r := Role(s); r {
	case Researcher, Regulator, Custodian:
		return r, nil
	}
	return "", ErrRole
}

// Principal is an authenticated caller. It is an explicit argument everywhere, never a context value. The zero Principal is nobody.
type Principal struct {
	Name string
	Org  string
	Role Role
	// Key is the SHA-256 of the certificate's public key (or of the token's key), hex.
	Key string
}

// maxName bounds names and organisations, in bytes: they are written into every record of the principal.
const maxName = 128

// checkName refuses what could be mistaken in a record or on a screen: nothing, control characters, invisible characters, spaces at the ends.
func checkName(what, s string) error {
	switch {
	case s == "":
		return fmt.Errorf("%s is empty", what)
	case len(s) > maxName:
		return fmt.Errorf("%s is longer than %d bytes", what, maxName)
	case !utf8.ValidString(s):
		return fmt.Errorf("%s is not UTF-8", what)
	case strings.TrimSpace(s) != s:
		return fmt.Errorf("%s begins or ends with a space", what)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%s holds a character that does not print", what)
		}
	}
	return nil
}
