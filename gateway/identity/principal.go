package identity

// Role is what a principal is, as its certificate or token says.
type Role string

const (
	Researcher Role = "researcher"
	Regulator  Role = "regulator"
	Custodian  Role = "custodian"
)

// Principal is an authenticated caller. It is an explicit argument everywhere, never a context value. The zero Principal is nobody.
type Principal struct {
	Name string
	Org  string
	Role Role
	// Key is the SHA-256 of the certificate's public key (or of the token's key), hex.
	Key string
}
