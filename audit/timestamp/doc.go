// Package timestamp obtains and verifies RFC 3161 time stamps over checkpoints of an audit log.
//
// A token says that a time-stamping authority saw the digest of a checkpoint's text, and when. The text is the unsigned body of the
// checkpoint: origin, size and root, which anyone who has the log can write again, so a token needs nothing else to be kept. A
// token that verifies shows that these entries existed at that time, under the authority's certificate; it shows nothing about
// later entries, and nothing that the authority would not swear to. Witness cosignatures bound the same time by others.
//
// Guaranteed of what Verify accepts: one signer, whose certificate chains to the roots given, was valid at the time stamped and is for
// time stamping (RFC 3161 section 2.3); the signature covers the token; the token is of the SHA-256 of exactly this text. Not
// guaranteed: that the certificate was not revoked (ask the authority), and the strength of its algorithms in later years
// (stamp again before they age).
package timestamp
