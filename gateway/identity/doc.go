// Package identity names callers: by a verified client certificate, or by an access token of an OpenID provider. It also holds the development certificate authority.
//
// Guaranteed of certificates: [FromTLS] makes a Principal only from a chain that the TLS stack verified against the configured client authority (RFC 5280 path
// validation with the client authentication usage), only while the leaf is valid, and only if its subject says exactly one name (CN), one organisation
// (O) and one known role (OU). Anything else is [ErrNoPrincipal]: there is no anonymous and no default role. Key is the SHA-256 of the
// SubjectPublicKeyInfo, so a principal keeps its key when its certificate is renewed for the same key pair. [Trust] checks besides that the authority is
// trusted now and, where revocation lists are configured, that a current list of every issuer does not name the certificate: a list that is missing or over refuses.
//
// Guaranteed of tokens ([Tokens], RFC 9068): signed with an allowed asymmetric algorithm by a key that the provider published within the last five minutes (an hour, while
// it does not answer), typed as an access token, of the configured issuer and for the configured audience, in time, with a bounded lifetime; bound to the certificate of the
// connection where the token says so (RFC 8705), or refused. Groups become one role and one organisation by a configured list; none or two of them are refused. Key is
// a digest of issuer and subject. A request with a token is the token's, whatever certificate its connection has.
//
// Guaranteed of sign-ins ([SignIn]; OpenID Connect Core 1.0, RFC 7636, RFC 9207, RFC 9700): whoever is named holds an access token as above, which the provider gave for this very flow: the answer's issuer, the
// ID token's signature, issuer, audience, azp, times, nonce and at_hash are checked, and both tokens are of one subject. Errors tell nothing of an answer but the provider's error code. [SignIn] has no
// memory: that a flow belongs to one browser and is finished once is the caller's part.
//
// Not given: a token is not asked back from the provider (RFC 7662), so somebody who is shut out there gets in until the token ends, at most its configured lifetime. A
// bearer token that is not bound is whoever's who holds it: demand bound tokens of services. [CA] is a development authority whose key lies in a file: an agency brings its own
// authority with the same subject convention.
package identity
