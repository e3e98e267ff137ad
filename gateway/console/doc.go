// Package console serves the browser console: its files, and the sessions of people who signed in.
//
// Guaranteed:
//   - A session begins with a one-time code, which is given only to whoever has proved to hold the private key of a client certificate, on a
//     TLS connection of its own; or with an access token that an identity provider gave this gateway for the browser ([identity.SignIn]). A session is that certificate or that token, for a
//     browser: the same principal, no more rights. It is judged at each
//     request by the [identity.Trust] of all fronts, so a certificate that is revoked, or whose authority was removed, opens nothing from then on, nor a token whose provider or group was. It
//     ends with the certificate or the token, after [SessionLife], or after [SessionIdle] without a request, whichever comes first. Tokens are never sent to the browser.
//   - A sign-in at the provider belongs to one browser, ends after [FlowLife], and comes back once (RFC 9700, 2.1 and 4.7). It cannot be begun by another site, and leads to a place of the console and
//     nowhere else. One that was only begun takes no memory.
//   - Codes and session names are 256 random bits and are kept as their SHA-256 only. A code works once, within [CodeLife]. Every sign-in is on
//     record before the session exists; failed ones are counted on record.
//   - The browser keeps the session in a cookie that scripts cannot read (HttpOnly), other sites cannot use (SameSite=Strict, __Host-) and plain
//     HTTP never carries (Secure). Nothing is in web storage.
//   - What is served carries a content security policy without inline scripts or styles and without eval; nothing is loaded from elsewhere.
//
// Not guaranteed: sessions live in memory and end with the process. Whoever controls the gateway's host serves the console too, and can serve
// one that lies: a regulator who must not trust the host verifies with the page of a witness (docs/for-regulators.md).
package console
