// Package identity turns a verified client certificate into a Principal, and holds the development certificate authority.
//
// Guaranteed: [FromTLS] makes a Principal only from a chain that the TLS stack verified against the configured client authority (RFC 5280 path
// validation with the client authentication usage), only while the leaf is valid, and only if its subject says exactly one name (CN), one organisation
// (O) and one known role (OU). Anything else is [ErrNoPrincipal]: there is no anonymous and no default role. Key is the SHA-256 of the
// SubjectPublicKeyInfo, so a principal keeps its key when its certificate is renewed for the same key pair.
//
// Not given: revocation. Certificates are meant to be short-lived; to shut a person out at once, end or narrow the agreement. [CA] is a development
// authority whose key lies in a file: an agency brings its own authority with the same subject convention.
package identity
